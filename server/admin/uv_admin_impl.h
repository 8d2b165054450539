/* What uv_admin.c (the socket) and uv_admin_client.c (one client) share. */
#pragma once

#include "server/admin/admin.h"
#include "server/admin/admin_socket.h"
#include "server/admin/uv_admin.h"

#define READ_CHUNK 4096u

struct admin_client {
	struct admin_client *next, **link; /* in admin->clients */
	struct uv_admin *admin;
	uv_pipe_t pipe;
	uv_timer_t timer; /* for the request, then for every write */
	unsigned open;	  /* handles that are */
	bool closing;
	unsigned uid;
	struct buf in;
	bool asked;		 /* the request is complete */
	struct admin_call *call; /* NULL before that, and when it is over */
	bool begun;		 /* its turns have begun: it does not wait for another one */
	struct depot_call step;
	bool stepping; /* the store's thread has the call */
	uv_write_t write;
	struct buf out; /* being written */
	bool writing, last;
};

struct uv_admin {
	struct server *server;
	struct admin_env env;
	struct admin_socket file;
	uv_pipe_t listener;
	bool listening;	 /* the handle is open */
	uv_timer_t last; /* closed when all else is gone, so that `done` fires from the loop */
	bool ending;
	struct admin_client *clients;
	size_t n_clients;
	uint8_t chunk[READ_CHUNK];
	unsigned request_ms, stall_ms;
	bool closing;
	void (*done)(void *ctx);
	void *done_ctx;
	char *state_dir;
	struct address addresses[];
};

/* Takes the next connection; those that are too many or somebody else's are told and closed. */
void admin_client_accept(struct uv_admin *a);

/* The process stops: tells the client, closes it and gives its command up. It leaves the list from
 * the loop. */
void admin_client_stop(struct admin_client *cl);

/* Once nothing is left: what admin_close was given fires from the loop, and `a` is gone. */
void admin_maybe_closed(struct uv_admin *a);
