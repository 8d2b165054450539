#include "protocol/grant.h"
#include "tests/support/test.h"

#include <string.h>

static void every_bit_has_its_name(void **state)
{
	static const struct {
		uint32_t grants;
		const char *text;
	} cases[] = { { 0, "" }, { 1, "push" }, { 2, "migrate" }, { 4, "backup" }, { 8, "restore" },
		{ 16, "forget" }, { 32, "bind" }, { 64, "device" }, { 128, "hostns" },
		{ 256, "privileged" }, { 5, "push,backup" }, { 512, "" },
		{ UINT32_MAX,
			"push,migrate,backup,restore,forget,bind,device,hostns,privileged" } };
	char text[GRANTS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(grants_print(cases[i].grants, text), cases[i].text);
}

static void enforced_grants_are_read_back(void **state)
{
	char text[GRANTS_TEXT_MAX];
	uint32_t grants;
	struct err err;

	(void)state;
	assert_ok(grants_parse(grants_print(GRANTS_ENFORCED, text), &grants, &err), &err);
	assert_int_equal(grants, GRANTS_ENFORCED);
	assert_ok(grants_parse("push", &grants, &err), &err);
	assert_int_equal(grants, GRANT_PUSH);
	assert_int_equal(GRANTS_DEFAULT & ~GRANTS_ENFORCED, 0);
}

static void what_is_not_enforced_is_a_usage_error(void **state)
{
	uint32_t grants = 77;
	struct err err;

	(void)state;
	for (uint32_t bit = 1; bit <= GRANTS_KNOWN; bit <<= 1) {
		char text[GRANTS_TEXT_MAX];

		if (bit & GRANTS_ENFORCED)
			continue;
		assert_fails(grants_parse(grants_print(bit, text), &grants, &err), &err, ERR_USAGE);
		assert_non_null(strstr(err.text, "not supported by this version"));
		assert_non_null(strstr(err.text, text));
	}
	assert_int_equal(grants, 77);
}

static void malformed_lists_are_usage_errors(void **state)
{
	static const char *const bad[] = { "", ",", "push,", ",push", "push,,push", "push,push",
		"Push", "pus", "pushh", " push", "push ", "all", "push;id", "\x1b[31m" };
	uint32_t grants;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fails(grants_parse(bad[i], &grants, &err), &err, ERR_USAGE);
	assert_null(strchr(err.text, '\x1b'));
}

RUN_TESTS(TEST(every_bit_has_its_name), TEST(enforced_grants_are_read_back),
	TEST(what_is_not_enforced_is_a_usage_error), TEST(malformed_lists_are_usage_errors))
