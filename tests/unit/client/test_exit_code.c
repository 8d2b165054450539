#include "client/cmd/exit_code.h"
#include "tests/support/test.h"

static int merge2(int a, int b)
{
	return exit_code_merge((const int[]){ a, b }, 2);
}

static void what_all_have_in_common_is_the_code_of_the_whole(void **state)
{
	static const int codes[] = { 0, 1, 4, 5, 6, 7, 130 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		assert_int_equal(exit_code_merge(&codes[i], 1), codes[i]);
		assert_int_equal(merge2(codes[i], codes[i]), codes[i]);
	}
}

static void some_done_and_some_not_is_partly_done(void **state)
{
	(void)state;
	assert_int_equal(merge2(0, 6), 3);
	assert_int_equal(merge2(4, 0), 3);
	assert_int_equal(exit_code_merge((const int[]){ 6, 4, 0 }, 3), 3);
}

static void different_failures_are_a_failure(void **state)
{
	(void)state;
	assert_int_equal(merge2(4, 6), 1);
	assert_int_equal(exit_code_merge((const int[]){ 6, 6, 5 }, 3), 1);
}

static void an_interruption_is_one_whatever_was_done_before(void **state)
{
	(void)state;
	assert_int_equal(merge2(0, 130), 130);
	assert_int_equal(exit_code_merge((const int[]){ 6, 0, 130 }, 3), 130);
}

RUN_TESTS(TEST(what_all_have_in_common_is_the_code_of_the_whole),
	TEST(some_done_and_some_not_is_partly_done), TEST(different_failures_are_a_failure),
	TEST(an_interruption_is_one_whatever_was_done_before))
