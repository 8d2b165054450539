/* Snapshots: what they need stays, whatever is pruned, killed or lost; what is forgotten goes. */
#include "common/chunk/recipe.h"
#include "common/store/check.h"
#include "common/store/prune.h"
#include "common/store/snapshot.h"
#include "tests/unit/store/store_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEN = 3000, PER_RECORD = 20 };

/* Puts the blob that is made of the records from..to, a recipe chunk each, and returns its name. */
static struct digest put_blob(struct store *s, struct store_pin *pin, uint64_t from, uint64_t to)
{
	struct digest recipes[64], digest;
	struct err err = { 0 };
	size_t n = 0;
	for (uint64_t number = from; number <= to; number++) {
		struct buf bytes;
		struct sample sample;
		sample_make(&sample, number, PER_RECORD, LEN);
		assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err);
		sample_done(&sample);
		buf_init(&bytes, RECIPE_CHUNK_MAX);
		for (size_t i = 0; i < PER_RECORD; i++) {
			struct recipe_op op = {
				.kind = OP_CHUNK, .name = sample_name(number, i, LEN), .len = LEN
			};
			recipe_put(&bytes, &op);
		}
		recipes[n] = digest_of(buf_bytes(&bytes), buf_len(&bytes));
		struct store_chunk c = { recipes[n++], CHUNK_RECIPE, buf_bytes(&bytes),
			buf_len(&bytes) };
		assert_ok(store_put_chunks(s, &c, 1, &err), &err);
		buf_done(&bytes);
	}
	digest = digest_of(recipes, n * DIGEST_LEN);
	const struct digest *names[2] = { recipes, recipes };
	const size_t counts[2] = { n, 0 };
	assert_ok(store_blob_put(s, &digest, n * PER_RECORD * LEN, names, counts, &err), &err);
	return digest;
}

static int try_snapshot(struct store *s, const char *name, const struct digest *blobs, size_t n,
	struct digest *ret, struct err *err)
{
	struct snapshot_part parts[8];
	struct snapshot_writer *w;
	bool done = false;
	for (size_t i = 0; i < n; i++)
		parts[i] = (struct snapshot_part){ blobs[i], "layer" };
	struct snapshot_new what = { .kind = "volume",
		.name = name,
		.host = "web",
		.key = "k1",
		.artifact = "{\"a\": [1, 2]}",
		.parts = parts,
		.n_parts = n,
		.bytes_new = 7 };
	if (snapshot_writer_new(s, &what, &w, err) != 0)
		return -1;
	int r = 0;
	while (r == 0 && !done)
		r = snapshot_writer_step(w, ret, &done, err);
	snapshot_writer_free(w);
	return r;
}

static struct digest snapshot(struct store *s, const char *name, uint64_t from, uint64_t to)
{
	struct err err = { 0 };
	struct digest id = { 0 }, blob = put_blob(s, NULL, from, to);
	assert_ok(try_snapshot(s, name, &blob, 1, &id, &err), &err);
	return id;
}

static size_t count(struct store *s)
{
	struct snapshot_list all = { 0 };
	struct err err = { 0 };
	assert_ok(store_snapshots(s, NULL, &all, &err), &err);
	size_t n = all.n;
	for (size_t i = 1; i < n; i++)
		assert_true(all.items[i].time_ms >= all.items[i - 1].time_ms);
	snapshot_list_done(&all);
	return n;
}

