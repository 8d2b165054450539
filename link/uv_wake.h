/* Lets another thread call the loop: any number of sends become at least one call of `fn` on the
 * loop's thread. */
#pragma once

#include "common/base/err.h"

#include <uv.h>

struct uv_wake;

int uv_wake_new(uv_loop_t *loop, void (*fn)(void *ctx), void *ctx, struct uv_wake **ret,
	struct err *err) MUST_CHECK;

/* Any thread; `w` as void * so that it fits callbacks. */
void uv_wake_send(void *w);

/* Loop's thread: `fn` is not called any more, and no thread may send. Frees from the loop. NULL is
 * fine. */
void uv_wake_close(struct uv_wake *w);
