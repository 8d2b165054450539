#include "common/cargo/pattern.h"
#include "tests/support/test.h"

#include <string.h>

static bool allows(const char *patterns, const char *name)
{
	struct pattern_list list = { "" };
	struct err err = { 0 };
	struct reference r;

	if (patterns[0])
		assert_ok(pattern_list_parse(patterns, strlen(patterns), &list, &err), &err);
	assert_ok(reference_parse(name, &r, &err), &err);
	return pattern_list_allows(&list, &r);
}

static void without_patterns_everything_is_allowed(void **state)
{
	(void)state;
	assert_true(allows("", "busybox"));
	assert_true(allows("", "evil.example/x"));
	assert_true(allows("**", "busybox"));
	assert_true(allows("**", "evil.example:1/x/y:t"));
}

static void patterns_match_whole_components(void **state)
{
	(void)state;
	assert_true(allows("web/*", "web/app"));
	assert_true(allows("web/*", "docker.io/web/app:2"));
	assert_false(allows("web/*", "web-evil/app"));
	assert_false(allows("web/*", "web/app/deeper"));
	assert_false(allows("web/*", "evil.example/web/app"));
	assert_false(allows("web/*", "localhost/web/app"));
	assert_false(allows("web/*", "web"));
	assert_false(allows("web", "web/app"));
	assert_false(allows("repo", "repo2"));
	assert_false(allows("repo2", "repo"));
	assert_true(allows("web*", "web-evil"));
	assert_false(allows("web*", "web/x"));
	assert_true(allows("w?b/app-*-x", "web/app--x-x"));
	assert_false(allows("w?b/app", "wb/app"));
}

static void two_stars_stand_for_any_number_of_components(void **state)
{
	(void)state;
	assert_true(allows("registry.lan/**", "registry.lan/a"));
	assert_true(allows("registry.lan/**", "registry.lan/a/b/c:t"));
	assert_false(allows("registry.lan/**", "registry.lan:5000/a"));
	assert_false(allows("registry.lan/**", "registry.lan.evil/a"));
	assert_true(allows("**/base", "base"));
	assert_true(allows("**/base", "a.b/c/base:1"));
	assert_false(allows("**/base", "a.b/base/c"));
	assert_true(allows("web/**", "web/a/b"));
	assert_true(allows("web/**/z", "web/z"));
	assert_true(allows("web/**/z", "web/z/y/z"));
	assert_false(allows("web/**/z", "web/z/y"));
	assert_true(allows("**/a/**/b/**", "x/a/y/a/b"));
}

static void spellings_of_one_name_are_one(void **state)
{
	static const char *const patterns[] = { "nginx", "library/nginx", "docker.io/nginx",
		"docker.io/library/nginx", "index.docker.io/nginx",
		"index.docker.io/library/nginx" };
	static const char *const names[] = { "nginx", "library/nginx:1", "docker.io/nginx",
		"index.docker.io/library/nginx" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			assert_true(allows(patterns[i], names[k]));
		assert_false(allows(patterns[i], "evil.example/library/nginx"));
	}
	assert_true(allows("docker.io/*", "nginx"));
	assert_false(allows("docker.io/*", "web/nginx"));
	assert_true(allows("docker.io/**", "web/nginx"));
}

static void tags_are_matched_when_the_pattern_has_one(void **state)
{
	static const char digest[] = "web/app@sha256:0123456789abcdef0123456789abcdef"
				     "0123456789abcdef0123456789abcdef";

	(void)state;
	assert_true(allows("web/app:1.*", "web/app:1.2"));
	assert_false(allows("web/app:1.*", "web/app:2.1"));
	assert_false(allows("web/app:1.*", "web/app"));
	assert_true(allows("web/app:latest", "web/app"));
	assert_true(allows("h.x:5000/app:v?", "h.x:5000/app:v1"));
	assert_false(allows("web/app:*", digest));
	assert_true(allows("web/app", digest));
}

