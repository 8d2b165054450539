/*
 * The happy path: the owner writes the archive into a small buffer, from which libcurl fills the
 * socket; an empty buffer pauses the request, a refused write is answered by `room` later. The
 * engine's answer runs through load_reply line by line. A load has a connection of its own, so
 * that breaking it tells the engine to forget what it got.
 */
#include "common/engine/engine_call.h"
#include "common/engine/load_reply.h"

#include <stdlib.h>
#include <string.h>

#define LOAD_BUFFER_SIZE (512u << 10)

struct engine_load {
	struct engine *engine;
	struct http_request request;
	uv_idle_t tell_room;
	struct buf bytes;
	struct load_reply reply;
	bool ended;   /* the owner gave all */
	bool starved; /* libcurl asked and got nothing */
	bool refused; /* the owner wrote more than there was room for */
	void (*room)(void *ctx);
	engine_done_fn *fn;
	void *ctx;
	struct err err;
	int result;
};

static void room_told(uv_idle_t *idle)
{
	struct engine_load *l = idle->data;

	uv_idle_stop(idle);
	l->refused = false;
	l->room(l->ctx);
}

static size_t give_bytes(void *ctx, void *to, size_t max, bool *ret_end)
{
	struct engine_load *l = ctx;
	size_t n = min_size(max, buf_len(&l->bytes));

	if (n > 0) {
		memcpy(to, buf_bytes(&l->bytes), n);
		buf_consume(&l->bytes, n);
	}
	l->starved = n == 0;
	*ret_end = n == 0 && l->ended;
	if (l->refused && buf_len(&l->bytes) <= LOAD_BUFFER_SIZE / 2)
		uv_idle_start(&l->tell_room, room_told);
	return n;
}

static bool take_reply(void *ctx, const void *bytes, size_t n)
{
	struct engine_load *l = ctx;

	load_reply_feed(&l->reply, bytes, n);
	return true;
}

static void idle_closed(uv_handle_t *handle)
{
	struct engine_load *l = handle->data;
	struct engine *e = l->engine;

	l->fn(l->ctx, l->result == 0 ? NULL : &l->err);
	buf_done(&l->bytes);
	load_reply_done(&l->reply);
	free(l);
	e->loads--;
	engine_maybe_close(e);
}

/* A failure that the engine told before the connection broke says more than the break. */
static int judge(struct engine_load *l, int status, const struct buf *body,
	const struct err *failed, struct err *err)
{
	if (l->reply.failed)
		return load_reply_end(&l->reply, err);
	if (failed) {
		*err = *failed;
		return -1;
	}
	if (status < 200 || status >= 300)
		return engine_json_error(status, body, err);
	return load_reply_end(&l->reply, err);
}

static void request_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_load *l = ctx;

	l->result = judge(l, status, body, failed, &l->err);
	uv_close((uv_handle_t *)&l->tell_room, idle_closed);
}

int engine_load_start(struct engine *e, void (*room)(void *ctx), engine_done_fn *fn, void *ctx,
	struct engine_load **ret, struct err *err)
{
	struct engine_load *l = calloc(1, sizeof(*l));
	struct http_call call = { .method = "POST",
		.path = "/images/load?quiet=1",
		.own_connection = true,
		.sink = take_reply,
		.source = give_bytes,
		.done = request_done };

	if (!l)
		return err_nomem(err);
	l->engine = e;
	l->room = room;
	l->fn = fn;
	l->ctx = ctx;
	buf_init(&l->bytes, LOAD_BUFFER_SIZE);
	load_reply_init(&l->reply);
	if (!buf_reserve(&l->bytes, LOAD_BUFFER_SIZE)) {
		buf_done(&l->bytes);
		free(l);
		return err_nomem(err);
	}
	e->loads++;
	uv_idle_init(e->loop, &l->tell_room);
	l->tell_room.data = l;
	call.ctx = l;
	http_start(e->http, &l->request, &call);
	*ret = l;
	return 0;
}

static void feed(struct engine_load *l)
{
	if (!l->starved)
		return;
	l->starved = false;
	http_resume(&l->request);
}

size_t engine_load_write(struct engine_load *l, const void *bytes, size_t n)
{
	size_t taken = min_size(n, LOAD_BUFFER_SIZE - buf_len(&l->bytes));

	buf_append(&l->bytes, bytes, taken);
	l->refused = taken < n;
	if (taken > 0)
		feed(l);
	return taken;
}

void engine_load_end(struct engine_load *l)
{
	l->ended = true;
	feed(l);
}

void engine_load_abort(struct engine_load *l)
{
	http_cancel(&l->request);
}
