#include "link/uv_rate.h"

#include <stdlib.h>

#define REFILL_MS 20u
#define BURST_MS 50u /* what may be written at once after a pause, as time */
#define PIECE_MIN 1024u

struct uv_rate {
	uv_timer_t timer;
	uint64_t per_second;
	uint64_t left, filled_at;
	struct uv_rate_waiter *first, **last;
};

static uint64_t burst(const struct uv_rate *r)
{
	uint64_t n = r->per_second * BURST_MS / 1000;

	return n < PIECE_MIN ? PIECE_MIN : n;
}

static void refill(struct uv_rate *r)
{
	uint64_t now = uv_now(r->timer.loop), passed = min_u64(now - r->filled_at, 1000);
	uint64_t more = r->per_second * passed / 1000;

	/* What is too little to count goes on passing. */
	if (more == 0)
		return;
	r->left = min_u64(r->left + more, burst(r));
	r->filled_at = now;
}

static void on_refill(uv_timer_t *timer)
{
	struct uv_rate *r = timer->data;
	struct uv_rate_waiter *w = r->first;

	refill(r);
	if (r->left < min_u64(PIECE_MIN, burst(r)))
		return;
	r->first = NULL;
	r->last = &r->first;
	uv_timer_stop(&r->timer);
	while (w) {
		struct uv_rate_waiter *next = w->next;

		w->waiting = false;
		w->fn(w); /* may wait again, and is then behind the others */
		w = next;
	}
}

static void wait_for_more(struct uv_rate *r, struct uv_rate_waiter *w)
{
	if (w->waiting)
		return;
	w->waiting = true;
	w->next = NULL;
	*r->last = w;
	r->last = &w->next;
	if (!uv_is_active((uv_handle_t *)&r->timer))
		uv_timer_start(&r->timer, on_refill, REFILL_MS, REFILL_MS);
}

size_t uv_rate_take(struct uv_rate *r, struct uv_rate_waiter *w, size_t n)
{
	size_t some;

	refill(r);
	/* Crumbs are left to gather. */
	some = r->left < min_u64(PIECE_MIN, n) ? 0 : (size_t)min_u64(n, r->left);
	if (some == 0)
		wait_for_more(r, w);
	r->left -= some;
	return some;
}

void uv_rate_give(struct uv_rate *r, size_t n)
{
	r->left += n;
}

void uv_rate_leave(struct uv_rate *r, struct uv_rate_waiter *w)
{
	struct uv_rate_waiter **at = &r->first;

	if (!w->waiting)
		return;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (!*at)
		r->last = at;
	w->waiting = false;
}

int uv_rate_new(uv_loop_t *loop, uint64_t bytes_per_second, struct uv_rate **ret, struct err *err)
{
	struct uv_rate *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(err);
	r->per_second = bytes_per_second;
	r->last = &r->first;
	r->filled_at = uv_now(loop);
	r->left = burst(r);
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	*ret = r;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void uv_rate_close(struct uv_rate *r)
{
	if (r)
		uv_close((uv_handle_t *)&r->timer, on_closed);
}
