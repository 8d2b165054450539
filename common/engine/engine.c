#include "common/engine/engine.h"

#include "common/base/text.h"
#include "common/engine/engine_call.h"
#include "common/engine/uv_save.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- opening and closing --- */

int engine_open(
	uv_loop_t *loop, const struct engine_address *address, struct engine **ret, struct err *err)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return err_nomem(err);
	e->loop = loop;
	e->address = address;
	if (http_open(loop, address, &e->http, err) != 0) {
		free(e);
		return -1;
	}
	*ret = e;
	return 0;
}

static void http_was_closed(void *ctx)
{
	struct engine *e = ctx;
	void (*done)(void *ctx) = e->on_closed;
	void *done_ctx = e->closed_ctx;

	image_cache_done(&e->cache);
	free(e);
	if (done)
		done(done_ctx);
}

void engine_maybe_close(struct engine *e)
{
	if (!e->closing || e->saves || e->loads || e->http_closing)
		return;
	e->http_closing = true;
	http_close(e->http, http_was_closed, e);
}

void engine_close(struct engine *e, void (*done)(void *ctx), void *ctx)
{
	assert(!e->closing);
	e->closing = true;
	e->on_closed = done;
	e->closed_ctx = ctx;
	http_stop(e->http);
	uv_save_cancel_all(e);
	engine_maybe_close(e);
}

const char *engine_host(const struct engine *e)
{
	return e->address->shown;
}

/* --- plain calls --- */

struct engine_call *engine_call_new(struct engine *e, void *ctx)
{
	size_t i = 0;

	while (i < ENGINE_CALLS_MAX && e->calls[i].busy)
		i++;
	assert(i < ENGINE_CALLS_MAX); /* the caller's limit: see engine.h */
	e->calls[i] = (struct engine_call){ .engine = e, .busy = true, .ctx = ctx };
	return &e->calls[i];
}

void engine_call_free(struct engine_call *c)
{
	json_decref(c->list);
	c->list = NULL;
	buf_done(&c->out);
	free(c->path);
	c->path = NULL;
	c->busy = false;
}

void engine_call_start(struct engine_call *c, const char *method, const char *path, size_t body_max,
	http_done_fn *done)
{
	struct http_call call = { .method = method,
		.path = path ? path : "/",
		.body_max = body_max,
		.seconds = c->seconds ? c->seconds : ENGINE_CALL_SECONDS,
		.done = done,
		.ctx = c };

	http_start(c->engine->http, &c->request, &call);
	if (!path)
		http_fail(&c->request, ERR_NOMEM, "out of memory");
}

int engine_call_check(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, struct err *err)
{
	if (failed) {
		*err = *failed;
		return -1;
	}
	if (status >= 200 && status < 300)
		return 0;
	engine_json_error(status, body, err);
	/* A 404 names the image itself, more than once. */
	return c->what[0] && status != 404 ? err_wrap(err, "%s", c->what) : -1;
}

/* --- facts --- */

static int take_facts(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed,
	int (*take)(const json_t *o, struct engine_info *ret, struct err *err), struct err *err)
{
	json_t *o;
	int r;

	if (engine_call_check(c, status, body, failed, err) != 0 ||
		engine_json_parse(body, "itself", &o, err) != 0)
		return -1;
	r = take(o, &c->info, err);
	json_decref(o);
	return r;
}

/* The end of the facts, for the one who wants them or for a call that needs them. */
static void end_info(struct engine_call *c, const struct err *err)
{
	struct engine_call call;

	c->info.remote = !engine_address_is_local(c->engine->address);
	call = *c;
	if (!err) {
		c->engine->facts = c->info;
		c->engine->facts_known = true;
	}
	if (c->go && err) {
		c->failed(c, 0, NULL, err);
	} else if (c->go) {
		c->go(c);
	} else {
		engine_call_free(c);
		call.fn.info(call.ctx, err ? NULL : &call.info, err);
	}
}

static void info_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct err err = { 0 };
	int r = take_facts(c, status, body, failed, engine_json_info, &err);

	end_info(c, r == 0 ? NULL : &err);
}

static void version_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct err err = { 0 };

	if (take_facts(c, status, body, failed, engine_json_version, &err) != 0)
		end_info(c, &err);
	else
		engine_call_start(c, "GET", "/info", ENGINE_INSPECT_MAX, info_done);
}

bool engine_api_at_least(const struct engine_info *info, unsigned major, unsigned minor)
{
	unsigned a, b;

	return sscanf(info->api_version, "%u.%u", &a, &b) == 2 &&
	       (a > major || (a == major && b >= minor));
}

void engine_get_info(struct engine *e, engine_info_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.info = fn;
	engine_call_start(c, "GET", "/version", ENGINE_INSPECT_MAX, version_done);
}

const struct engine_info *engine_facts(const struct engine *e)
{
	return e->facts_known ? &e->facts : NULL;
}

void engine_call_with_facts(
	struct engine_call *c, void (*go)(struct engine_call *c), http_done_fn *failed)
{
	c->go = go;
	c->failed = failed;
	if (c->engine->facts_known)
		go(c);
	else
		engine_call_start(c, "GET", "/version", ENGINE_INSPECT_MAX, version_done);
}
