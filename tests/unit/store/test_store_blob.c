#include "common/chunk/recipe.h"
#include "tests/unit/store/store_fixture.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Names of recipe chunks that the store has, with all that they name. */
static struct digest *make_names(struct store *s, size_t n, uint64_t seed)
{
	enum { LEN = 100, TOGETHER = 1024 };
	static struct buf recipes[TOGETHER];
	static struct store_chunk chunks[TOGETHER];
	struct err err = { 0 };
	struct digest *names = calloc(n + 1, sizeof *names);
	assert_non_null(names);
	if (n > 0)
		sample_put(s, 1, 1, LEN);
	for (size_t from = 0; from < n; from += TOGETHER) {
		size_t count = n - from < TOGETHER ? n - from : TOGETHER;
		for (size_t i = 0; i < count; i++) {
			struct recipe_op op = { .kind = OP_RANGE,
				.name = sample_name(1, 0, LEN),
				.offset = from + i,
				.len = seed + 1 };
			buf_init(&recipes[i], RECIPE_CHUNK_MAX);
			recipe_put(&recipes[i], &op);
			size_t len = buf_len(&recipes[i]);
			const uint8_t *bytes = buf_bytes(&recipes[i]);
			names[from + i] = digest_of(bytes, len);
			chunks[i] = (struct store_chunk){ names[from + i], CHUNK_RECIPE, bytes,
				len };
		}
		assert_ok(store_put_chunks(s, chunks, count, &err), &err);
		for (size_t i = 0; i < count; i++)
			buf_done(&recipes[i]);
	}
	return names;
}

/* The blob is found with as many lists as its names need, and they hold the names. */
static void check_blob(struct store *s, struct store_reader *r, const struct digest *digest,
	uint64_t size, struct digest *const names[2], const size_t n_names[2])
{
	struct err err = { 0 };
	struct blob_record record = { 0 };
	bool found = false;
	assert_ok(store_blob_find(s, digest, NULL, &record, &found, &err), &err);
	assert_true(found);
	assert_true(digest_equal(&record.digest, digest));
	assert_int_equal(record.size, size);
	for (int stream = 0; stream < 2; stream++) {
		size_t seen = 0;
		for (uint32_t i = 0; i < record.n_lists[stream]; i++) {
			const struct digest *list = &record.lists[stream][i];
			struct store_place at;
			const uint8_t *bytes = NULL;
			assert_ok(store_find(s, list, NULL, &at, &found, &err), &err);
			assert_true(found);
			assert_int_equal(at.kind, CHUNK_LIST);
			assert_ok(store_reader_chunk(r, list, &at, &bytes, &err), &err);
			assert_true(seen * DIGEST_LEN + at.len <= n_names[stream] * DIGEST_LEN);
			assert_memory_equal(bytes, names[stream] + seen, at.len);
			seen += at.len / DIGEST_LEN;
		}
		assert_int_equal(seen, n_names[stream]);
	}
	blob_record_done(&record);
}

static void put_blob(struct store *s, const struct digest *digest, uint64_t size,
	struct digest *const names[2], const size_t n_names[2])
{
	struct err err = { 0 };
	const struct digest *lists[2] = { names[0], names[1] };
	assert_ok(store_blob_put(s, digest, size, lists, n_names, &err), &err);
}

static void a_blob_comes_back_with_its_lists(void **state)
{
	(void)state;
	static const size_t counts[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { LIST_NAMES_MAX, 1 },
		{ LIST_NAMES_MAX + 1, LIST_NAMES_MAX - 1 }, { 40 * LIST_NAMES_MAX, 3000 } };
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	struct digest *names[ARRAY_LEN(counts)][2], digests[ARRAY_LEN(counts)];
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		names[i][0] = make_names(s, counts[i][0], 10 * i);
		names[i][1] = make_names(s, counts[i][1], 10 * i + 1);
		digests[i] = digest_of(&i, sizeof i);
		put_blob(s, &digests[i], i, names[i], counts[i]);
	}
	for (int round = 0; round < 3; round++) {
		assert_int_equal(fixture_stats(s).blobs, ARRAY_LEN(counts));
		for (size_t i = 0; i < ARRAY_LEN(counts); i++)
			check_blob(s, r, &digests[i], i, names[i], counts[i]);
		store_close(s);
		if (round == 1)
			unlink(fixture_path(dir, "index.db"));
		s = fixture_open(dir);
	}
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		free(names[i][0]);
		free(names[i][1]);
	}
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

