#include "client/push/retry.h"
#include "tests/support/test.h"

static const struct err unreachable = { .code = ERR_UNREACHABLE };
static const struct err again = { .code = ERR_AGAIN };
static const struct err refused = { .code = ERR_REFUSED };

static const struct retry_failure no_answer = { .err = &unreachable };
static const struct retry_failure lost = { .err = &unreachable, .worked = true, .late = true };
static const struct retry_failure busy = { .err = &again, .worked = true };
static const struct retry_failure damaged = { .err = &again, .worked = true, .late = true };

/* No jitter: random % (wait / 4 + 1) is 0. */
static bool failed(struct retry *r, const struct retry_failure *f, uint64_t now, uint64_t *wait)
{
	return retry_failed(r, f, now, 0, wait);
}

static void what_may_pass_is_tried_again_and_nothing_else(void **state)
{
	(void)state;
	for (int code = ERR_FAILED; code < ERR_CODE_COUNT; code++) {
		struct err err = { .code = (enum err_code)code };
		struct retry_failure f = { .err = &err, .worked = true };
		bool hope = code == ERR_UNREACHABLE || code == ERR_AGAIN;
		struct retry r;
		uint64_t wait;

		retry_start(&r, 120000, 0);
		assert_int_equal(failed(&r, &f, 0, &wait), hope);
	}
}

static void the_waits_double_up_to_ten_seconds(void **state)
{
	static const uint64_t waits[] = { 1000, 2000, 4000, 8000, 10000, 10000 };
	struct retry r;
	uint64_t wait, now = 5000;

	(void)state;
	retry_start(&r, 3600000, now);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		assert_true(failed(&r, &no_answer, now, &wait));
		assert_int_equal(wait, waits[i]);
		now += wait;
	}
}

static void a_link_that_had_worked_and_a_busy_target_are_tried_again_soon(void **state)
{
	const struct retry_failure *both[] = { &lost, &busy };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct retry r;
		uint64_t wait;

		retry_start(&r, 120000, 0);
		retry_connected(&r, 50);
		assert_true(failed(&r, both[i], 1000, &wait));
		assert_int_equal(wait, RETRY_SOON_MS);
		assert_true(failed(&r, &no_answer, 1250, &wait));
		assert_int_equal(wait, 2 * RETRY_SOON_MS);
	}
}

static void a_quarter_of_a_wait_is_drawn(void **state)
{
	(void)state;
	for (uint64_t random = 0; random < 5000; random += 7) {
		struct retry r;
		uint64_t wait;

		retry_start(&r, 120000, 0);
		assert_true(retry_failed(&r, &no_answer, 0, UINT64_MAX - random, &wait));
		assert_in_range(wait, RETRY_FIRST_MS * 3 / 4, RETRY_FIRST_MS);
	}
}

static void after_something_new_the_first_wait_is_short_again(void **state)
{
	struct retry r;
	uint64_t wait = 0, now = 0;

	(void)state;
	retry_start(&r, 120000, now);
	for (int i = 0; i < 6; i++, now += wait)
		assert_true(failed(&r, &no_answer, now, &wait));
	assert_int_equal(wait, RETRY_MOST_MS);
	retry_connected(&r, now);
	retry_moved(&r);
	assert_true(failed(&r, &lost, now + 5, &wait));
	assert_int_equal(wait, RETRY_SOON_MS);
	assert_int_equal(retry_left(&r, now + 5), 120000);
}

static void a_link_that_carries_something_each_time_is_never_given_up(void **state)
{
	struct retry r;
	uint64_t wait, now = 0;

	(void)state;
	retry_start(&r, 2000, now);
	for (int i = 0; i < 1000; i++) {
		now += 1900;
		retry_connected(&r, now);
		retry_moved(&r);
		now += 100;
		assert_true(failed(&r, &lost, now, &wait));
		now += wait;
	}
}

static void a_link_that_comes_back_and_carries_nothing_is_given_up(void **state)
{
	struct retry r;
	uint64_t wait = 0, now = 0;
	int tries = 0;

	(void)state;
	retry_start(&r, 60000, now);
	for (; failed(&r, &lost, now, &wait); now += 20) {
		now += wait;
		retry_connected(&r, now);
		tries++;
	}
	assert_in_range(tries, 8, 14);
}

/* The engine at the other end may work on the image for as long as it takes. */
static void the_time_of_a_session_uses_no_patience_up(void **state)
{
	struct retry r;
	uint64_t wait;

	(void)state;
	retry_start(&r, 10000, 0);
	retry_connected(&r, 1000);
	assert_int_equal(retry_left(&r, 3600000), 9000);
	assert_true(failed(&r, &lost, 3600000, &wait));
	assert_int_equal(retry_left(&r, 3600000 + wait), 9000 - wait);
}

