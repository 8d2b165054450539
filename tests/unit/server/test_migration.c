/* The target's journal of migrations: what is written comes back, what is damaged is left. */
#include "common/base/file.h"
#include "server/container/migration.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST                                                                                   \
	"{\"version\":1,\"id\":\"%064d\",\"name\":\"web\",\"image\":{\"name\":\"app:1\",\"id\":"   \
	"\"sha256:%064d\",\"config\":{}},\"config\":{},\"mounts\":[],\"networks\":[],\"volumes\":" \
	"[],\"state\":{\"running\":true,\"paused\":false},\"dropped\":[]}"

static const uint8_t id[MIGRATION_ID_LEN] = { 1, 2, 0xfe };

static void order_text(char *ret, size_t size, const char *more)
{
	snprintf(ret, size, "{\"version\":1,\"container\":" MANIFEST "%s}", 1, 2, more);
}

static struct migration *make(void)
{
	struct container_order order;
	struct migration *m;
	struct err err = { 0 };
	char text[2000];

	order_text(text, sizeof(text), ",\"name\":\"web2\"");
	assert_ok(container_order_parse(text, strlen(text), &order, &err), &err);
	m = migration_new(id, "agent", &order);
	assert_non_null(m);
	return m;
}

static void what_is_written_comes_back(void **state)
{
	struct migration *m = make(), *got;
	struct err err = { 0 };
	size_t odd;

	m->stage = STAGE_COMMITTED;
	m->overwrite = m->started = m->tagged = true;
	snprintf(m->container, sizeof(m->container), "c0ffee");
	snprintf(m->tag, sizeof(m->tag), "app:1");
	assert_ok(migration_will_make(m->volumes, "data", &err), &err);
	assert_ok(migration_will_make(m->volumes, "data", &err), &err);
	assert_ok(migration_will_make(m->networks, "app", &err), &err);
	assert_ok(migration_write(*state, m, &err), &err);
	assert_ok(migration_list(*state, &got, &odd, &err), &err);
	assert_int_equal(odd, 0);
	assert_non_null(got);
	assert_null(got->next);
	assert_memory_equal(got->id, id, sizeof(id));
	assert_string_equal(got->key, "agent");
	assert_int_equal(got->stage, STAGE_COMMITTED);
	assert_true(got->overwrite && got->started && got->tagged && !got->preparing);
	assert_string_equal(got->container, "c0ffee");
	assert_string_equal(got->tag, "app:1");
	assert_int_equal(json_array_size(got->volumes), 1);
	assert_true(migration_made(got->volumes, "data") && migration_made(got->networks, "app"));
	assert_false(migration_made(got->networks, "data"));
	assert_string_equal(container_order_name(&got->order), "web2");
	assert_true(got->touched > 0);
	assert_ok(migration_remove(*state, got, &err), &err);
	migration_free(got);
	assert_ok(migration_list(*state, &got, &odd, &err), &err);
	assert_null(got);
	migration_free(m);
}

static void files_that_are_none_are_counted_and_left(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"key\":\"agent\"}" };
	char name[200];
	struct migration *got;
	struct err err = { 0 };
	size_t odd;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		snprintf(name, sizeof(name), "%s/%032zu.json", (char *)*state, i);
		assert_ok(file_replace(name, 0600, texts[i], strlen(texts[i]), &err), &err);
	}
	snprintf(name, sizeof(name), "%s/notes.json", (char *)*state);
	assert_ok(file_replace(name, 0600, "{}", 2, &err), &err);
	assert_ok(migration_list(*state, &got, &odd, &err), &err);
	assert_null(got);
	assert_int_equal(odd, ARRAY_LEN(texts));
}

static void an_order_is_what_it_may_be_and_nothing_else(void **state)
{
	static const char *const wrong[] = { ",\"extra\":1", ",\"name\":\"-x\"",
		",\"name\":\"a/b\"", ",\"name\":\"0123456789ab\"", ",\"binds\":1",
		",\"maps\":[[\"/a\"]]", ",\"maps\":[[\"/a\",\"b\"]]",
		",\"maps\":[[\"/a/../b\",\"/b\"]]", ",\"maps\":[[\"/a\",\"/b/\"]]",
		",\"version\":1", ",\"maps\":{}" };
	static const char *const right[] = { "", ",\"binds\":true", ",\"no_volumes\":false",
		",\"maps\":[[\"/a\",\"/b\"]]", ",\"name\":\"web_2.x\"" };
	struct container_order order;
	struct err err = { 0 };
	char text[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		order_text(text, sizeof(text), wrong[i]);
		if (container_order_parse(text, strlen(text), &order, &err) == 0)
			fail_msg("%s was taken", wrong[i]);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_null(order.json);
	}
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		order_text(text, sizeof(text), right[i]);
		assert_ok(container_order_parse(text, strlen(text), &order, &err), &err);
		container_order_done(&order);
	}
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(container_order_parse(text, n, &order, &err), -1);
}

static void an_order_is_printed_as_it_is_read(void **state)
{
	struct container_path_map map = { .from = "/srv", .to = "/data/srv" };
	struct container_choice choice = {
		.name = "other", .binds = true, .no_volumes = true, .maps = &map, .n_maps = 1
	};
	struct container_order first, again;
	struct err err = { 0 };
	char text[2000];
	struct buf bytes;

	(void)state;
	order_text(text, sizeof(text), "");
	assert_ok(container_order_parse(text, strlen(text), &first, &err), &err);
	buf_init(&bytes, CONTAINER_ORDER_MAX);
	assert_ok(container_order_print(first.manifest, &choice, &bytes, &err), &err);
	assert_ok(container_order_parse(buf_bytes(&bytes), buf_len(&bytes), &again, &err), &err);
	assert_true(json_equal((json_t *)again.manifest, (json_t *)first.manifest));
	assert_string_equal(again.choice.name, "other");
	assert_true(again.choice.binds && again.choice.no_volumes);
	assert_int_equal(again.choice.n_maps, 1);
	assert_string_equal(again.choice.maps[0].to, "/data/srv");
	container_order_done(&first);
	container_order_done(&again);
	buf_done(&bytes);
}

#define CASE(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(CASE(what_is_written_comes_back), CASE(files_that_are_none_are_counted_and_left),
	TEST(an_order_is_what_it_may_be_and_nothing_else), TEST(an_order_is_printed_as_it_is_read))
