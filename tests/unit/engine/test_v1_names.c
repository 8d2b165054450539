#include "common/engine/v1_names.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* An image of three layers, with the files that `save` writes for them. The names were computed by
 * another program from the rule. */
static const char lowest[] =
	"{\"id\":\"23ac50e1464884d27db8beaf0b093d3aebd396878e356a28deace8e89d35e57"
	"b\",\"created\":\"1970-01-01T00:00:00Z\",\"container_config\":{\"Hostname\":\"\","
	"\"Env\":null,\"Cmd\":[\"/bin/sh\",\"-c\",\"echo \\u003cb\\u003e \\u0026 \\\" } ,\"]},"
	"\"os\":\"linux\"}";
static const char middle[] =
	"{\"id\":\"6c1a5aebb3fd626d0ec34c83384b69a1257ac13e28ae88ec3e98a9772b2c9ed"
	"d\",\"parent\":\"23ac50e1464884d27db8beaf0b093d3aebd396878e356a28deace8e89"
	"d35e57b\",\"created\":\"1970-01-01T00:00:00Z\",\"container_config\":{\"Hostnam"
	"e\":\"\",\"Env\":null,\"Cmd\":[\"/bin/sh\",\"-c\",\"echo \\u003cb\\u003e \\u0026 \\\" }"
	" ,\"]},\"os\":\"linux\"}";
static const char top[] =
	"{\"id\":\"c1334b2e7cb3c972fb6512a7d24c30056f045a432c834452e9d9f9e112df913"
	"4\",\"parent\":\"6c1a5aebb3fd626d0ec34c83384b69a1257ac13e28ae88ec3e98a9772"
	"b2c9edd\",\"created\":\"2026-11-23T21:42:07.459304538Z\",\"container\":\"4c44\""
	",\"container_config\":{\"Hostname\":\"\",\"Env\":null,\"Cmd\":[\"/bin/sh\",\"-c\",\"e"
	"cho \\u003cb\\u003e \\u0026 \\\" } ,\"]},\"docker_version\":\"20.10.24\",\"config"
	"\":{\"Labels\":{\"q\":\"\\u003chtml\\u003e\",\"n\":1.50}},\"architecture\":\"amd64\","
	"\"Size\":55,\"os\":\"linux\"}";
static const char lowest_name[] =
	"23ac50e1464884d27db8beaf0b093d3aebd396878e356a28deace8e89d35e57b";
static const char middle_name[] =
	"6c1a5aebb3fd626d0ec34c83384b69a1257ac13e28ae88ec3e98a9772b2c9edd";
static const char top_name[] = "c1334b2e7cb3c972fb6512a7d24c30056f045a432c834452e9d9f9e112df9134";
static const char only_json[] =
	"{\"id\":\"50e2261669ad5e9268b7ed4a95b428b1fd4b81fafd8d68ae3ce2f80b542065d"
	"f\",\"created\":\"2026-11-23T21:42:07.459304538Z\",\"container\":\"4c44\",\"cont"
	"ainer_config\":{\"Hostname\":\"\",\"Env\":null,\"Cmd\":[\"/bin/sh\",\"-c\",\"echo \\u"
	"003cb\\u003e \\u0026 \\\" } ,\"]},\"docker_version\":\"20.10.24\",\"config\":{\"La"
	"bels\":{\"q\":\"\\u003chtml\\u003e\",\"n\":1.50}},\"architecture\":\"amd64\",\"Size\""
	":55,\"os\":\"linux\"}";
static const char only_name[] = "50e2261669ad5e9268b7ed4a95b428b1fd4b81fafd8d68ae3ce2f80b542065df";

static void make_chains(struct digest ret[3])
{
	const struct digest diff_ids[3] = { digest_of("one", 3), digest_of("two", 3),
		digest_of("three", 5) };

	for (size_t i = 0; i < 3; i++)
		ret[i] = digest_chain(i ? &ret[i - 1] : NULL, &diff_ids[i]);
}

static size_t layer(const char *name, const char *json, size_t len, size_t n)
{
	struct digest chains[3], d;
	char text[DIGEST_TEXT_LEN + 1];
	struct err err = { 0 };

	make_chains(chains);
	snprintf(text, sizeof(text), "sha256:%s", name);
	assert_ok(digest_parse(text, &d, &err), &err);
	return v1_layer_index(&d, json, len, chains, n);
}

static void every_directory_proves_its_layer(void **state)
{
	(void)state;
	assert_int_equal(layer(lowest_name, lowest, strlen(lowest), 3), 0);
	assert_int_equal(layer(middle_name, middle, strlen(middle), 3), 1);
	assert_int_equal(layer(top_name, top, strlen(top), 3), 2);
}

static void the_only_layer_of_an_image_is_its_top(void **state)
{
	(void)state;
	assert_int_equal(layer(only_name, only_json, strlen(only_json), 1), 0);
	assert_int_equal(layer(only_name, only_json, strlen(only_json), 3), V1_LAYER_UNKNOWN);
	assert_int_equal(layer(only_name, only_json, strlen(only_json), 0), V1_LAYER_UNKNOWN);
}

static void a_json_of_another_directory_proves_nothing(void **state)
{
	(void)state;
	assert_int_equal(layer(lowest_name, middle, strlen(middle), 3), V1_LAYER_UNKNOWN);
	assert_int_equal(layer(top_name, lowest, strlen(lowest), 3), V1_LAYER_UNKNOWN);
	assert_int_equal(layer(middle_name, middle, strlen(middle), 1), V1_LAYER_UNKNOWN);
}

static void a_cut_or_changed_json_proves_nothing(void **state)
{
	char copy[sizeof(top)];

	(void)state;
	for (size_t n = 0; n < strlen(top); n++)
		assert_int_equal(layer(top_name, top, n, 3), V1_LAYER_UNKNOWN);
	for (size_t i = 80; i < strlen(top); i++) {
		memcpy(copy, top, sizeof(copy));
		copy[i] ^= 1;
		assert_int_equal(layer(top_name, copy, strlen(top), 3), V1_LAYER_UNKNOWN);
	}
}

static void what_is_no_object_proves_nothing(void **state)
{
	static const char *const bad[] = { "", "{", "{}", "[]", "{\"parent\":7}", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{\"a\":[1}", "null", "{\"parent\":\"\"}", "{a:1}",
		"{\"a\\" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(layer(lowest_name, bad[i], strlen(bad[i]), 3), V1_LAYER_UNKNOWN);
}

RUN_TESTS(TEST(every_directory_proves_its_layer), TEST(the_only_layer_of_an_image_is_its_top),
	TEST(a_json_of_another_directory_proves_nothing),
	TEST(a_cut_or_changed_json_proves_nothing), TEST(what_is_no_object_proves_nothing))