/* The snapshot's blob is whole and its chunks read back. */
static void check_snapshot(
	struct store *s, const char *dir, const struct digest *id, uint64_t from, uint64_t to)
{
	struct store_reader *r = fixture_reader(dir);
	struct snapshot snapshot = { 0 };
	struct blob_record record = { 0 };
	struct err err = { 0 };
	bool found = false;
	assert_ok(store_snapshot_read(s, id, NULL, &snapshot, &found, &err), &err);
	assert_true(found);
	assert_string_equal(snapshot.artifact, "{\"a\": [1, 2]}");
	assert_int_equal(snapshot.n_blobs, 1);
	assert_string_equal(snapshot.blobs[0].role, "layer");
	assert_int_equal(snapshot.info.bytes_total, (to - from + 1) * PER_RECORD * LEN);
	assert_ok(store_blob_find(s, &snapshot.blobs[0].digest, NULL, &record, &found, &err), &err);
	assert_true(found);
	blob_record_done(&record);
	snapshot_done(&snapshot);
	for (uint64_t i = from; i <= to; i++)
		sample_check(s, r, i, PER_RECORD, LEN);
	store_reader_free(r);
}

static struct store_pruned prune(struct store *s)
{
	struct store_pruned report = { 0 };
	struct err err = { 0 };
	assert_ok(store_prune(s, false, &report, &err), &err);
	return report;
}

static void forget(struct store *s, struct digest id)
{
	struct err err = { 0 };
	assert_ok(store_snapshot_forget(s, &id, 1, &err), &err);
}

static struct store *reopen(struct store *s, const char *dir, bool without_index)
{
	store_close(s);
	if (without_index)
		unlink(fixture_path(dir, "index.db"));
	return fixture_open(dir);
}

static void no_damage(struct store *s);

static void a_snapshot_survives_prune_and_loss_of_the_index(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct digest id = snapshot(s, "data", 1, 5);
	for (uint64_t i = 100; i < 110; i++)
		sample_put(s, i, 20, LEN);
	for (int round = 0; round < 4; round++) {
		prune(s);
		assert_int_equal(sample_count(s, 100, 20, LEN), 0);
		check_snapshot(s, dir, &id, 1, 5);
		assert_int_equal(count(s), 1);
		no_damage(s);
		s = reopen(s, dir, round % 2 == 0);
	}
	store_close(s);
	fixture_remove(dir);
}

static void a_forgotten_snapshot_goes_and_does_not_come_back(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct digest kept = snapshot(s, "data", 1, 5), gone = snapshot(s, "data", 4, 40);
	assert_int_equal(count(s), 2);
	forget(s, gone);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(count(s), 1);
		s = reopen(s, dir, true);
	}
	uint64_t before = fixture_stats(s).stored_bytes;
	struct store_pruned report = prune(s);
	assert_true(report.bytes > before / 2);
	assert_int_equal(report.bytes, before - fixture_stats(s).stored_bytes);
	assert_int_equal(sample_count(s, 40, PER_RECORD, LEN), 0);
	for (int round = 0; round < 3; round++) {
		check_snapshot(s, dir, &kept, 1, 5);
		assert_int_equal(count(s), 1);
		no_damage(s);
		s = reopen(s, dir, round == 1);
	}
	forget(s, kept);
	prune(s);
	assert_int_equal(sample_count(s, 1, PER_RECORD, LEN), 0);
	store_close(s);
	fixture_remove(dir);
}

static void a_snapshot_of_something_incomplete_is_refused(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct digest blobs[2] = { put_blob(s, NULL, 1, 3), digest_of("x", 1) }, id;
	assert_fails(try_snapshot(s, "a", blobs, 2, &id, &err), &err, ERR_NOT_FOUND);
	assert_fails(try_snapshot(s, "", blobs, 1, &id, &err), &err, ERR_PROTOCOL);
	assert_int_equal(count(s), 0);
	assert_false(store_in_use(s) && store_unsynced(s) == 0);
	store_close(s);
	fixture_remove(dir);
}

static void an_unchanged_blob_costs_little_and_shares_its_lists(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	snapshot(s, "data", 1, 40);
	uint64_t before = fixture_stats(s).stored_bytes;
	snapshot(s, "data", 1, 40);
	assert_true(fixture_stats(s).stored_bytes - before < 2000);
	before = fixture_stats(s).stored_bytes;
	/* One record of forty is new: 60 kB that do not shrink, and a few lists. */
	snapshot(s, "data", 2, 41);
	assert_true(fixture_stats(s).stored_bytes - before < 60000 + 20000);
	store_close(s);
	fixture_remove(dir);
}

