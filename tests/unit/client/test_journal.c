/* The agent's journal of a migration: what is written comes back, what is damaged is said, and one
 * process at a time is at work on a container. */
#include "client/migrate/journal.h"
#include "common/base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <unistd.h>

static const struct journal sample = { .name = "web",
	.container = "c0ffee",
	.target = "standby",
	.id = { 1, 0, 255 },
	.stage = CUTOVER_SENT,
	.new_name = "web2",
	.flat = true,
	.keep = false,
	.no_start = true,
	.overwrite = true,
	.require_full = true,
	.health_seconds = 77,
	.taken_down = true,
	.was_running = true,
	.policy = "on-failure",
	.policy_maximum = 5,
	.down_ms = 1795540366553,
	.image = "sha256:abc" };

static void what_is_written_comes_back(void **state)
{
	struct journal got;
	struct err err = { 0 };

	assert_fails(journal_read(*state, "web", &got, &err), &err, ERR_NOT_FOUND);
	for (unsigned i = 0; i < CUTOVER_STAGES; i++) {
		struct journal j = sample;

		j.stage = (enum cutover_stage)i;
		assert_ok(journal_write(*state, &j, &err), &err);
		assert_ok(journal_read(*state, "web", &got, &err), &err);
		assert_memory_equal(&got, &j, sizeof(j));
	}
	assert_ok(journal_remove(*state, "web", &err), &err);
	assert_ok(journal_remove(*state, "web", &err), &err);
	assert_fails(journal_read(*state, "web", &got, &err), &err, ERR_NOT_FOUND);
}

static void what_is_damaged_is_said(void **state)
{
	static const char *const texts[] = { "", "{", "{}", "[]",
		"{\"version\":1,\"name\":\"web\",\"stage\":\"live\"}" };
	char path[200];
	struct journal got;
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/web.json", (char *)*state);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_ok(file_replace(path, 0600, texts[i], strlen(texts[i]), &err), &err);
		assert_fails(journal_read(*state, "web", &got, &err), &err, ERR_CORRUPT);
	}
}

/* A journal that was renamed is another container's. */
static void a_journal_is_of_the_container_that_it_is_named_for(void **state)
{
	char from[200], to[200];
	struct journal got;
	struct err err = { 0 };

	assert_ok(journal_write(*state, &sample, &err), &err);
	snprintf(from, sizeof(from), "%s/web.json", (char *)*state);
	snprintf(to, sizeof(to), "%s/other.json", (char *)*state);
	assert_int_equal(rename(from, to), 0);
	assert_fails(journal_read(*state, "other", &got, &err), &err, ERR_CORRUPT);
	assert_fails(journal_read(*state, "../web", &got, &err), &err, ERR_USAGE);
}

static void one_process_at_a_time_is_at_work(void **state)
{
	struct err err = { 0 };
	int first, second;

	assert_ok(journal_lock(*state, "web", &first, &err), &err);
	assert_fails(journal_lock(*state, "web", &second, &err), &err, ERR_AGAIN);
	assert_ok(journal_lock(*state, "db", &second, &err), &err);
	close(second);
	close(first);
	assert_ok(journal_lock(*state, "web", &first, &err), &err);
	close(first);
}

#define CASE(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(CASE(what_is_written_comes_back), CASE(what_is_damaged_is_said),
	CASE(a_journal_is_of_the_container_that_it_is_named_for),
	CASE(one_process_at_a_time_is_at_work))
