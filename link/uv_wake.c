#include "link/uv_wake.h"

#include <stdlib.h>

struct uv_wake {
	uv_async_t async;
	void (*fn)(void *ctx); /* NULL once closed */
	void *ctx;
};

static void on_async(uv_async_t *async)
{
	struct uv_wake *w = async->data;

	if (w->fn)
		w->fn(w->ctx);
}

int uv_wake_new(
	uv_loop_t *loop, void (*fn)(void *ctx), void *ctx, struct uv_wake **ret, struct err *err)
{
	struct uv_wake *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_nomem(err);
	r = uv_async_init(loop, &w->async, on_async);
	if (r != 0) {
		free(w);
		return err_set(err, ERR_FAILED, "cannot watch a thread: %s", uv_strerror(r));
	}
	w->async.data = w;
	w->fn = fn;
	w->ctx = ctx;
	*ret = w;
	return 0;
}

void uv_wake_send(void *w)
{
	uv_async_send(&((struct uv_wake *)w)->async);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void uv_wake_close(struct uv_wake *w)
{
	if (!w)
		return;
	w->fn = NULL;
	uv_close((uv_handle_t *)&w->async, on_closed);
}