static void a_cache_gives_up_all_but_what_snapshots_need(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_limits limits = { .cache_max = 12 << 20 };
	struct err err = { 0 };
	store_set_limits(s, &limits);
	struct digest id = snapshot(s, "data", 1, 20);
	for (uint64_t i = 1000; i < 1030; i++) {
		sample_put(s, i, 16, 60000);
		assert_ok(store_sync(s, &err), &err);
	}
	assert_int_equal(sample_count(s, 1010, 16, 60000), 0);
	check_snapshot(s, dir, &id, 1, 20);
	store_close(s);
	fixture_remove(dir);
}

/* --- a prune beside other things --- */

static void a_backup_that_comes_while_a_prune_goes_on_loses_nothing(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct store_prune *p;
	struct digest ids[40];
	for (uint64_t i = 0; i < 40; i++)
		ids[i] = snapshot(s, "data", 1 + i * 10, 10 + i * 10);
	for (size_t i = 0; i < 40; i++)
		if (i % 4 != 0)
			forget(s, ids[i]);
	assert_ok(store_prune_new(s, false, &p, &err), &err);
	bool done = false;
	uint64_t next = 0;
	while (!done) {
		/* What was forgotten is backed up again: it is still here, or is sent anew. */
		ids[next * 4 + 1] = snapshot(s, "data", 11 + next * 40, 20 + next * 40);
		next = next < 9 ? next + 1 : 0;
		assert_ok(store_prune_step(p, &done, &err), &err);
	}
	store_prune_free(p);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 40; i += 4)
			check_snapshot(s, dir, &ids[i], 1 + i * 10, 10 + i * 10);
		no_damage(s);
		prune(s);
		s = reopen(s, dir, true);
	}
	store_close(s);
	fixture_remove(dir);
}

static void what_a_job_was_told_is_here_stays(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct digest owner = digest_of("job", 3), name = sample_name(7, 3, LEN);
	struct store_pin *pin;
	struct store_place at;
	bool found = false;
	sample_put(s, 7, 20, LEN);
	assert_ok(store_pin_begin(s, &owner, &pin, &err), &err);
	assert_ok(store_find(s, &name, pin, &at, &found, &err), &err);
	prune(s);
	assert_int_equal(sample_count(s, 7, 20, LEN), 20);
	store_pin_end(s, pin, true);
	prune(s);
	assert_int_equal(sample_count(s, 7, 20, LEN), 0);
	store_close(s);
	fixture_remove(dir);
}

/* --- kill -9 --- */

/* Backs up, forgets and prunes for ever, and says which snapshot is the last one durable. */
static void work_for_ever(const char *dir, uint64_t next, int say)
{
	struct err err;
	struct store *s;
	struct store_pruned report;
	struct digest last = { 0 };
	if (store_open(dir, &s, &err) != 0)
		_exit(1);
	for (uint64_t i = next;; i++) {
		struct digest id, blob = put_blob(s, NULL, i, i + 9);
		if (try_snapshot(s, "data", &blob, 1, &id, &err) != 0)
			_exit(2);
		struct {
			uint64_t number;
			struct digest id;
		} said = { i, id };
		if (write(say, &said, sizeof said) != sizeof said)
			_exit(3);
		if (i > next && i % 2 == 1 && store_snapshot_forget(s, &last, 1, &err) != 0)
			_exit(4);
		if (i % 3 == 0 && store_prune(s, false, &report, &err) != 0)
			_exit(5);
		last = id;
	}
}

