#include "common/base/err.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

static void setting_an_error_gives_minus_one_and_keeps_code_and_text(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set(&err, ERR_REFUSED, "no %s for %d", "entry", 7), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.text, "no entry for 7");
	assert_int_equal(err_set(NULL, ERR_REFUSED, "nobody asks"), -1);
	assert_int_equal(err_wrap(NULL, "nobody"), -1);
	assert_int_equal(err_errno(NULL, EIO, "nobody"), -1);
}

static void wrapping_puts_the_context_first_and_keeps_the_code(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, ERR_CORRUPT, "inner");
	assert_int_equal(err_wrap(&err, "outer %d", 1), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_string_equal(err.text, "outer 1: inner");
}

static void a_full_disk_is_told_apart_from_other_refusals(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_errno(&err, ENOSPC, "cannot write");
	assert_int_equal(err.code, ERR_FULL);
	assert_string_equal(err.text, "cannot write: No space left on device");
	err_errno(&err, EDQUOT, "cannot write");
	assert_int_equal(err.code, ERR_FULL);
	err_errno(&err, ENOMEM, "cannot write");
	assert_int_equal(err.code, ERR_NOMEM);
	err_errno(&err, EACCES, "cannot write");
	assert_int_equal(err.code, ERR_IO);
}

static void texts_that_are_too_long_are_cut_and_terminated(void **state)
{
	char text[2 * ERR_TEXT_MAX];
	struct err err = { 0 };

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_FAILED, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	err_wrap(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	err_errno(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void exit_codes_are_those_of_the_contract(void **state)
{
	static const struct {
		enum err_code code;
		int exit_code;
	} cases[] = { { ERR_FAILED, 1 }, { ERR_USAGE, 2 }, { ERR_NOT_FOUND, 4 }, { ERR_REFUSED, 5 },
		{ ERR_UNREACHABLE, 6 }, { ERR_VERIFY, 7 }, { ERR_AGAIN, 6 },
		{ ERR_INTERRUPTED, 130 }, { ERR_IO, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { .code = cases[i].code };

		assert_int_equal(err_exit_code(&err), cases[i].exit_code);
	}
}

static void every_code_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_CODE_COUNT; i++)
		assert_string_not_equal(err_code_name((enum err_code)i), "unknown");
	assert_string_equal(err_code_name(ERR_CODE_COUNT), "unknown");
}

RUN_TESTS(TEST(setting_an_error_gives_minus_one_and_keeps_code_and_text),
	TEST(wrapping_puts_the_context_first_and_keeps_the_code),
	TEST(a_full_disk_is_told_apart_from_other_refusals),
	TEST(texts_that_are_too_long_are_cut_and_terminated),
	TEST(exit_codes_are_those_of_the_contract), TEST(every_code_has_a_name))
