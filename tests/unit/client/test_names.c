#include "client/plan/names.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define TAGS_MAX 8
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* `tags` and `expected` are lists with spaces between them. */
static void assert_names(const char *typed, const char *tags, const char *expected)
{
	char copy[1000], as_typed[REFERENCE_TEXT_MAX + 1], got[2000] = "", *rest = copy, *tag;
	char *list[TAGS_MAX];
	const char *ret[TAGS_MAX + 1];
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", tags);
	while ((tag = strsep(&rest, " ")) && *tag)
		list[n++] = tag;
	n = names_choose(typed, list, n, ret, as_typed);
	for (size_t i = 0; i < n; i++)
		snprintf(
			got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", ret[i]);
	assert_string_equal(got, expected);
}

static void the_name_that_was_typed_is_the_one_that_arrives(void **state)
{
	(void)state;
	assert_names("a:1", "a:1 a:2 b:1", "a:1");
	assert_names("docker.io/library/a:1", "a:1 a:2", "a:1");
	assert_names("a:1", "docker.io/library/a:1 localhost/a:1", "docker.io/library/a:1");
	assert_names("t/a", "docker.io/t/a:latest docker.io/t/a:1", "docker.io/t/a:latest");
	assert_names("localhost/a:1", "localhost/a:1 docker.io/library/a:1", "localhost/a:1");
}

static void an_id_stands_for_all_names(void **state)
{
	(void)state;
	assert_names("sha256:" HEX, "a:1 b:1", "a:1 b:1");
	assert_names("sha256:" HEX, "", "");
	assert_names("0123456789ab", "a:1 b:1", "a:1 b:1");
}

static void a_name_with_a_digest_stands_for_its_tags(void **state)
{
	(void)state;
	assert_names("a@sha256:" HEX, "a:1 b:1 a:2", "a:1 a:2");
	assert_names("c@sha256:" HEX, "a:1 b:1", "");
	assert_names("a@sha256:" HEX, "localhost/a:1 quay.io/a:2", "localhost/a:1");
}

static void a_name_of_podmans_own_arrives_as_it_was_typed(void **state)
{
	(void)state;
	assert_names("a:1", "docker.io/t/b:1 localhost/a:1 quay.io/o/a:1", "a:1");
	assert_names("t/a", "localhost/t/a:latest", "t/a:latest");
	assert_names("t/a:1", "localhost/t/a:1 localhost/t/a:2", "t/a:1");
}

static void a_short_name_of_a_registrys_image_arrives_in_full(void **state)
{
	(void)state;
	assert_names("a:1", "docker.io/t/b:1 quay.io/o/a:1", "quay.io/o/a:1");
	assert_names("o/a:1", "quay.io/o/a:1 quay.io/xo/a:1 quay.io/o/a:2", "quay.io/o/a:1");
	assert_names("a:1", "quay.io/o/a:1 ghcr.io/p/a:1", "quay.io/o/a:1 ghcr.io/p/a:1");
}

RUN_TESTS(TEST(the_name_that_was_typed_is_the_one_that_arrives), TEST(an_id_stands_for_all_names),
	TEST(a_name_with_a_digest_stands_for_its_tags),
	TEST(a_name_of_podmans_own_arrives_as_it_was_typed),
	TEST(a_short_name_of_a_registrys_image_arrives_in_full))
