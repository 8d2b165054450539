#include "common/base/text.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static void printable_text_is_left_alone(void **state)
{
	char to[32];

	(void)state;
	assert_string_equal(text_escape(to, sizeof(to), "web/app:1.0 ~!", 14), "web/app:1.0 ~!");
	assert_string_equal(text_escape(to, sizeof(to), "", 0), "");
}

static void what_could_drive_a_terminal_is_escaped(void **state)
{
	char to[64];

	(void)state;
	assert_string_equal(text_escape(to, sizeof(to), "a\x1b[31m\n", 7), "a\\x1b[31m\\x0a");
	assert_string_equal(
		text_escape(to, sizeof(to), "\0\x7f\\\xc3\xa9", 5), "\\x00\\x7f\\x5c\\xc3\\xa9");
}

static void text_that_does_not_fit_is_cut_with_dots(void **state)
{
	char to[8];

	(void)state;
	assert_string_equal(text_escape(to, sizeof(to), "1234567", 7), "1234567");
	assert_string_equal(text_escape(to, sizeof(to), "12345678", 8), "1234...");
	assert_string_equal(text_escape(to, sizeof(to), "1234\n", 5), "1234...");
	assert_string_equal(text_escape(to, sizeof(to), "123\n", 4), "123\\x0a");
	assert_string_equal(text_escape(to, sizeof(to), "\n\n", 2), "\\x0a...");
	assert_string_equal(text_escape(to, 1, "x", 1), "");
	assert_string_equal(text_escape(to, 3, "xyz", 3), "..");
	assert_string_equal(text_escape(to, 4, "xyz", 3), "xyz");
}

static void sizes_are_printed_as_docker_prints_them(void **state)
{
	static const struct {
		uint64_t v;
		const char *text;
	} cases[] = { { 0, "0B" }, { 999, "999B" }, { 1000, "1kB" }, { 1500, "1.5kB" },
		{ 999499, "999kB" }, { 999500, "1MB" }, { 23000000, "23MB" },
		{ 1130000000, "1.13GB" }, { UINT64_MAX, "18.4EB" } };
	char to[TEXT_SIZE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(text_size(to, cases[i].v), cases[i].text);
}

static void durations_are_short_at_every_length(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = { { -1, "0.0s" }, { NAN, "0.0s" }, { 0.4, "0.4s" }, { 12.34, "12.3s" },
		{ 59.94, "59.9s" }, { 59.96, "1m00s" }, { 185, "3m05s" }, { 3599.4, "59m59s" },
		{ 3600, "1h00m" }, { 7 * 60 + 2 * 3600, "2h07m" }, { 1e300, "277777h46m" } };
	char to[TEXT_SECONDS_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(text_seconds(to, cases[i].v), cases[i].text);
}

static void sizes_are_read_in_decimal_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t v;
	} cases[] = { { "0", 0 }, { "10", 10 }, { "10B", 10 }, { "10k", 10000 }, { "10kB", 10000 },
		{ "10MB", 10000000 }, { "1.5G", 1500000000 }, { "1.0", 1 }, { "0.001k", 1 },
		{ "2T", UINT64_C(2000000000000) }, { "18446744073709551615", UINT64_MAX } };
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_true(text_parse_size(cases[i].text, &v));
		assert_true(v == cases[i].v);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const cases[] = { "", "k", "B", " 1", "1 ", "-1", "+1", "1.", ".5",
		"1.5", "1.5B", "0.0001k", "1x", "1kk", "1BB", "1kBx", "1e3", "0x10",
		"18446744073709551616", "18446744073709551.616k", "18446744073709552k",
		"99999999999E", "1.99999999999999999999k" };
	uint64_t v = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (text_parse_size(cases[i], &v))
			fail_msg("'%s' was taken for a size", cases[i]);
	}
	assert_int_equal(v, 42);
}

static void times_are_read_in_four_units(void **state)
{
	static const char *const wrong[] = { "", "m", "15M", "15mm", "-1", "1.5h", "1w", " 1", "1 ",
		"18446744073709551616", "213503982334602d" };
	uint64_t v = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(text_parse_seconds(wrong[i], &v));
	assert_true(text_parse_seconds("0", &v));
	assert_int_equal(v, 0);
	assert_true(text_parse_seconds("90", &v));
	assert_int_equal(v, 90);
	assert_true(text_parse_seconds("90s", &v));
	assert_int_equal(v, 90);
	assert_true(text_parse_seconds("15m", &v));
	assert_int_equal(v, 900);
	assert_true(text_parse_seconds("2h", &v));
	assert_int_equal(v, 7200);
	assert_true(text_parse_seconds("7d", &v));
	assert_int_equal(v, 604800);
}

static void names_are_fit_to_be_file_names(void **state)
{
	static const char *const right[] = { "a", "Web-01.example_x", "0", "a..b" };
	static const char *const wrong[] = { "", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a\n",
		"\xc3\xa9", "a:b" };
	char longest[TEXT_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		assert_true(text_is_name(right[i], strlen(right[i])));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(text_is_name(wrong[i], strlen(wrong[i])));
	assert_false(text_is_name("a\0b", 3));
	memset(longest, 'a', sizeof(longest));
	assert_true(text_is_name(longest, TEXT_NAME_MAX));
	assert_false(text_is_name(longest, TEXT_NAME_MAX + 1));
}

RUN_TESTS(TEST(names_are_fit_to_be_file_names), TEST(printable_text_is_left_alone),
	TEST(what_could_drive_a_terminal_is_escaped), TEST(text_that_does_not_fit_is_cut_with_dots),
	TEST(sizes_are_printed_as_docker_prints_them), TEST(durations_are_short_at_every_length),
	TEST(sizes_are_read_in_decimal_units), TEST(what_is_no_size_is_refused),
	TEST(times_are_read_in_four_units))
