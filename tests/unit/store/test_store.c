#include "tests/unit/store/store_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void the_first_opening_makes_the_layout(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	const char *domain = fixture_path(dir, "a/b");
	struct store *s = fixture_open(domain);
	struct stat st;
	assert_int_equal(stat(domain, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(access(fixture_path(domain, "packs"), F_OK), 0);
	assert_int_equal(access(fixture_path(domain, "index.db"), F_OK), 0);
	assert_int_equal(fixture_stats(s).chunks, 0);
	assert_int_equal(fixture_stats(s).packs, 0);
	store_close(s);
	store_close(NULL);
	fixture_remove(dir);
}

static void one_process_has_it_at_a_time(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir), *second = NULL;
	struct err err = { 0 };
	assert_fails(store_open(dir, &second, &err), &err, ERR_REFUSED);
	store_close(s);
	assert_ok(store_open(dir, &second, &err), &err);
	store_close(second);
	fixture_remove(dir);
}

static void chunks_are_found_at_once_and_after_reopening(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	struct err err = { 0 };
	assert_int_equal(sample_count(s, 1, 3, 100), 0);
	assert_ok(store_sync(s, &err), &err); /* nothing to sync */
	sample_put(s, 1, 3, 100);
	assert_true(store_unsynced(s) > 300);
	sample_check(s, r, 1, 3, 100);
	sample_put(s, 2, 1, SEGMENT_RAW_MAX);
	assert_ok(store_sync(s, &err), &err);
	assert_int_equal(store_unsynced(s), 0);
	sample_put(s, 3, 1, 1);
	sample_check(s, r, 3, 1, 1);
	store_close(s);
	s = fixture_open(dir);
	for (uint64_t i = 1; i <= 3; i++)
		sample_check(s, r, i, i == 1 ? 3 : 1, i == 1 ? 100 : i == 2 ? SEGMENT_RAW_MAX : 1);
	assert_int_equal(fixture_stats(s).chunks, 5);
	assert_int_equal(fixture_stats(s).raw_bytes, 300 + SEGMENT_RAW_MAX + 1);
	assert_int_equal(
		fixture_stats(s).stored_bytes, fixture_size(fixture_path(dir, FIXTURE_PACK1)));
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

static void short_names_are_answered(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	bool has = true;
	struct digest name = sample_name(1, 0, 10);
	assert_ok(store_has_short(s, digest_short(&name), NULL, &has, &err), &err);
	assert_false(has);
	sample_put(s, 1, 2, 10);
	assert_ok(store_has_short(s, digest_short(&name), NULL, &has, &err), &err);
	assert_true(has);
	assert_ok(store_has_short(s, digest_short(&name) + 1, NULL, &has, &err), &err);
	assert_false(has);
	store_close(s);
	fixture_remove(dir);
}

static void a_record_without_a_new_name_is_not_written(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	sample_put(s, 1, 3, 100);
	uint64_t size = fixture_stats(s).stored_bytes;
	sample_put(s, 1, 3, 100);
	sample_put(s, 1, 2, 100);
	assert_int_equal(fixture_stats(s).stored_bytes, size);
	assert_int_equal(fixture_size(fixture_path(dir, FIXTURE_PACK1)), size);
	store_close(s);
	fixture_remove(dir);
}

static void a_known_name_keeps_its_old_place(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct digest name = sample_name(1, 0, 100);
	struct store_place before, after;
	bool found = false;
	sample_put(s, 1, 2, 100);
	assert_ok(store_find(s, &name, NULL, &before, &found, &err), &err);
	sample_put(s, 1, 3, 100); /* two known, one new */
	for (int i = 0; i < 2; i++) {
		assert_ok(store_find(s, &name, NULL, &after, &found, &err), &err);
		assert_true(found);
		assert_int_equal(after.record_offset, before.record_offset);
		assert_int_equal(sample_count(s, 1, 3, 100), 3);
		assert_int_equal(fixture_stats(s).chunks, 3);
		assert_int_equal(fixture_stats(s).raw_bytes, 300);
		store_close(s);
		unlink(fixture_path(dir, "index.db"));
		s = fixture_open(dir);
	}
	store_close(s);
	fixture_remove(dir);
}

static void a_full_pack_is_followed_by_the_next(void **state)
{
	(void)state;
	enum { N = 66 };
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	struct err err = { 0 };
	for (uint64_t i = 0; i < N; i++)
		sample_put(s, 2 * i + 1, 1, SEGMENT_RAW_MAX);
	assert_int_equal(fixture_stats(s).packs, 2);
	uint64_t first = fixture_size(fixture_path(dir, FIXTURE_PACK1));
	assert_true(first >= 64u << 20 && first < (64u << 20) + SEGMENT_RECORD_MAX);
	assert_ok(store_sync(s, &err), &err);
	store_close(s);
	s = fixture_open(dir);
	sample_put(s, 9999, 1, 10); /* goes on in the second pack */
	assert_int_equal(fixture_stats(s).packs, 2);
	for (uint64_t i = 0; i < N; i++)
		sample_check(s, r, 2 * i + 1, 1, SEGMENT_RAW_MAX);
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

/* Makes a chunk of this kind out of the bytes and puts it. */
static struct digest put_one(struct store *s, enum chunk_kind kind, const void *bytes, size_t len)
{
	struct err err = { 0 };
	struct store_chunk c = { digest_of(bytes, len), kind, bytes, len };
	assert_ok(store_put_chunks(s, &c, 1, &err), &err);
	return c.name;
}

static void a_segment_of_chunks_has_its_limits(void **state)
{
	(void)state;
	static uint8_t bytes[SEGMENT_RAW_MAX + 1];
	static struct store_chunk many[SEGMENT_CHUNKS_MAX + 1];
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	assert_fails(store_put_chunks(s, many, 0, &err), &err, ERR_LIMIT);
	assert_fails(store_put_chunks(s, many, ARRAY_LEN(many), &err), &err, ERR_LIMIT);
	struct store_chunk c = { digest_of(bytes, sizeof bytes), CHUNK_DATA, bytes, sizeof bytes };
	assert_fails(store_put_chunks(s, &c, 1, &err), &err, ERR_LIMIT);
	put_one(s, CHUNK_DATA, bytes, SEGMENT_RAW_MAX);
	assert_int_equal(fixture_stats(s).chunks, 1);
	store_close(s);
	fixture_remove(dir);
}

static void blob_records_from_outside_are_refused(void **state)
{
	(void)state;
	static const enum chunk_kind kinds[] = { CHUNK_BLOB, CHUNK_MANIFEST };
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct segment_builder *b = segment_builder_new();
		struct segment seg;
		struct buf record;
		struct digest name = digest_of("x", 1);
		buf_init(&record, SEGMENT_RECORD_MAX);
		assert_ok(segment_builder_add(b, &name, kinds[i], "x", 1, &err), &err);
		assert_ok(segment_builder_seal(b, 0, &record, &err), &err);
		assert_ok(segment_parse(buf_bytes(&record), buf_len(&record), &seg, &err), &err);
		assert_fails(
			store_put(s, &seg, buf_bytes(&record), NULL, &err), &err, ERR_PROTOCOL);
		segment_done(&seg);
		buf_done(&record);
		segment_builder_free(b);
	}
	assert_int_equal(fixture_stats(s).chunks, 0);
	store_close(s);
	fixture_remove(dir);
}

static bool has_tree(struct store *s, enum recipe_stream stream, struct digest name)
{
	struct err err = { 0 };
	bool has = false;
	assert_ok(store_has_tree(s, stream, &name, NULL, &has, &err), &err);
	return has;
}

static void a_tree_is_there_when_all_that_it_names_is(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct buf recipe;
	buf_init(&recipe, RECIPE_CHUNK_MAX);
	recipe_put(&recipe, &(struct recipe_op){ .kind = OP_SKELETON, .len = 512 });
	recipe_put(&recipe, &(struct recipe_op){
				    .kind = OP_CHUNK, .name = sample_name(1, 0, 100), .len = 100 });
	recipe_put(&recipe,
		&(struct recipe_op){
			.kind = OP_RANGE, .name = sample_name(2, 0, 100), .offset = 5, .len = 7 });
	struct digest name = digest_of(buf_bytes(&recipe), buf_len(&recipe));
	assert_false(has_tree(s, STREAM_MAIN, name));
	put_one(s, CHUNK_RECIPE, buf_bytes(&recipe), buf_len(&recipe));
	assert_false(has_tree(s, STREAM_MAIN, name));
	sample_put(s, 1, 1, 100);
	assert_false(has_tree(s, STREAM_MAIN, name));
	sample_put(s, 2, 1, 100);
	assert_true(has_tree(s, STREAM_MAIN, name));
	assert_true(has_tree(s, STREAM_MAIN, name));	  /* from memory */
	assert_false(has_tree(s, STREAM_SKELETON, name)); /* a skeleton in the skeleton */
	store_close(s);
	s = fixture_open(dir);
	assert_true(has_tree(s, STREAM_MAIN, name));
	buf_done(&recipe);
	store_close(s);
	fixture_remove(dir);
}

static void what_is_no_recipe_is_no_tree(void **state)
{
	(void)state;
	static uint8_t zeros[RECIPE_CHUNK_MAX + 1];
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	assert_false(has_tree(s, STREAM_MAIN, (struct digest){ { 0 } }));
	assert_false(has_tree(s, STREAM_MAIN, put_one(s, CHUNK_DATA, "no recipe", 9)));
	assert_false(has_tree(s, STREAM_SKELETON, put_one(s, CHUNK_DATA, zeros, sizeof zeros)));
	store_close(s);
	fixture_remove(dir);
}

RUN_TESTS(TEST(the_first_opening_makes_the_layout), TEST(one_process_has_it_at_a_time),
	TEST(chunks_are_found_at_once_and_after_reopening), TEST(short_names_are_answered),
	TEST(a_record_without_a_new_name_is_not_written), TEST(a_known_name_keeps_its_old_place),
	TEST(a_full_pack_is_followed_by_the_next), TEST(a_segment_of_chunks_has_its_limits),
	TEST(blob_records_from_outside_are_refused),
	TEST(a_tree_is_there_when_all_that_it_names_is), TEST(what_is_no_recipe_is_no_tree))
