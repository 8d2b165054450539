/* A limit that two writers share, in real time. Every test ends with an empty loop. */
#include "link/uv_rate.h"
#include "tests/support/test.h"

#define PER_SECOND 200000u

struct writer {
	struct uv_rate_waiter waiter;
	struct uv_rate *rate;
	size_t left;
	unsigned calls;
};

static void write_some(struct uv_rate_waiter *waiter)
{
	struct writer *w = CONTAINER_OF(waiter, struct writer, waiter);
	size_t n;

	w->calls++;
	while (w->left > 0 && (n = uv_rate_take(w->rate, &w->waiter, w->left)) > 0)
		w->left -= n;
}

static void two_writers_together_keep_to_the_rate(void **state)
{
	struct writer writers[2];
	struct uv_rate *rate;
	struct err err = { 0 };
	uint64_t began, took;
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	assert_ok(uv_rate_new(&loop, PER_SECOND, &rate, &err), &err);
	began = uv_hrtime();
	for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
		writers[i] = (struct writer){
			.waiter = { .fn = write_some }, .rate = rate, .left = PER_SECOND / 4
		};
		write_some(&writers[i].waiter);
	}
	while (writers[0].left + writers[1].left > 0)
		uv_run(&loop, UV_RUN_ONCE);
	took = (uv_hrtime() - began) / 1000000;
	assert_in_range(took, 400, 700); /* half a second's worth, less the burst */
	uv_rate_close(rate);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void what_was_given_back_can_be_taken(void **state)
{
	struct writer w = { .waiter = { .fn = write_some } };
	struct err err = { 0 };
	uv_loop_t loop;
	size_t n;

	(void)state;
	uv_loop_init(&loop);
	assert_ok(uv_rate_new(&loop, PER_SECOND, &w.rate, &err), &err);
	n = uv_rate_take(w.rate, &w.waiter, SIZE_MAX);
	assert_in_range(n, 1024, PER_SECOND);
	assert_int_equal(uv_rate_take(w.rate, &w.waiter, 5000), 0);
	assert_true(w.waiter.waiting);
	uv_rate_give(w.rate, 4000);
	assert_int_equal(uv_rate_take(w.rate, &w.waiter, 5000), 4000);
	uv_rate_leave(w.rate, &w.waiter);
	assert_false(w.waiter.waiting);
	uv_rate_close(w.rate);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(w.calls, 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

RUN_TESTS(TEST(two_writers_together_keep_to_the_rate), TEST(what_was_given_back_can_be_taken))
