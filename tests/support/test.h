/* The one door to cmocka: test files include this and nothing of the framework. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A test is `static void a_sentence_about_what_holds(void **state)`. */
#define TEST(name) cmocka_unit_test(name)
#define TEST_WITH(name, setup, teardown) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define RUN_TESTS(...)                                                                             \
	int main(void)                                                                             \
	{                                                                                          \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };                                 \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}

/* Fails with the error's text when a call that should succeed did not. */
#define assert_ok(call, err)                                                                       \
	do {                                                                                       \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, (err)->text);                                    \
	} while (0)

/* The call must fail with this code. */
#define assert_fails(call, err, expected_code)                                                     \
	do {                                                                                       \
		assert_int_equal((call), -1);                                                      \
		assert_int_equal((err)->code, (expected_code));                                    \
	} while (0)
