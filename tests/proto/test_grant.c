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

static void every_grant_is_enforced_and_the_far_reaching_ones_are_not_given_unasked(void **state)
{
	char text[GRANTS_TEXT_MAX];

	(void)state;
	assert_int_equal(GRANTS_ENFORCED, GRANTS_KNOWN);
	assert_string_equal(grants_print(GRANTS_DEFAULT, text), "push,migrate,backup,restore");
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
	TEST(every_grant_is_enforced_and_the_far_reaching_ones_are_not_given_unasked),
	TEST(malformed_lists_are_usage_errors))
