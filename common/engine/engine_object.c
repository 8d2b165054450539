/* What the calls about containers, networks and volumes have in common: a JSON body out, an object
 * or an ID back. */
#include "common/engine/engine_call.h"

#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX (4u << 20) /* bytes of the JSON that is sent */
#define NOT_MODIFIED 304

void engine_call_name(struct engine_call *c, const char *kind, const char *name)
{
	char shown[sizeof(c->what) - 32];

	snprintf(c->what, sizeof(c->what), "%.20s %s", kind,
		text_escape(shown, sizeof(shown), name, strlen(name)));
}

/* --- out --- */

static size_t give_json(void *ctx, void *to, size_t max, bool *ret_end)
{
	struct engine_call *c = ctx;
	size_t n = min_size(max, buf_len(&c->out));

	if (n > 0) {
		memcpy(to, buf_bytes(&c->out), n);
		buf_consume(&c->out, n);
	}
	*ret_end = n == 0;
	return n;
}

static bool dump_json(struct engine_call *c, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	buf_init(&c->out, REQUEST_MAX);
	if (text)
		buf_append(&c->out, text, strlen(text));
	else
		c->out.failed = true;
	free(text);
	return buf_ok(&c->out);
}

void engine_call_post(
	struct engine_call *c, const char *path, json_t *body, size_t body_max, http_done_fn *done)
{
	bool whole = dump_json(c, body);
	struct http_call call = { .method = "POST",
		.path = path ? path : "/",
		.body_max = body_max,
		.seconds = c->seconds ? c->seconds : ENGINE_CALL_SECONDS,
		.content_type = "application/json",
		.source = give_json,
		.done = done,
		.ctx = c };

	http_start(c->engine->http, &c->request, &call);
	if (!path || !whole)
		http_fail(&c->request, ERR_NOMEM, "out of memory");
}

/* --- back --- */

void engine_call_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct err err = { 0 };
	int r = !failed && status == NOT_MODIFIED
			? 0
			: engine_call_check(c, status, body, failed, &err);

	engine_call_free(c);
	call.fn.done(call.ctx, r == 0 ? NULL : &err);
}

void engine_call_object(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct err err = { 0 };
	json_t *o = NULL;
	int r = engine_call_check(c, status, body, failed, &err);

	if (r == 0)
		r = engine_json_parse(body, call.what, &o, &err);
	engine_call_free(c);
	call.fn.object(call.ctx, o, r == 0 ? NULL : &err);
	json_decref(o);
}

void engine_call_id(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct err err = { 0 };
	json_t *o = NULL;
	const char *id = NULL;
	int r = engine_call_check(c, status, body, failed, &err);

	if (r == 0)
		r = engine_json_parse(body, call.what, &o, &err);
	if (r == 0) {
		id = json_string_value(json_object_get(o, "Id"));
		if (!id)
			r = err_set(
				&err, ERR_ENGINE, "%s: the engine's answer has no Id", call.what);
	}
	engine_call_free(c);
	call.fn.id(call.ctx, id, r == 0 ? NULL : &err);
	json_decref(o);
}

/* --- the engine itself --- */

static void ask(struct engine *e, const char *path, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.object = fn;
	engine_call_name(c, "engine", "itself");
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, engine_call_object);
}

void engine_version_object(struct engine *e, engine_object_fn *fn, void *ctx)
{
	ask(e, "/version", fn, ctx);
}

void engine_info_object(struct engine *e, engine_object_fn *fn, void *ctx)
{
	ask(e, "/info", fn, ctx);
}
