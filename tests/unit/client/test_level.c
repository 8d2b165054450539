#include "client/push/level.h"
#include "tests/support/test.h"

struct transfer {
	struct level level;
	uint64_t now, blocked, busy;
};

/* Some windows in which the link held up, and the thread was busy, for so many percent. */
static void pass(struct transfer *t, unsigned windows, unsigned blocked, unsigned busy)
{
	for (unsigned i = 0; i < windows; i++) {
		t->now += LEVEL_WINDOW_MS;
		t->blocked += (uint64_t)LEVEL_WINDOW_MS * blocked / 100;
		t->busy += (uint64_t)LEVEL_WINDOW_MS * busy / 100;
		level_look(&t->level, t->now, t->blocked, t->busy);
	}
}

static struct transfer begin(int fixed, bool far)
{
	struct transfer t = { .now = 1000 };

	level_start(&t.level, fixed, far, t.now, 0);
	return t;
}

static void a_link_that_holds_up_gets_more_compression(void **state)
{
	struct transfer t = begin(LEVEL_AUTO, true);

	(void)state;
	assert_int_equal(t.level.now, LEVEL_FAR);
	pass(&t, 1, 90, 20);
	assert_true(t.level.now > LEVEL_FAR);
	pass(&t, 20, 90, 20);
	assert_int_equal(t.level.now, 9);
}

static void a_thread_that_holds_up_compresses_less(void **state)
{
	struct transfer t = begin(LEVEL_AUTO, true);

	(void)state;
	assert_int_equal(t.level.now, LEVEL_FAR);
	pass(&t, 3, 5, 95);
	assert_int_equal(t.level.now, 1);
}

static void who_waits_for_something_else_changes_nothing(void **state)
{
	struct transfer t = begin(LEVEL_AUTO, false);

	(void)state;
	pass(&t, 20, 5, 10);
	assert_int_equal(t.level.now, LEVEL_NEAR);
	pass(&t, 20, 30, 95);
	assert_int_equal(t.level.now, LEVEL_NEAR);
}

static void what_was_too_much_is_not_tried_again_at_once(void **state)
{
	struct transfer t = begin(LEVEL_AUTO, true);
	int before;

	(void)state;
	pass(&t, 1, 90, 50);
	before = t.level.now;
	pass(&t, 1, 0, 100);
	assert_true(t.level.now < before);
	pass(&t, 4, 90, 50);
	assert_true(t.level.now < before);
	pass(&t, 40, 90, 50);
	assert_true(t.level.now >= before);
}

static void a_level_that_was_given_stays(void **state)
{
	struct transfer t = begin(0, true);

	(void)state;
	pass(&t, 20, 100, 0);
	assert_int_equal(t.level.now, 0);
	t = begin(19, true);
	pass(&t, 20, 0, 100);
	assert_int_equal(t.level.now, 19);
}

RUN_TESTS(TEST(a_link_that_holds_up_gets_more_compression),
	TEST(a_thread_that_holds_up_compresses_less),
	TEST(who_waits_for_something_else_changes_nothing),
	TEST(what_was_too_much_is_not_tried_again_at_once), TEST(a_level_that_was_given_stays))
