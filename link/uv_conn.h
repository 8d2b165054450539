/*
 * A session over a TCP connection on the loop: the only place where a socket meets a session. It
 * connects or takes an accepted socket, feeds and writes, keeps the session's deadlines, and ends
 * in exactly one `closed`.
 *
 * Callbacks fire on the loop's thread. `message` may call any uv_conn_ function, uv_conn_close
 * included.
 */
#pragma once

#include "link/tcp_path.h"
#include "link/uv_rate.h"
#include "protocol/session.h"

#include <uv.h>

struct uv_conn;

struct uv_conn_ops {
	/* Of a uv_reach: the peer's socket is reached, the handshake begins. May be NULL. */
	void (*reached)(void *ctx);
	/* The handshake is done and messages may be sent (session_ready). */
	void (*ready)(void *ctx);
	/* `m` is valid during the call. -1 closes the connection with that error. */
	int (*message)(void *ctx, const struct message *m, struct err *err);
	/* uv_conn_room grew. */
	void (*room)(void *ctx);
	/* The end: NULL when both sides said goodbye or this side asked for it with NULL. The
	 * connection is gone after the call. */
	void (*closed)(void *ctx, const struct err *err);
};

/* Takes over a connected socket (uv_dial) and shakes hands. The config is copied; what it points to
 * must last; `now_ms` is filled in here. `where` is "host:port", for messages. On failure the
 * socket is closed. */
int uv_conn_open(uv_loop_t *loop, int fd, const char *where, const struct session_config *config,
	const struct uv_conn_ops *ops, void *ctx, struct uv_conn **ret, struct err *err) MUST_CHECK;

/* Accepts the next connection of a listening socket. `ret_peer` is its address. */
int uv_conn_accept(uv_stream_t *listener, const struct session_config *config,
	const struct uv_conn_ops *ops, void *ctx, struct uv_conn **ret,
	struct sockaddr_storage *ret_peer, struct err *err) MUST_CHECK;

/* Of a connection with lane_later: what it is a lane of. `ready` fires later, from the loop. */
void uv_conn_join(struct uv_conn *c, const struct lane_key *lane);

int uv_conn_send(struct uv_conn *c, const struct message *m, struct err *err) MUST_CHECK;
size_t uv_conn_room(const struct uv_conn *c);

/* Bytes that were sent and that the kernel has not taken yet. */
size_t uv_conn_backlog(const struct uv_conn *c);

/* What it writes from now on counts against this limit, which must outlive it. */
void uv_conn_limit(struct uv_conn *c, struct uv_rate *rate);

/* The socket, for tcp_path; -1 when it is closed. */
int uv_conn_fd(const struct uv_conn *c);

/* While paused no message is delivered and soon none is read: the peer is slowed down. */
void uv_conn_pause(struct uv_conn *c);
void uv_conn_resume(struct uv_conn *c);

/* Says goodbye and closes with NULL when the peer has too (or after a short while). */
void uv_conn_finish(struct uv_conn *c);

/* Says goodbye and closes with NULL as soon as that is with the kernel: the peer's own goodbye is
 * not waited for. Of a side that needs nothing more. */
void uv_conn_leave(struct uv_conn *c);

/* Closes at once; `why` (copied; NULL: no error) goes to `closed`, which fires from the loop. The
 * first reason wins; later calls do nothing. */
void uv_conn_close(struct uv_conn *c, const struct err *why);

struct session *uv_conn_session(struct uv_conn *c);
