/*
 * A limit on what several connections write together: a bucket of bytes that fills with time.
 * Loop's thread; callbacks fire from the loop.
 */
#pragma once

#include "common/base/err.h"

#include <uv.h>

struct uv_rate;

/* Below it a session's own signs of life would take too long. */
#define UV_RATE_MIN 4096u

/* Embedded in who writes. */
struct uv_rate_waiter {
	void (*fn)(struct uv_rate_waiter *w); /* there are bytes again */
	struct uv_rate_waiter *next;
	bool waiting;
};

/* `bytes_per_second` is at least UV_RATE_MIN. */
int uv_rate_new(uv_loop_t *loop, uint64_t bytes_per_second, struct uv_rate **ret,
	struct err *err) MUST_CHECK;

/* When nobody waits any more. NULL is fine. */
void uv_rate_close(struct uv_rate *r);

/* How many of `n` bytes may be written now. 0: none; `w` is called once when some may. */
size_t uv_rate_take(struct uv_rate *r, struct uv_rate_waiter *w, size_t n);

/* Of those taken, so many were not written. */
void uv_rate_give(struct uv_rate *r, size_t n);

/* `w` is not called any more. */
void uv_rate_leave(struct uv_rate *r, struct uv_rate_waiter *w);
