/* What a store gives up, in which order, and what it keeps: limits, pins, prune. */
#include "common/store/pack.h"
#include "tests/unit/store/store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Four records of 1 MiB that does not shrink fill a pack of the smallest size. */
enum { RECORDS = 4, CHUNKS = 16, LEN = 65536, PACK_BYTES = 4 << 20 };
#define CACHE ((uint64_t)3 * PACK_BYTES + PACK_BYTES / 2) /* three packs */

static uint64_t record_of(unsigned pack, unsigned i)
{
	return 2 * (UINT64_C(100) * pack + i) + 1;
}

static void put_for(struct store *s, struct store_pin *pin, uint64_t number)
{
	struct sample sample;
	struct err err = { 0 };
	sample_make(&sample, number, CHUNKS, LEN);
	assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err);
	sample_done(&sample);
}

/* Fills the pack with this number. */
static void put_pack(struct store *s, struct store_pin *pin, unsigned pack)
{
	struct err err = { 0 };
	for (unsigned i = 0; i < RECORDS; i++)
		put_for(s, pin, record_of(pack, i));
	assert_ok(store_sync(s, &err), &err);
	usleep(2000); /* times of use are told apart by milliseconds */
}

static bool pack_exists(const char *dir, unsigned pack)
{
	char name[40];
	snprintf(name, sizeof name, "packs/%08u.pack", pack);
	return access(fixture_path(dir, name), F_OK) == 0;
}

/* Whole or gone, in the index as on the disk. */
static bool has_pack(const char *dir, struct store *s, unsigned pack)
{
	size_t found = 0;
	for (unsigned i = 0; i < RECORDS; i++)
		found += sample_count(s, record_of(pack, i), CHUNKS, LEN);
	assert_true(found == 0 || found == RECORDS * CHUNKS);
	assert_int_equal(pack_exists(dir, pack), found > 0);
	return found > 0;
}

static struct store *open_limited(const char *dir, uint64_t cache_max)
{
	struct store *s = fixture_open(dir);
	store_set_limits(s, &(struct store_limits){ .cache_max = cache_max });
	return s;
}

static struct store_pin *begin(struct store *s, const char *owner)
{
	struct err err = { 0 };
	struct digest name = digest_of(owner, strlen(owner));
	struct store_pin *pin = NULL;
	assert_ok(store_pin_begin(s, &name, &pin, &err), &err);
	return pin;
}

static void find_for(struct store *s, struct store_pin *pin, unsigned pack)
{
	struct err err = { 0 };
	struct store_place at;
	bool found = false;
	struct digest name = sample_name(record_of(pack, 0), 3, LEN);
	assert_ok(store_find(s, &name, pin, &at, &found, &err), &err);
	assert_true(found);
	assert_int_equal(at.pack, pack);
	usleep(2000);
}