static void an_unknown_blob_is_not_found(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct blob_record record;
	struct digest digest = digest_of("a", 1);
	bool found = true;
	assert_ok(store_blob_find(s, &digest, NULL, &record, &found, &err), &err);
	assert_false(found);
	store_close(s);
	fixture_remove(dir);
}

static void the_same_blob_again_writes_nothing_and_another_record_replaces_it(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	struct digest digest = digest_of("a", 1);
	struct digest *names[2] = { make_names(s, 5, 1), make_names(s, 3, 2) };
	size_t n[2] = { 5, 3 }, fewer[2] = { 4, 3 };
	put_blob(s, &digest, 10, names, n);
	uint64_t size = fixture_stats(s).stored_bytes;
	put_blob(s, &digest, 10, names, n);
	assert_int_equal(fixture_stats(s).stored_bytes, size);
	put_blob(s, &digest, 10, names, fewer);
	for (int i = 0; i < 2; i++) {
		check_blob(s, r, &digest, 10, names, fewer);
		assert_int_equal(fixture_stats(s).blobs, 1);
		store_close(s);
		unlink(fixture_path(dir, "index.db"));
		s = fixture_open(dir);
	}
	free(names[0]);
	free(names[1]);
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

/* Somebody may have stored the very bytes of a blob record as data before. */
static void a_record_known_as_data_is_still_a_blob_after_a_rebuild(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct buf bytes;
	struct blob_record record = { .digest = digest_of("a", 1), .size = 0 };
	size_t n[2] = { 0, 0 };
	struct digest *names[2] = { make_names(s, 0, 1), make_names(s, 0, 2) };
	bool found = false;
	buf_init(&bytes, 4096);
	blob_record_put(&bytes, &record);
	struct store_chunk c = { digest_of(buf_bytes(&bytes), buf_len(&bytes)), CHUNK_DATA,
		buf_bytes(&bytes), buf_len(&bytes) };
	assert_ok(store_put_chunks(s, &c, 1, &err), &err);
	put_blob(s, &record.digest, 0, names, n);
	assert_int_equal(fixture_stats(s).blobs, 1);
	store_close(s);
	unlink(fixture_path(dir, "index.db"));
	s = fixture_open(dir);
	assert_ok(store_blob_find(s, &c.name, NULL, &record, &found, &err), &err);
	assert_false(found);
	struct digest digest = digest_of("a", 1);
	assert_ok(store_blob_find(s, &digest, NULL, &record, &found, &err), &err);
	assert_true(found);
	blob_record_done(&record);
	buf_done(&bytes);
	free(names[0]);
	free(names[1]);
	store_close(s);
	fixture_remove(dir);
}

static void too_large_a_blob_is_refused(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct digest digest = digest_of("a", 1);
	struct digest *none = make_names(s, 0, 0);
	const struct digest *names[2] = { none, none };
	size_t zero[2] = { 0, 0 }, most = (size_t)BLOB_LISTS_MAX * LIST_NAMES_MAX;
	size_t one_more[2] = { most + 1, 0 }, both[2] = { most, 1 }, huge[2] = { 0, SIZE_MAX };
	assert_fails(store_blob_put(s, &digest, 1, names, one_more, &err), &err, ERR_LIMIT);
	assert_fails(store_blob_put(s, &digest, 1, names, both, &err), &err, ERR_LIMIT);
	assert_fails(store_blob_put(s, &digest, 1, names, huge, &err), &err, ERR_LIMIT);
	assert_fails(
		store_blob_put(s, &digest, BLOB_SIZE_MAX + 1, names, zero, &err), &err, ERR_LIMIT);
	assert_int_equal(fixture_stats(s).blobs, 0);
	free(none);
	store_close(s);
	fixture_remove(dir);
}

static void check_manifest_row(const char *dir, const char *name, int64_t from, int64_t to)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	assert_int_equal(sqlite3_open(fixture_path(dir, "index.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT kind, time FROM manifest WHERE name = ?1",
				 -1, &st, NULL),
		SQLITE_OK);
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "image");
	assert_in_range(sqlite3_column_int64(st, 1), from, to);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void a_manifest_is_in_the_catalogue_also_after_a_rebuild(void **state)
{
	(void)state;
	static const char name[] = "odd \"name\" \\ \xc3\xa4:latest";
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	int64_t before = time(NULL);
	assert_ok(store_manifest_put(s, "image", name, "{\"layers\": [1, 2]}\n", &err), &err);
	assert_ok(store_manifest_put(s, "image", "other", "{}", &err), &err);
	assert_ok(store_sync(s, &err), &err);
	assert_int_equal(fixture_stats(s).manifests, 2);
	for (int i = 0; i < 2; i++) {
		store_close(s);
		check_manifest_row(dir, name, before, time(NULL));
		unlink(fixture_path(dir, "index.db"));
		s = fixture_open(dir);
		assert_int_equal(fixture_stats(s).manifests, 2);
		assert_int_equal(fixture_stats(s).damaged, 0);
	}
	store_close(s);
	fixture_remove(dir);
}

static char *text_of(size_t n, const char *before, const char *after)
{
	size_t head = strlen(before), tail = strlen(after);
	char *text = calloc(1, n + 1);
	assert_non_null(text);
	memset(text, 'a', n);
	memcpy(text, before, head);
	memcpy(text + n - tail, after, tail);
	return text;
}

static void a_manifest_has_limits_and_must_be_an_object(void **state)
{
	(void)state;
	static const char *const wrong[] = { "", "[]", "1", "{", "{}x", "{\"a\":1,\"a\":2}",
		"{\"a\":\"\xff\"}" };
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_fails(
			store_manifest_put(s, "image", "a", wrong[i], &err), &err, ERR_PROTOCOL);
	assert_fails(store_manifest_put(s, "image", "\xff", "{}", &err), &err, ERR_PROTOCOL);
	char *largest = text_of(STORE_MANIFEST_MAX, "{\"", "\":1}");
	char *larger = text_of(STORE_MANIFEST_MAX + 1, "{\"", "\":1}");
	char *name = text_of(STORE_MANIFEST_NAME_MAX, "", "");
	char *longer = text_of(STORE_MANIFEST_NAME_MAX + 1, "", "");
	char *kind = text_of(STORE_MANIFEST_KIND_MAX + 1, "", "");
	assert_fails(store_manifest_put(s, "image", "a", larger, &err), &err, ERR_LIMIT);
	assert_fails(store_manifest_put(s, "image", longer, "{}", &err), &err, ERR_LIMIT);
	assert_fails(store_manifest_put(s, kind, "a", "{}", &err), &err, ERR_LIMIT);
	assert_int_equal(fixture_stats(s).manifests, 0);
	assert_ok(store_manifest_put(s, kind + 1, name, largest, &err), &err);
	assert_int_equal(fixture_stats(s).manifests, 1);
	free(largest);
	free(larger);
	free(name);
	free(longer);
	free(kind);
	store_close(s);
	fixture_remove(dir);
}

RUN_TESTS(TEST(a_blob_comes_back_with_its_lists), TEST(an_unknown_blob_is_not_found),
	TEST(the_same_blob_again_writes_nothing_and_another_record_replaces_it),
	TEST(a_record_known_as_data_is_still_a_blob_after_a_rebuild),
	TEST(too_large_a_blob_is_refused),
	TEST(a_manifest_is_in_the_catalogue_also_after_a_rebuild),
	TEST(a_manifest_has_limits_and_must_be_an_object))
