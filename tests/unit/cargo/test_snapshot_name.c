/* How people name a snapshot, and which one they mean. */
#include "common/cargo/snapshot_name.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { MAX = 8 };

static struct snapshot_list list;

static void add(const char *host, const char *kind, const char *name, const char *time, uint8_t id)
{
	struct snapshot_info *i = &list.items[list.n++];
	uint64_t until;
	*i = (struct snapshot_info){
		.host = strdup(host), .key = strdup("k"), .name = strdup(name), .kind = strdup(kind)
	};
	memset(i->id.bytes, id, DIGEST_LEN);
	i->id.bytes[2] = (uint8_t)list.n;
	assert_true(snapshot_time_parse(time, &i->time_ms, &until));
}

static int setup(void **state)
{
	(void)state;
	list = (struct snapshot_list){ .items = calloc(MAX, sizeof(*list.items)) };
	add("web", "volume", "data", "2026-01-01T10:00", 0xaa);
	add("web", "volume", "data", "2026-01-02T10:00", 0xab);
	add("web", "image", "nginx:latest", "2026-01-03", 0xbb);
	add("db", "volume", "pg", "2026-01-04", 0xaa);
	add("db", "container", "app", "2026-01-05", 0xcc);
	add("web", "container", "app", "2026-01-06", 0xdd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	snapshot_list_done(&list);
	return 0;
}

static int resolve(const char *text, size_t *ret, struct err *err)
{
	struct snapshot_name name;
	if (snapshot_name_parse(text, &name, err) != 0)
		return -1;
	int r = snapshot_name_resolve(&name, &list, ret, err);
	snapshot_name_done(&name);
	return r;
}

static void names_mean_the_newest_early_enough(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t at;
	} good[] = { { "data", 1 }, { "data@latest", 1 }, { "data@2026-01-01", 0 },
		{ "data@2026-01-02", 1 }, { "data@2026-01-02T09:59", 0 },
		{ "data@2026-01-02T10:00:00Z", 1 }, { "web/data", 1 }, { "volume:data", 1 },
		{ "web/volume:data@2026-01-01T23:00Z", 0 }, { "nginx", 2 }, { "nginx:latest", 2 },
		{ "db/app", 4 }, { "web/app@latest", 5 }, { "aaaa01", 0 }, { "abab", 1 },
		{ "bbbb03bb", 2 } };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		size_t at = 99;
		struct err err = { 0 };
		assert_ok(resolve(good[i].text, &at, &err), &err);
		if (at != good[i].at)
			fail_msg("%s: %zu, not %zu", good[i].text, at, good[i].at);
	}
}

static void what_is_wrong_or_ambiguous_is_said(void **state)
{
	(void)state;
	struct err err = { 0 };
	size_t at;
	assert_fails(resolve("", &at, &err), &err, ERR_USAGE);
	assert_fails(resolve("@latest", &at, &err), &err, ERR_USAGE);
	assert_fails(resolve("data@yesterday", &at, &err), &err, ERR_USAGE);
	assert_fails(resolve("data@2026-02-30", &at, &err), &err, ERR_USAGE);
	assert_fails(resolve("data@2025-01-01", &at, &err), &err, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "later"));
	assert_fails(resolve("no", &at, &err), &err, ERR_NOT_FOUND);
	assert_fails(resolve("bbb", &at, &err), &err, ERR_NOT_FOUND); /* too short a prefix */
	assert_fails(resolve("app", &at, &err), &err, ERR_USAGE);
	assert_non_null(strstr(err.text, "db/container:app"));
	assert_non_null(strstr(err.text, "web/container:app"));
	assert_fails(resolve("aaaa", &at, &err), &err, ERR_USAGE);
	assert_non_null(strstr(err.text, "aaaa01"));
	assert_non_null(strstr(err.text, "aaaa04"));
}

RUN_TESTS(TEST_WITH(names_mean_the_newest_early_enough, setup, teardown),
	TEST_WITH(what_is_wrong_or_ambiguous_is_said, setup, teardown))
