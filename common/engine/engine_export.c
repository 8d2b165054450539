#include "common/engine/engine_export.h"

#include "common/engine/engine_call.h"

#include <stdlib.h>

struct engine_export {
	struct engine *engine;
	struct http_request request;
	engine_export_fn *bytes;
	engine_done_fn *done;
	void *ctx;
	size_t taken; /* of the bytes that are given again */
};

/* The same bytes come again until all of them are taken. */
static bool take(void *ctx, const void *bytes, size_t n)
{
	struct engine_export *x = ctx;

	x->taken += x->bytes(x->ctx, (const uint8_t *)bytes + x->taken, n - x->taken);
	if (x->taken < n)
		return false;
	x->taken = 0;
	return true;
}

static void over(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_export *x = ctx;
	struct engine *e = x->engine;
	struct err err = { 0 };

	if (failed)
		err = *failed;
	else if (status < 200 || status >= 300)
		engine_json_error(status, body, &err);
	x->done(x->ctx, err.code == ERR_NONE ? NULL : &err);
	free(x);
	e->loads--;
	engine_maybe_close(e);
}

int engine_export_start(struct engine *e, const char *container, engine_export_fn *bytes,
	engine_done_fn *done, void *ctx, struct engine_export **ret, struct err *err)
{
	struct engine_export *x = calloc(1, sizeof(*x));
	CLEANUP(cleanup_free) char *path = engine_path("/containers/%s/export", container);
	struct http_call call = {
		.method = "GET", .own_connection = true, .sink = take, .done = over
	};

	if (!x || !path) {
		free(x);
		return err_nomem(err);
	}
	x->engine = e;
	x->bytes = bytes;
	x->done = done;
	x->ctx = ctx;
	call.path = path;
	call.ctx = x;
	e->loads++; /* the engine stays until this is over */
	http_start(e->http, &x->request, &call);
	*ret = x;
	return 0;
}

void engine_export_resume(struct engine_export *x)
{
	http_resume(&x->request);
}

void engine_export_cancel(struct engine_export *x)
{
	http_cancel(&x->request);
}
