/*
 * How a connection begins: its memory and handles, the socket that was dialled or accepted, the
 * session on it. Failure modes: memory, and a socket that is gone already; both are told at once,
 * and nothing fires later.
 */
#include "link/uv_conn_impl.h"

#include "link/uv_address.h"
#include "link/uv_refuse.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct uv_conn *conn_new(uv_loop_t *loop, const struct session_config *config,
	const struct uv_conn_ops *ops, void *ctx, struct err *err)
{
	struct uv_conn *c = calloc(1, sizeof(*c));
	uint8_t *in = malloc(READ_CHUNK), *out = malloc(OUT_CHUNK);

	if (!c || !in || !out) {
		free(c);
		free(in);
		free(out);
		err_nomem(err);
		return NULL;
	}
	c->in = in;
	c->out = out;
	c->ctx = ctx;
	c->config = *config;
	uv_tcp_init(loop, &c->tcp);
	uv_timer_init(loop, &c->timer);
	c->handles = 2;
	c->tcp.data = c->timer.data = c->write.data = c;
	c->ops = *ops;
	return c;
}

/* Starts the session on a connected socket. */
static int conn_start(struct uv_conn *c, struct err *err)
{
	uv_tcp_nodelay(&c->tcp, 1);
	uv_tcp_keepalive(&c->tcp, 1, 30);
	c->config.now_ms = uv_now(c->tcp.loop);
	c->session = session_new(&c->config);
	sodium_memzero(c->config.psk, sizeof(c->config.psk));
	sodium_memzero(&c->config.lane, sizeof(c->config.lane));
	if (!c->session)
		return err_nomem(err);
	c->connected = true;
	return 0;
}

int uv_conn_open(uv_loop_t *loop, int fd, const char *where, const struct session_config *config,
	const struct uv_conn_ops *ops, void *ctx, struct uv_conn **ret, struct err *err)
{
	struct uv_conn *c = conn_new(loop, config, ops, ctx, err);
	int r;

	if (!c) {
		close(fd);
		return -1;
	}
	snprintf(c->where, sizeof(c->where), "%s", where);
	r = uv_tcp_open(&c->tcp, fd);
	if (r != 0) {
		close(fd);
		err_set(err, ERR_UNREACHABLE, "cannot use the connection to %s: %s", where,
			uv_strerror(r));
	}
	if (r != 0 || conn_start(c, err) != 0) {
		c->ops.closed = NULL;
		uv_conn_close(c, NULL);
		return -1;
	}
	*ret = c;
	uv_conn_pump(c);
	return 0;
}

int uv_conn_accept(uv_stream_t *listener, const struct session_config *config,
	const struct uv_conn_ops *ops, void *ctx, struct uv_conn **ret,
	struct sockaddr_storage *ret_peer, struct err *err)
{
	struct uv_conn *c = conn_new(listener->loop, config, ops, ctx, err);
	int len = sizeof(*ret_peer), r;

	if (!c) {
		uv_refuse(listener);
		return -1;
	}
	memset(ret_peer, 0, sizeof(*ret_peer));
	r = uv_accept(listener, (uv_stream_t *)&c->tcp);
	if (r == 0)
		r = uv_tcp_getpeername(&c->tcp, (struct sockaddr *)ret_peer, &len);
	uv_address_text(ret_peer, c->where);
	if (r != 0)
		err_set(err, ERR_UNREACHABLE, "cannot accept a connection: %s", uv_strerror(r));
	if (r != 0 || conn_start(c, err) != 0) {
		c->ops.closed = NULL;
		uv_conn_close(c, NULL);
		return -1;
	}
	*ret = c;
	uv_conn_pump(c);
	return 0;
}