static void run_sql(const char *dir, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(fixture_path(dir, "index.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int64_t ask_sql(const char *dir, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	assert_int_equal(sqlite3_open(fixture_path(dir, "index.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t r = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return r;
}

/* --- order --- */

static void the_longest_unused_pack_goes_first(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	for (unsigned pack = 1; pack <= 3; pack++)
		put_pack(s, NULL, pack);
	assert_true(has_pack(dir, s, 1));
	struct store_pin *pin = begin(s, "job");
	find_for(s, pin, 1);
	store_pin_end(s, pin, true);
	put_pack(s, NULL, 4);
	assert_true(has_pack(dir, s, 1));
	assert_false(has_pack(dir, s, 2));
	/* When each was used last survives, too. */
	store_close(s);
	s = open_limited(dir, CACHE);
	put_pack(s, NULL, 5);
	assert_true(has_pack(dir, s, 1));
	assert_false(has_pack(dir, s, 3));
	put_pack(s, NULL, 6);
	assert_false(has_pack(dir, s, 1));
	assert_true(has_pack(dir, s, 4) && has_pack(dir, s, 5) && has_pack(dir, s, 6));
	assert_true(fixture_stats(s).stored_bytes <= CACHE);
	store_close(s);
	fixture_remove(dir);
}

static void what_is_given_up_leaves_nothing_in_the_index(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	for (unsigned pack = 1; pack <= 9; pack++)
		put_pack(s, NULL, pack);
	struct store_stats before = fixture_stats(s);
	assert_int_equal(before.chunks, 3 * RECORDS * CHUNKS);
	assert_int_equal(before.raw_bytes, 3 * RECORDS * CHUNKS * LEN);
	assert_int_equal(before.packs, 3);
	store_close(s);
	assert_int_equal(ask_sql(dir, "SELECT count(*) FROM segment"), 3 * RECORDS);
	assert_int_equal(ask_sql(dir, "SELECT count(*) FROM chunk"), before.chunks);
	/* The same as an index made from what is left. */
	unlink(fixture_path(dir, "index.db"));
	s = fixture_open(dir);
	struct store_stats anew = fixture_stats(s);
	assert_memory_equal(&anew, &before, sizeof anew);
	store_close(s);
	fixture_remove(dir);
}

static void a_cache_smaller_than_a_pack_keeps_one(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, 1);
	for (unsigned pack = 1; pack <= 3; pack++) {
		put_pack(s, NULL, pack);
		assert_true(has_pack(dir, s, pack));
	}
	assert_false(has_pack(dir, s, 1) || has_pack(dir, s, 2));
	store_close(s);
	fixture_remove(dir);
}

static void a_number_is_not_given_twice_while_a_store_is_open(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct store_pruned gone;
	struct err err = { 0 };
	put_pack(s, NULL, 1);
	assert_ok(store_prune(s, false, &gone, &err), &err);
	assert_int_equal(fixture_stats(s).packs, 0);
	put_pack(s, NULL, 2);
	assert_true(has_pack(dir, s, 2));
	assert_false(has_pack(dir, s, 1));
	store_close(s);
	fixture_remove(dir);
}

/* --- pins --- */

static void a_pack_that_a_job_pinned_is_not_given_up(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct err err = { 0 };
	struct digest short_of = sample_name(record_of(2, 1), 5, LEN);
	bool has = false;
	put_pack(s, NULL, 1);
	put_pack(s, NULL, 2);
	struct store_pin *pin = begin(s, "job");
	find_for(s, pin, 1);
	assert_ok(store_has_short(s, digest_short(&short_of), pin, &has, &err), &err);
	assert_true(has);
	put_pack(s, pin, 3);
	/* The cache exceeds its size by what is pinned. */
	for (unsigned pack = 4; pack <= 7; pack++)
		put_pack(s, NULL, pack);
	assert_true(has_pack(dir, s, 1) && has_pack(dir, s, 2) && has_pack(dir, s, 3));
	assert_false(has_pack(dir, s, 4) || has_pack(dir, s, 5) || has_pack(dir, s, 6));
	assert_in_range(fixture_stats(s).pinned_bytes, 3 * PACK_BYTES, CACHE);
	/* The job ends: the rest is in the order of its use, and pack 7 is the one written. */
	store_pin_end(s, pin, true);
	assert_int_equal(fixture_stats(s).pinned_bytes, 0);
	assert_int_equal(fixture_stats(s).packs, 3);
	assert_true(has_pack(dir, s, 7));
	store_close(s);
	fixture_remove(dir);
}

static void a_record_that_was_there_is_pinned_where_it_lies(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct sample sample;
	struct err err = { 0 };
	put_pack(s, NULL, 1);
	put_pack(s, NULL, 2);
	put_pack(s, NULL, 3);
	struct store_pin *pin = begin(s, "job");
	put_for(s, pin, record_of(1, 2));
	/* A record of which only a part is new. */
	struct segment_builder *b = segment_builder_new();
	static uint8_t bytes[LEN];
	buf_init(&sample.record, SEGMENT_RECORD_MAX);
	for (size_t i = 0; i < 2; i++) {
		sample_bytes(i ? record_of(2, 0) : 77777, 0, bytes, LEN);
		struct digest name = digest_of(bytes, LEN);
		assert_ok(segment_builder_add(b, &name, CHUNK_DATA, bytes, LEN, &err), &err);
	}
	assert_ok(segment_builder_seal(b, 0, &sample.record, &err), &err);
	segment_builder_free(b);
	assert_ok(segment_parse(
			  buf_bytes(&sample.record), buf_len(&sample.record), &sample.seg, &err),
		&err);
	assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err);
	sample_done(&sample);
	for (unsigned pack = 5; pack <= 8; pack++)
		put_pack(s, NULL, pack);
	assert_true(has_pack(dir, s, 1) && has_pack(dir, s, 2));
	assert_int_equal(sample_count(s, 77777, 1, LEN), 1);
	assert_false(has_pack(dir, s, 3));
	store_pin_end(s, pin, true);
	store_close(s);
	fixture_remove(dir);
}

