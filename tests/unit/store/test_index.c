#include "common/store/index.h"
#include "tests/unit/store/store_fixture.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	char *dir;
	char *path;
	struct index *ix;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct err err = { 0 };
	assert_non_null(f);
	f->dir = fixture_dir();
	f->path = strdup(fixture_path(f->dir, "index.db"));
	assert_ok(index_open(f->path, &f->ix, &err), &err);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	index_close(f->ix);
	fixture_remove(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void reopen(struct fixture *f)
{
	struct err err = { 0 };
	index_close(f->ix);
	f->ix = NULL;
	assert_ok(index_open(f->path, &f->ix, &err), &err);
}

/* A name whose first eight bytes are `prefix`. */
static struct digest name_of(uint64_t prefix, uint8_t rest)
{
	struct digest d;
	for (int i = 0; i < 8; i++)
		d.bytes[i] = (uint8_t)(prefix >> (56 - 8 * i));
	memset(d.bytes + 8, rest, DIGEST_LEN - 8);
	return d;
}

static void add(
	struct index *ix, uint32_t pack, uint64_t offset, struct segment_row *rows, uint32_t n)
{
	struct err err = { 0 };
	struct segment seg = { .record_len = 1000, .rows = rows, .n_rows = n };
	assert_ok(index_record_begin(ix, &err), &err);
	assert_ok(index_add_segment(ix, pack, offset, &seg, &err), &err);
	assert_ok(index_record_keep(ix, &err), &err);
}

static void add_one(struct index *ix, uint64_t prefix, uint8_t rest)
{
	struct segment_row row = { name_of(prefix, rest), CHUNK_DATA, 1, 0 };
	add(ix, 1, 16, &row, 1);
}

static bool has(struct index *ix, const struct digest *name)
{
	struct err err = { 0 };
	struct store_place at;
	bool found = false;
	assert_ok(index_find(ix, name, &at, &found, &err), &err);
	return found;
}

static bool has_short(struct index *ix, uint64_t prefix)
{
	struct err err = { 0 };
	bool found = false;
	assert_ok(index_has_short(ix, prefix, &found, NULL, &err), &err);
	return found;
}

static void a_place_comes_back_as_it_was_put(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct segment_row rows[] = {
		{ name_of(1, 0), CHUNK_DATA, 0, 0 },
		{ name_of(2, 0), CHUNK_MANIFEST, SEGMENT_RAW_MAX, 0 },
		{ name_of(3, 0), CHUNK_RECIPE, 0, SEGMENT_RAW_MAX },
		{ name_of(4, 0), 31, 5, SEGMENT_RAW_MAX - 5 },
	};
	add(f->ix, 99999999, UINT64_C(60) << 20, rows, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_place at;
		bool found = false;
		assert_ok(index_find(f->ix, &rows[i].name, &at, &found, &err), &err);
		assert_true(found);
		assert_int_equal(at.pack, 99999999);
		assert_int_equal(at.record_offset, UINT64_C(60) << 20);
		assert_int_equal(at.record_len, 1000);
		assert_int_equal(at.offset, rows[i].offset);
		assert_int_equal(at.len, rows[i].len);
		assert_int_equal(at.kind, rows[i].kind);
	}
}

static void a_short_name_is_the_first_eight_bytes(void **state)
{
	struct fixture *f = *state;
	assert_false(has_short(f->ix, 0));
	add_one(f->ix, 0, 0);
	add_one(f->ix, 0x1122334455667788, 0);
	add_one(f->ix, UINT64_MAX, 0xff);
	assert_true(has_short(f->ix, 0));
	assert_true(has_short(f->ix, 0x1122334455667788));
	assert_true(has_short(f->ix, UINT64_MAX));
	assert_false(has_short(f->ix, 1));
	assert_false(has_short(f->ix, 0x1122334455667787));
	assert_false(has_short(f->ix, 0x1122334455667789));
	assert_false(has_short(f->ix, UINT64_MAX - 1));
	/* Two names that begin alike, the tail of neither all zeros. */
	add_one(f->ix, 42, 7);
	add_one(f->ix, 42, 9);
	assert_true(has_short(f->ix, 42));
	assert_false(has_short(f->ix, 41));
	assert_false(has_short(f->ix, 43));
}

static void uncommitted_rows_are_seen_and_lost_at_closing(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct digest first = name_of(1, 1), second = name_of(2, 2);
	add_one(f->ix, 1, 1);
	assert_true(index_pending(f->ix));
	assert_ok(index_commit(f->ix, &err), &err);
	assert_false(index_pending(f->ix));
	assert_ok(index_commit(f->ix, &err), &err);
	add_one(f->ix, 2, 2);
	assert_true(has(f->ix, &second));
	reopen(f);
	assert_true(has(f->ix, &first));
	assert_false(has(f->ix, &second));
}

static void a_dropped_record_leaves_those_before_it(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct digest first = name_of(1, 1), second = name_of(2, 2);
	struct segment_row row = { second, CHUNK_DATA, 1, 0 };
	struct segment seg = { .record_len = 1000, .rows = &row, .n_rows = 1 };
	add_one(f->ix, 1, 1);
	assert_ok(index_record_begin(f->ix, &err), &err);
	assert_ok(index_add_segment(f->ix, 1, 2000, &seg, &err), &err);
	index_record_drop(f->ix);
	assert_true(index_pending(f->ix));
	assert_true(has(f->ix, &first));
	assert_false(has(f->ix, &second));
	index_rollback(f->ix);
	assert_false(has(f->ix, &first));
}

static void packs_and_totals_add_up(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct segment_row rows[] = { { name_of(1, 0), CHUNK_DATA, 10, 0 },
		{ name_of(2, 0), CHUNK_DATA, 20, 10 } };
	struct index_pack *packs = NULL;
	size_t n = 9;
	struct store_stats stats;
	struct digest digest = name_of(77, 0), record = name_of(1, 0), got;
	bool found = true;
	assert_ok(index_packs(f->ix, &packs, &n, &err), &err);
	assert_int_equal(n, 0);
	add(f->ix, 2, 16, rows, 2);
	add(f->ix, 1, 16, rows, 2); /* known already: nothing new but the checkpoint */
	assert_ok(index_note_pack(f->ix, 2, 5000, 3, &err), &err);
	assert_ok(index_packs(f->ix, &packs, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(packs[0].number, 1);
	assert_int_equal(packs[0].length, 1016);
	assert_int_equal(packs[1].length, 5000);
	assert_int_equal(packs[1].damaged, 3);
	free(packs);
	assert_ok(index_find_blob(f->ix, &digest, &got, &found, &err), &err);
	assert_false(found);
	assert_ok(index_add_blob(f->ix, &digest, 30, &rows[1].name, &err), &err);
	assert_ok(index_add_blob(f->ix, &digest, 30, &record, &err), &err);
	assert_ok(index_find_blob(f->ix, &digest, &got, &found, &err), &err);
	assert_true(found && digest_equal(&got, &record));
	assert_ok(index_add_manifest(f->ix, &record, "image", "a", 1, &err), &err);
	assert_ok(index_totals(f->ix, &stats, &err), &err);
	assert_int_equal(stats.chunks, 2);
	assert_int_equal(stats.raw_bytes, 30);
	assert_int_equal(stats.packs, 2);
	assert_int_equal(stats.stored_bytes, 6016);
	assert_int_equal(stats.damaged, 3);
	assert_int_equal(stats.blobs, 1);
	assert_int_equal(stats.manifests, 1);
}

static void spoil(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void what_is_no_index_of_this_version_is_made_anew(void **state)
{
	struct fixture *f = *state;
	static const char *const ways[] = { "PRAGMA user_version=999", "PRAGMA application_id=5",
		"DROP TABLE blob", "ALTER TABLE chunk RENAME COLUMN place TO somewhere" };
	struct err err = { 0 };
	struct digest name = name_of(5, 5);
	for (size_t i = 0; i <= ARRAY_LEN(ways); i++) {
		add_one(f->ix, 5, 5);
		assert_ok(index_commit(f->ix, &err), &err);
		reopen(f);
		assert_true(has(f->ix, &name));
		index_close(f->ix);
		f->ix = NULL;
		if (i < ARRAY_LEN(ways))
			spoil(f->path, ways[i]);
		else
			fixture_flip(f->path, 3, 0x55); /* in the magic text */
		assert_ok(index_open(f->path, &f->ix, &err), &err);
		assert_false(has(f->ix, &name));
	}
}

static void damage_found_later_deletes_the_database_at_closing(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct digest name = name_of(5, 5);
	struct store_place at;
	bool found;
	add_one(f->ix, 5, 5);
	assert_ok(index_commit(f->ix, &err), &err);
	index_close(f->ix);
	f->ix = NULL;
	spoil(f->path, "UPDATE segment SET length = 5");
	assert_ok(index_open(f->path, &f->ix, &err), &err);
	assert_false(index_damaged(f->ix));
	assert_fails(index_find(f->ix, &name, &at, &found, &err), &err, ERR_CORRUPT);
	assert_true(index_damaged(f->ix));
	reopen(f);
	assert_false(has(f->ix, &name));
}

static void a_directory_in_its_place_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct index *ix = NULL;
	assert_fails(index_open(f->dir, &ix, &err), &err, ERR_IO);
	index_close(NULL);
}

#define T(name) TEST_WITH(name, set_up, tear_down)
RUN_TESTS(T(a_place_comes_back_as_it_was_put), T(a_short_name_is_the_first_eight_bytes),
	T(uncommitted_rows_are_seen_and_lost_at_closing),
	T(a_dropped_record_leaves_those_before_it), T(packs_and_totals_add_up),
	T(what_is_no_index_of_this_version_is_made_anew),
	T(damage_found_later_deletes_the_database_at_closing),
	T(a_directory_in_its_place_is_an_error))
