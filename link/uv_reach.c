#include "link/uv_reach.h"

#include "link/uv_dial.h"

#include <sodium.h>
#include <stdlib.h>

struct uv_reach {
	uv_loop_t *loop;
	struct address address;
	struct session_config config;
	struct uv_conn_ops ops;
	void *ctx;
	struct uv_dial *dial; /* while dialling */
	struct uv_conn *conn; /* afterwards */
	struct err why;	      /* of a close while dialling */
};

static void reach_free(struct uv_reach *r)
{
	sodium_memzero(&r->config, sizeof(r->config));
	free(r);
}

static void on_ready(void *ctx)
{
	struct uv_reach *r = ctx;

	if (r->ops.ready)
		r->ops.ready(r->ctx);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct uv_reach *r = ctx;

	return r->ops.message(r->ctx, m, err);
}

static void on_room(void *ctx)
{
	struct uv_reach *r = ctx;

	if (r->ops.room)
		r->ops.room(r->ctx);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct uv_reach *r = ctx;

	r->ops.closed(r->ctx, err);
	reach_free(r);
}

static void on_dialled(void *ctx, int fd, const struct err *dial_err)
{
	static const struct uv_conn_ops ops = {
		.ready = on_ready, .message = on_message, .room = on_room, .closed = on_closed
	};
	struct uv_reach *r = ctx;
	char where[ADDRESS_TEXT_MAX + 1];
	struct err err = { 0 };

	r->dial = NULL;
	if (fd < 0)
		err = r->why.code ? r->why : *dial_err;
	else if (uv_conn_open(r->loop, fd, address_print(&r->address, where), &r->config, &ops, r,
			 &r->conn, &err) == 0) {
		if (r->ops.reached)
			r->ops.reached(r->ctx);
		return;
	}
	on_closed(r, &err);
}

void uv_reach_join(struct uv_reach *r, const struct lane_key *lane)
{
	if (r->conn) {
		uv_conn_join(r->conn, lane);
		return;
	}
	r->config.lane = *lane;
	r->config.lane_later = false;
}

int uv_reach_start(uv_loop_t *loop, const struct address *address,
	const struct session_config *config, const struct uv_conn_ops *ops, void *ctx,
	struct uv_reach **ret, struct err *err)
{
	struct uv_reach *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(err);
	r->loop = loop;
	r->address = *address;
	r->config = *config;
	r->ops = *ops;
	r->ctx = ctx;
	if (uv_dial_start(loop, r->address.host, r->address.port, on_dialled, r, &r->dial, err) !=
		0) {
		reach_free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

struct uv_conn *uv_reach_conn(const struct uv_reach *r)
{
	return r->conn;
}

void uv_reach_close(struct uv_reach *r, const struct err *why)
{
	if (r->conn) {
		uv_conn_close(r->conn, why);
		return;
	}
	if (why)
		r->why = *why;
	uv_dial_cancel(r->dial);
}
