#include "client/view/age.h"
#include "tests/support/test.h"

static void ages_are_said_in_dockers_words(void **state)
{
	static const struct {
		int64_t seconds;
		const char *words;
	} cases[] = { { -5, "less than a second ago" }, { 0, "less than a second ago" },
		{ 1, "1 second ago" }, { 59, "59 seconds ago" }, { 60, "about a minute ago" },
		{ 119, "about a minute ago" }, { 120, "2 minutes ago" }, { 3599, "59 minutes ago" },
		{ 3600, "about an hour ago" }, { 5399, "about an hour ago" },
		{ 5400, "2 hours ago" }, { 47 * 3600, "47 hours ago" }, { 48 * 3600, "2 days ago" },
		{ 13 * 86400, "13 days ago" }, { 14 * 86400, "2 weeks ago" },
		{ 59 * 86400, "8 weeks ago" }, { 60 * 86400, "2 months ago" },
		{ 729 * 86400, "24 months ago" }, { 730 * 86400, "2 years ago" },
		{ INT64_MAX, "292471208677 years ago" } };
	char to[AGE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(age_words(to, cases[i].seconds), cases[i].words);
}

static void times_of_rfc_3339_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
	} cases[] = { { "1970-01-01T00:00:00Z", 0 }, { "2024-01-01T00:00:00Z", 1704067200 },
		{ "2024-01-01T02:30:00.123456789+02:30", 1704067200 },
		{ "2023-12-31T23:00:00-01:00", 1704067200 },
		{ "0001-01-01T00:00:00Z", -62135596800 } };
	int64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(age_parse_time(cases[i].text, &got));
		assert_true(got == cases[i].time);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = { "", "yesterday", "2024-01-01", "2024-01-01T00:00:00",
		"2024-01-01T00:00:00Zx", "2024-01-01T00:00:00+0200", "2024-01-01T00:00:00+02:00x",
		"2024-01-01T00:00:00+25:00", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00*02:00" };
	int64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(age_parse_time(bad[i], &got));
}

RUN_TESTS(TEST(ages_are_said_in_dockers_words), TEST(times_of_rfc_3339_are_read),
	TEST(what_is_no_time_is_refused))
