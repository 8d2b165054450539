#include "client/view/progress.h"
#include "tests/support/test.h"

static void the_rate_is_that_of_the_last_seconds(void **state)
{
	struct rate r = { 0 };
	uint64_t bytes = 0, now = 1000;

	(void)state;
	assert_int_equal(rate_now(&r, 0, now), 0);
	for (int i = 0; i < 100; i++, now += 100, bytes += 1000000)
		rate_add(&r, bytes, now);
	assert_int_equal(rate_now(&r, bytes, now), 10000000);
	for (int i = 0; i < 100; i++, now += 100, bytes += 10000)
		rate_add(&r, bytes, now);
	assert_int_equal(rate_now(&r, bytes, now), 100000); /* the fast times are forgotten */
}

static void what_stands_still_has_no_rate(void **state)
{
	struct rate r = { 0 };

	(void)state;
	for (uint64_t now = 0; now < 20000; now += 250)
		rate_add(&r, 77, now);
	assert_int_equal(rate_now(&r, 77, 20000), 0);
	assert_int_equal(rate_now(&r, 50, 20000), 0); /* nor has what goes back */
}

static void many_calls_are_as_good_as_few(void **state)
{
	struct rate few = { 0 }, many = { 0 };

	(void)state;
	for (uint64_t now = 0; now <= 10000; now++) {
		rate_add(&many, now * 5000, now);
		if (now % 500 == 0)
			rate_add(&few, now * 5000, now);
	}
	assert_int_equal(rate_now(&many, 10000 * 5000, 10000), 5000000);
	assert_int_equal(rate_now(&few, 10000 * 5000, 10000), 5000000);
}

static void the_time_left_is_unknown_without_a_rate(void **state)
{
	(void)state;
	assert_true(rate_left(0, 1) < 0);
	assert_true(rate_left(0, 0) == 0);
	assert_true(rate_left(1000, 0) == 0);
	assert_true(rate_left(1000, 2500) == 2.5);
}

static void layers_that_are_there_count_as_layers_and_not_as_bytes(void **state)
{
	const struct layer_progress layers[] = {
		{ .state = LAYER_THERE, .size = 1000 },
		{ .state = LAYER_REPEATED, .size = 1000 },
		{ .state = LAYER_DONE, .size = 200, .done = 200, .begun = true },
		{ .state = LAYER_READING, .size = 300, .done = 100, .begun = true },
		{ .state = LAYER_WAITING, .size = 50 },
	};
	struct progress_sum sum = progress_sum(layers, ARRAY_LEN(layers));

	(void)state;
	assert_int_equal(sum.layers, 5);
	assert_int_equal(sum.there, 1);
	assert_int_equal(sum.moved, 1);
	assert_int_equal(sum.done, 300);
	assert_int_equal(sum.total, 550);
	assert_false(sum.exact);
	assert_true(progress_sum(layers, 4).exact);
}

RUN_TESTS(TEST(the_rate_is_that_of_the_last_seconds), TEST(what_stands_still_has_no_rate),
	TEST(many_calls_are_as_good_as_few), TEST(the_time_left_is_unknown_without_a_rate),
	TEST(layers_that_are_there_count_as_layers_and_not_as_bytes))