static void when_the_time_is_over_it_is_over_and_the_last_try_comes_at_its_end(void **state)
{
	struct retry r;
	uint64_t wait, now = 77;
	unsigned tries = 0;

	(void)state;
	retry_start(&r, 120000, now);
	for (; failed(&r, &no_answer, now, &wait); now += wait)
		tries++;
	assert_int_equal(now, 120077);
	assert_int_equal(retry_left(&r, now), 0);
	assert_int_equal(retry_used(&r, now), 120000);
	assert_in_range(tries, 12, 20);
}

static void without_time_there_is_no_second_try(void **state)
{
	struct retry r;
	uint64_t wait;

	(void)state;
	retry_start(&r, 0, 77);
	assert_false(failed(&r, &no_answer, 77, &wait));
	retry_connected(&r, 77);
	retry_moved(&r);
	assert_false(failed(&r, &lost, 78, &wait));
}

/* It is no waiting for anything, and another form is asked for once. */
static void what_another_form_mends_is_tried_at_once_even_without_time(void **state)
{
	static const struct err verify = { .code = ERR_VERIFY };
	const struct retry_failure f = { .err = &verify, .late = true, .other_form = true };
	struct retry r;
	uint64_t wait = 1;

	(void)state;
	retry_start(&r, 0, 77);
	retry_connected(&r, 78);
	assert_true(failed(&r, &f, 79, &wait));
	assert_int_equal(wait, 0);
}

static void what_costs_a_whole_reading_is_not_repeated_for_ever(void **state)
{
	struct retry r;
	uint64_t wait, now = 0;
	unsigned tries = 0;

	(void)state;
	retry_start(&r, UINT64_MAX, now);
	for (; failed(&r, &damaged, now, &wait); now += wait) {
		retry_connected(&r, now);
		tries++;
	}
	assert_int_equal(tries, RETRY_LATE_MAX);
	retry_moved(&r);
	assert_true(failed(&r, &damaged, now, &wait));
}

static void a_target_that_is_busy_before_anything_is_sent_is_waited_for(void **state)
{
	struct retry r;
	uint64_t wait, now = 0;

	(void)state;
	retry_start(&r, 3600000, now);
	for (int i = 0; i < 300; i++, now += wait)
		assert_true(failed(&r, &busy, now, &wait));
}

static void a_refusal_without_words_is_believed_when_it_is_repeated(void **state)
{
	const struct retry_failure unsaid = { .err = &refused, .unsaid = true };
	const struct retry_failure said = { .err = &refused };
	struct retry r;
	uint64_t wait, now = 0;

	(void)state;
	retry_start(&r, 120000, now);
	assert_false(failed(&r, &said, now, &wait));
	for (unsigned i = 0; i < RETRY_DOUBTS_MAX; i++, now += wait) {
		assert_true(failed(&r, &unsaid, now, &wait));
		assert_true(wait <= 500);
	}
	assert_false(failed(&r, &unsaid, now, &wait));
}

static void a_refusal_without_words_is_doubted_anew_after_a_welcome(void **state)
{
	const struct retry_failure unsaid = { .err = &refused, .unsaid = true };
	struct retry r;
	uint64_t wait, now = 0;

	(void)state;
	retry_start(&r, 120000, now);
	for (int i = 0; i < 20; i++) {
		assert_true(failed(&r, &unsaid, now, &wait));
		now += wait;
		retry_connected(&r, now);
		retry_moved(&r);
		assert_true(failed(&r, &lost, now, &wait));
	}
}

RUN_TESTS(TEST(what_may_pass_is_tried_again_and_nothing_else),
	TEST(the_waits_double_up_to_ten_seconds),
	TEST(a_link_that_had_worked_and_a_busy_target_are_tried_again_soon),
	TEST(a_quarter_of_a_wait_is_drawn), TEST(after_something_new_the_first_wait_is_short_again),
	TEST(a_link_that_carries_something_each_time_is_never_given_up),
	TEST(a_link_that_comes_back_and_carries_nothing_is_given_up),
	TEST(the_time_of_a_session_uses_no_patience_up),
	TEST(when_the_time_is_over_it_is_over_and_the_last_try_comes_at_its_end),
	TEST(without_time_there_is_no_second_try),
	TEST(what_another_form_mends_is_tried_at_once_even_without_time),
	TEST(what_costs_a_whole_reading_is_not_repeated_for_ever),
	TEST(a_target_that_is_busy_before_anything_is_sent_is_waited_for),
	TEST(a_refusal_without_words_is_believed_when_it_is_repeated),
	TEST(a_refusal_without_words_is_doubted_anew_after_a_welcome))