static void what_an_unfinished_job_had_is_still_there_for_its_rerun(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct store_pin *pin = begin(s, "job");
	put_pack(s, pin, 1);
	store_pin_end(s, pin, false);
	for (unsigned pack = 2; pack <= 6; pack++)
		put_pack(s, NULL, pack);
	assert_true(has_pack(dir, s, 1));
	store_close(s);
	s = open_limited(dir, CACHE);
	put_pack(s, NULL, 7);
	assert_true(has_pack(dir, s, 1));
	/* The rerun takes the pin over, and with its success it ends. */
	pin = begin(s, "job");
	assert_in_range(fixture_stats(s).pinned_bytes, PACK_BYTES, PACK_BYTES + 100000);
	store_pin_end(s, pin, true);
	assert_int_equal(fixture_stats(s).pinned_bytes, 0);
	put_pack(s, NULL, 8);
	put_pack(s, NULL, 9);
	put_pack(s, NULL, 10);
	assert_false(has_pack(dir, s, 1));
	store_close(s);
	fixture_remove(dir);
}

static void what_was_acknowledged_stays_pinned_across_a_crash_for_a_day(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct store_pin *pin = begin(s, "job");
	put_pack(s, pin, 1);
	store_close(s); /* the job never ended */
	time_t before = time(NULL);
	s = open_limited(dir, CACHE);
	for (unsigned pack = 2; pack <= 6; pack++)
		put_pack(s, NULL, pack);
	assert_true(has_pack(dir, s, 1));
	store_close(s);
	assert_int_equal(ask_sql(dir, "SELECT count(*) FROM pin"), 1);
	assert_in_range(ask_sql(dir, "SELECT expires FROM pin"), before + (time_t)STORE_PIN_SECONDS,
		time(NULL) + (time_t)STORE_PIN_SECONDS);
	/* A day later. */
	run_sql(dir, "UPDATE pin SET expires = expires - 86401");
	s = open_limited(dir, CACHE);
	put_pack(s, NULL, 7);
	assert_false(has_pack(dir, s, 1));
	store_close(s);
	assert_int_equal(ask_sql(dir, "SELECT count(*) FROM pin"), 0);
	fixture_remove(dir);
}

static void jobs_of_one_owner_share_a_pin_that_ends_with_the_last(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct store_pin *first = begin(s, "job"), *second = begin(s, "job"),
			 *other = begin(s, "other");
	put_pack(s, first, 1);
	find_for(s, other, 1);
	store_pin_end(s, first, true);
	store_pin_end(s, other, true);
	for (unsigned pack = 2; pack <= 5; pack++)
		put_pack(s, NULL, pack);
	assert_true(has_pack(dir, s, 1));
	store_pin_end(s, second, true);
	for (unsigned pack = 6; pack <= 8; pack++)
		put_pack(s, NULL, pack);
	assert_false(has_pack(dir, s, 1));
	store_close(s);
	fixture_remove(dir);
}

/* --- crashes --- */

