/*
 * Owns the admin socket: its file, its list of clients (uv_admin_client.c), and what commands work
 * on. Happy path: made before the sandbox, listens as long as the process serves, is removed when
 * it stops. Failure modes: a file in the way; no room for a socket.
 */
#include "server/admin/uv_admin_impl.h"

#include "common/base/log.h"
#include "server/peer/uv_peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_last_closed(uv_handle_t *handle)
{
	struct uv_admin *a = handle->data;

	if (a->done)
		a->done(a->done_ctx);
	free(a->state_dir);
	free(a);
}

void admin_maybe_closed(struct uv_admin *a)
{
	if (!a->closing || a->clients || a->listening || a->ending)
		return;
	a->ending = true;
	uv_close((uv_handle_t *)&a->last, on_last_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
	if (status < 0)
		log_warn("cannot take an admin command: %s", uv_strerror(status));
	else
		admin_client_accept(listener->data);
}

/* --- starting and closing --- */

static void end_revoked(void *ctx)
{
	struct uv_admin *a = ctx;

	uv_peer_close_revoked(a->server);
}

static void each_session(void *ctx, admin_session_fn *fn, void *fn_ctx)
{
	struct uv_admin *a = ctx;

	uv_peer_each_session(a->server, fn, fn_ctx);
}

static int take_addresses(struct uv_admin *a, const char *const *listen, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (address_parse(listen[i], &a->addresses[i], err) != 0)
			return -1;
	}
	return 0;
}

static void fill_env(struct uv_admin *a, size_t n_listen)
{
	a->env = (struct admin_env){ .state_dir = a->state_dir,
		.serving = true,
		.listening = a->addresses,
		.n_listening = n_listen,
		.revoked = end_revoked,
		.sessions = each_session,
		.ctx = a };
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct uv_admin *a = handle->data;

	a->listening = false;
	admin_maybe_closed(a);
}

static int listen_on(struct uv_admin *a, struct err *err)
{
	int r;

	uv_pipe_init(a->server->loop, &a->listener, 0);
	uv_timer_init(a->server->loop, &a->last);
	a->listener.data = a->last.data = a;
	a->listening = true;
	r = uv_pipe_open(&a->listener, a->file.fd);
	if (r == 0) {
		a->file.fd = -1; /* the handle's now */
		r = uv_listen((uv_stream_t *)&a->listener, ADMIN_CLIENTS_MAX, on_connection);
	}
	if (r != 0)
		return err_set(
			err, ERR_FAILED, "cannot listen on the admin socket: %s", uv_strerror(r));
	return 0;
}

int admin_start(struct server *server, const char *state_dir, const char *const *listen,
	size_t n_listen, struct uv_admin **ret, struct err *err)
{
	struct uv_admin *a = calloc(1, sizeof(*a) + n_listen * sizeof(struct address));

	if (!a)
		return err_nomem(err);
	a->server = server;
	a->state_dir = strdup(state_dir);
	if (!a->state_dir)
		err_nomem(err);
	if (!a->state_dir || take_addresses(a, listen, n_listen, err) != 0 ||
		admin_socket_make(state_dir, &a->file, err) != 0) {
		free(a->state_dir);
		free(a);
		return -1;
	}
	fill_env(a, n_listen);
	admin_set_patience(a, ADMIN_REQUEST_MS, ADMIN_STALL_MS);
	if (listen_on(a, err) != 0) {
		admin_close(a, NULL, NULL);
		return -1;
	}
	*ret = a;
	return 0;
}

void admin_set_patience(struct uv_admin *a, unsigned request_ms, unsigned stall_ms)
{
	a->request_ms = request_ms;
	a->stall_ms = stall_ms;
}

void admin_close(struct uv_admin *a, void (*done)(void *ctx), void *ctx)
{
	if (!a) {
		if (done)
			done(ctx);
		return;
	}
	assert(!a->closing);
	a->closing = true;
	a->done = done;
	a->done_ctx = ctx;
	admin_socket_remove(&a->file);
	uv_close((uv_handle_t *)&a->listener, on_listener_closed);
	for (struct admin_client *cl = a->clients, *next; cl; cl = next) {
		next = cl->next; /* one that is closed is freed from the loop */
		admin_client_stop(cl);
	}
}