static void a_prune_killed_at_any_moment_loses_no_snapshot(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	uint64_t next = 1;
	struct {
		uint64_t number;
		struct digest id;
	} said, last = { 0 };
	srand(11);
	for (int round = 0; round < 30; round++) {
		int ends[2], status = 0;
		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(ends[0]);
			work_for_ever(dir, next, ends[1]);
		}
		close(ends[1]);
		usleep((useconds_t)(rand() % 150000));
		kill(child, SIGKILL);
		while (read(ends[0], &said, sizeof said) == sizeof said)
			last = said;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		close(ends[0]);
		if (round % 5 == 4)
			unlink(fixture_path(dir, "index.db"));
		struct store *s = fixture_open(dir);
		if (last.number > 0)
			check_snapshot(s, dir, &last.id, last.number, last.number + 9);
		no_damage(s);
		store_close(s);
		next = last.number + 3;
	}
	assert_true(last.number > 5);
	fixture_remove(dir);
}

/* --- damage --- */

struct told {
	char text[4096];
	size_t n;
};

static void tell(void *ctx, const char *text)
{
	struct told *told = ctx;
	size_t used = strlen(told->text);
	told->n++;
	snprintf(told->text + used, sizeof told->text - used, "%s\n", text);
}

static struct store_check_report check(struct store *s, struct told *told)
{
	struct err err = { 0 };
	bool done = false;
	struct store_check *c = store_check_new(s, true, &err);
	assert_non_null(c);
	while (!done)
		assert_ok(store_check_step(c, tell, told, &done, &err), &err);
	struct store_check_report report = *store_check_report(c);
	store_check_free(c);
	return report;
}

static void no_damage(struct store *s)
{
	struct told told = { 0 };
	check(s, &told);
	if (told.n > 0)
		fail_msg("%s", told.text);
}

static void damage_is_told_by_snapshot_and_heals_with_the_next_backup(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct told told = { 0 };
	struct digest hurt = snapshot(s, "data", 1, 5), whole = snapshot(s, "other", 50, 55);
	char hex[DIGEST_HEX_LEN + 1];
	struct store_place at;
	bool found = false;
	struct digest name = sample_name(3, 4, LEN);
	assert_ok(store_find(s, &name, NULL, &at, &found, &err), &err);
	fixture_flip(fixture_path(dir, FIXTURE_PACK1), at.record_offset + at.record_len - 9, 4);
	struct store_check_report report = check(s, &told);
	assert_true(report.damaged_chunks > 0);
	assert_int_equal(report.damaged_snapshots, 1);
	digest_hex(&hurt, hex);
	hex[SNAPSHOT_SHORT_LEN] = '\0';
	assert_non_null(strstr(told.text, hex));
	digest_hex(&whole, hex);
	hex[SNAPSHOT_SHORT_LEN] = '\0';
	assert_null(strstr(told.text, hex));
	assert_ok(store_find(s, &name, NULL, &at, &found, &err), &err);
	assert_false(found);
	prune(s);
	/* Another backup, of another blob, that has the chunk. */
	snapshot(s, "data", 2, 4);
	check_snapshot(s, dir, &hurt, 1, 5);
	prune(s);
	s = reopen(s, dir, true);
	check_snapshot(s, dir, &hurt, 1, 5);
	memset(&told, 0, sizeof told);
	report = check(s, &told);
	assert_int_equal(report.damaged_snapshots, 0);
	store_close(s);
	fixture_remove(dir);
}

RUN_TESTS(TEST(a_snapshot_survives_prune_and_loss_of_the_index),
	TEST(a_forgotten_snapshot_goes_and_does_not_come_back),
	TEST(a_snapshot_of_something_incomplete_is_refused),
	TEST(an_unchanged_blob_costs_little_and_shares_its_lists),
	TEST(a_cache_gives_up_all_but_what_snapshots_need),
	TEST(a_backup_that_comes_while_a_prune_goes_on_loses_nothing),
	TEST(what_a_job_was_told_is_here_stays),
	TEST(a_prune_killed_at_any_moment_loses_no_snapshot),
	TEST(damage_is_told_by_snapshot_and_heals_with_the_next_backup))