static void after_a_crash_between_index_and_unlink_the_pack_is_taken_in_again(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	put_pack(s, NULL, 1);
	const char *copy = fixture_path(dir, "copy");
	fixture_copy(fixture_path(dir, FIXTURE_PACK1), copy);
	for (unsigned pack = 2; pack <= 4; pack++)
		put_pack(s, NULL, pack);
	assert_false(has_pack(dir, s, 1));
	store_close(s);
	assert_int_equal(rename(fixture_path(dir, "copy"), fixture_path(dir, FIXTURE_PACK1)), 0);
	s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	for (unsigned i = 0; i < RECORDS; i++)
		sample_check(s, r, record_of(1, i), CHUNKS, LEN);
	assert_int_equal(fixture_stats(s).packs, 4);
	assert_int_equal(fixture_stats(s).damaged, 0);
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

/* The order that a full disk forces. */
static void after_a_crash_between_unlink_and_index_the_index_is_made_anew(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	for (unsigned pack = 1; pack <= 3; pack++)
		put_pack(s, NULL, pack);
	store_close(s);
	unlink(fixture_path(dir, FIXTURE_PACK2));
	s = fixture_open(dir);
	assert_true(has_pack(dir, s, 1) && has_pack(dir, s, 3));
	assert_false(has_pack(dir, s, 2));
	store_close(s);
	fixture_remove(dir);
}

static void a_reader_says_that_a_pack_is_gone(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	struct store_reader *r = fixture_reader(dir);
	struct err err = { 0 };
	struct digest name = sample_name(record_of(1, 0), 0, LEN);
	struct store_place at;
	const uint8_t *bytes;
	bool found;
	put_pack(s, NULL, 1);
	assert_ok(store_find(s, &name, NULL, &at, &found, &err), &err);
	for (unsigned pack = 2; pack <= 4; pack++)
		put_pack(s, NULL, pack);
	assert_false(has_pack(dir, s, 1));
	assert_fails(store_reader_chunk(r, &name, &at, &bytes, &err), &err, ERR_CORRUPT);
	assert_non_null(strstr(err.text, "00000001.pack is not there"));
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

/* --- the floor --- */

static void below_the_floor_nothing_is_written_and_the_numbers_are_said(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = fixture_open(dir);
	struct store_pin *pin = begin(s, "job");
	struct sample sample;
	struct err err = { 0 };
	store_set_limits(s, &(struct store_limits){ .cache_max = CACHE });
	put_pack(s, NULL, 1);
	put_pack(s, pin, 2);
	store_set_limits(s, &(struct store_limits){ CACHE, UINT64_C(1) << 60 });
	sample_make(&sample, 99999, CHUNKS, LEN);
	assert_fails(
		store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err, ERR_FULL);
	/* What may go goes first, what is pinned stays. */
	assert_false(has_pack(dir, s, 1));
	assert_true(has_pack(dir, s, 2));
	assert_non_null(strstr(err.text, "the receiver's disk is full: "));
	assert_non_null(strstr(err.text, dir));
	assert_non_null(strstr(err.text, " free of "));
	assert_non_null(strstr(err.text, "%) is kept free; free some space or run drayd prune"));
	assert_int_equal(sample_count(s, 99999, CHUNKS, LEN), 0);
	assert_int_equal(store_unsynced(s), 0);
	/* Known chunks need no room, and with room all goes on. */
	put_for(s, pin, record_of(2, 1));
	store_set_limits(s, &(struct store_limits){ .cache_max = CACHE, .floor_free = 1 });
	assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err);
	assert_int_equal(sample_count(s, 99999, CHUNKS, LEN), CHUNKS);
	sample_done(&sample);
	store_pin_end(s, pin, true);
	store_close(s);
	fixture_remove(dir);
}

/* --- prune --- */

static void prune_gives_up_all_that_no_job_pins_and_a_dry_run_only_counts(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, 20 * CACHE);
	struct store_pruned would = { 0 }, gone = { 0 };
	struct err err = { 0 };
	struct store_pin *pin = begin(s, "job");
	sample_put(s, 2, 1, 100); /* an open pack of 64 MiB would take all of them */
	store_set_limits(s, &(struct store_limits){ .cache_max = CACHE * 2 });
	for (unsigned pack = 1; pack <= 5; pack++)
		put_pack(s, pack == 2 ? pin : NULL, pack);
	struct store_stats before = fixture_stats(s);
	assert_ok(store_prune(s, true, &would, &err), &err);
	struct store_stats after = fixture_stats(s);
	assert_memory_equal(&before, &after, sizeof before);
	assert_int_equal(would.bytes + would.kept_bytes, before.stored_bytes);
	assert_ok(store_prune(s, false, &gone, &err), &err);
	assert_memory_equal(&gone, &would, sizeof gone);
	after = fixture_stats(s);
	assert_int_equal(after.packs, before.packs - gone.packs);
	assert_int_equal(after.stored_bytes, gone.kept_bytes);
	for (unsigned i = 0; i < RECORDS; i++)
		assert_int_equal(sample_count(s, record_of(2, i), CHUNKS, LEN), CHUNKS);
	assert_int_equal(sample_count(s, record_of(5, 0), CHUNKS, LEN), 0);
	put_pack(s, NULL, 5);
	assert_int_equal(sample_count(s, record_of(5, 0), CHUNKS, LEN), CHUNKS);
	store_pin_end(s, pin, true);
	assert_ok(store_prune(s, false, &gone, &err), &err);
	assert_int_equal(fixture_stats(s).stored_bytes, 0);
	assert_int_equal(fixture_stats(s).chunks, 0);
	store_close(s);
	fixture_remove(dir);
}