static void a_negated_pattern_wins_wherever_it_stands(void **state)
{
	(void)state;
	assert_false(allows("web/**,!**/base", "web/base"));
	assert_false(allows("!**/base,web/**", "web/base"));
	assert_true(allows("web/**,!**/base", "web/app"));
	assert_false(allows("web/**,!**/base", "other/app"));
	assert_true(allows("!secret/**", "web/app"));
	assert_false(allows("!secret/**", "secret/a/b"));
	assert_false(allows("web/app,!web/app:dev", "web/app:dev"));
}

static void matching_takes_no_exponential_time(void **state)
{
	char name[240] = "", pattern[240] = "";

	(void)state;
	for (size_t i = 0; i < 60; i++)
		memcpy(name + 2 * i, "a/", 3);
	memcpy(name + 120, "b", 2);
	for (size_t i = 0; i < 40; i++)
		memcpy(pattern + 5 * i, "**/a/", 6);
	memcpy(pattern + 200, "c", 2);
	assert_false(allows(pattern, name));
	memset(name, 'a', 200);
	name[200] = '\0';
	for (size_t i = 0; i < 60; i++)
		memcpy(pattern + 2 * i, "a*", 3);
	memcpy(pattern + 120, "b", 2);
	assert_false(allows(pattern, name));
}

static void what_is_no_pattern_is_refused(void **state)
{
	static const char *const cases[] = { "", "!", "/", "web/", "/web", "web//x", "web/**x",
		"a**", "***", "..", "web/../x", "web/App", "Web", "web x", "web\n", "we\xc3\xa9",
		"web/x:", "web/x:a:b", "web/x@sha256:00", "a,b", "web/[ab]", "{a,b}", "!!x" };
	char longest[PATTERN_MAX + 2];
	struct pattern_list list = { "" };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (pattern_list_add(&list, cases[i], &err) == 0)
			fail_msg("'%s' was taken for a pattern", cases[i]);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_string_equal(list.text, "");
	assert_fails(pattern_list_parse("", 0, &list, &err), &err, ERR_USAGE);
	assert_fails(pattern_list_parse("a,", 2, &list, &err), &err, ERR_USAGE);
	assert_fails(pattern_list_parse(",a", 2, &list, &err), &err, ERR_USAGE);
	assert_fails(pattern_list_parse("a\0b", 3, &list, &err), &err, ERR_USAGE);
	memset(longest, 'a', sizeof(longest));
	longest[PATTERN_MAX + 1] = '\0';
	assert_fails(pattern_list_add(&list, longest, &err), &err, ERR_USAGE);
	longest[PATTERN_MAX] = '\0';
	assert_ok(pattern_list_add(&list, longest, &err), &err);
}

static void a_list_takes_as_much_as_fits(void **state)
{
	struct pattern_list list = { "" }, again;
	char pattern[PATTERN_MAX + 1];
	struct err err = { 0 };

	(void)state;
	memset(pattern, 'a', sizeof(pattern));
	pattern[PATTERN_MAX] = '\0';
	for (size_t i = 0; i < 7; i++)
		assert_ok(pattern_list_add(&list, pattern, &err), &err);
	assert_ok(pattern_list_add(&list, pattern + 1, &err), &err);
	assert_int_equal(strlen(list.text), 2046);
	assert_fails(pattern_list_add(&list, "a", &err), &err, ERR_LIMIT);
	assert_ok(pattern_list_parse(list.text, 2046, &again, &err), &err);
	assert_string_equal(again.text, list.text);
}

RUN_TESTS(TEST(without_patterns_everything_is_allowed), TEST(patterns_match_whole_components),
	TEST(two_stars_stand_for_any_number_of_components), TEST(spellings_of_one_name_are_one),
	TEST(tags_are_matched_when_the_pattern_has_one),
	TEST(a_negated_pattern_wins_wherever_it_stands), TEST(matching_takes_no_exponential_time),
	TEST(what_is_no_pattern_is_refused), TEST(a_list_takes_as_much_as_fits))