/* --- packs that are gone or cannot be opened --- */

static char *pack_file(const char *dir, unsigned pack)
{
	return pack_path(fixture_path(dir, "packs"), pack);
}

/* Two packs, and what an unfinished job pinned of the second one. */
static char *make_pinned(void)
{
	char *dir = fixture_quick_dir();
	struct store *s = open_limited(dir, CACHE);
	put_pack(s, NULL, 1);
	put_pack(s, NULL, 2);
	struct store_pin *pin = begin(s, "job");
	find_for(s, pin, 2);
	store_pin_end(s, pin, false);
	store_close(s);
	return dir;
}

static void a_pack_that_is_gone_takes_no_pin_of_another_with_it(void **state)
{
	(void)state;
	char *dir = make_pinned();
	char *path = pack_file(dir, 1);
	assert_int_equal(unlink(path), 0);
	struct store *s = open_limited(dir, CACHE);
	assert_false(has_pack(dir, s, 1));
	assert_true(has_pack(dir, s, 2));
	assert_int_equal(fixture_stats(s).packs, 1);
	store_close(s);
	assert_int_equal(ask_sql(dir, "SELECT count(*) FROM pin"), 1);
	free(path);
	fixture_remove(dir);
}

static void a_pack_that_cannot_be_opened_costs_no_index(void **state)
{
	(void)state;
	char *dir = make_pinned();
	char *path = pack_file(dir, 1);
	const char *aside = fixture_path(dir, "aside");
	struct err err = { 0 };
	struct store *s = NULL;
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	assert_fails(store_open(dir, &s, &err), &err, ERR_IO);
	assert_int_equal(rename(aside, path), 0);
	assert_int_equal(ask_sql(dir, "SELECT count(*) FROM pin"), 1);
	s = open_limited(dir, CACHE);
	assert_true(has_pack(dir, s, 1) && has_pack(dir, s, 2));
	store_close(s);
	free(path);
	fixture_remove(dir);
}

RUN_TESTS(TEST(a_pack_that_is_gone_takes_no_pin_of_another_with_it),
	TEST(a_pack_that_cannot_be_opened_costs_no_index), TEST(the_longest_unused_pack_goes_first),
	TEST(what_is_given_up_leaves_nothing_in_the_index),
	TEST(a_cache_smaller_than_a_pack_keeps_one),
	TEST(a_number_is_not_given_twice_while_a_store_is_open),
	TEST(a_pack_that_a_job_pinned_is_not_given_up),
	TEST(a_record_that_was_there_is_pinned_where_it_lies),
	TEST(what_an_unfinished_job_had_is_still_there_for_its_rerun),
	TEST(what_was_acknowledged_stays_pinned_across_a_crash_for_a_day),
	TEST(jobs_of_one_owner_share_a_pin_that_ends_with_the_last),
	TEST(after_a_crash_between_index_and_unlink_the_pack_is_taken_in_again),
	TEST(after_a_crash_between_unlink_and_index_the_index_is_made_anew),
	TEST(a_reader_says_that_a_pack_is_gone),
	TEST(below_the_floor_nothing_is_written_and_the_numbers_are_said),
	TEST(prune_gives_up_all_that_no_job_pins_and_a_dry_run_only_counts))
