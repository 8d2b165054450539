/* Torn tails, damage in the middle, and an index that is gone, old or broken. */
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNKS = 2, LEN = 40 };

/* A store with the records 1..n, closed. Returns the pack's length before each record; `old_index`
 * gets a copy of the index from before the last one. */
static void make_store(const char *dir, uint64_t n, uint64_t offsets[], const char *old_index)
{
	struct err err = { 0 };
	struct store *s = fixture_open(dir);
	for (uint64_t i = 1; i <= n; i++) {
		if (i == n) {
			assert_ok(store_sync(s, &err), &err);
			store_close(s);
			fixture_copy(fixture_path(dir, "index.db"), old_index);
			s = fixture_open(dir);
		}
		sample_put(s, i, CHUNKS, LEN);
		offsets[i] = fixture_stats(s).stored_bytes;
	}
	assert_ok(store_sync(s, &err), &err);
	store_close(s);
}

/* What make_store left, brought back to be spoiled anew. */
static void restore(const char *dir, const char *index)
{
	fixture_copy(fixture_path(dir, "pack.good"), fixture_path(dir, FIXTURE_PACK1));
	if (index)
		fixture_copy(index, fixture_path(dir, "index.db"));
	else
		unlink(fixture_path(dir, "index.db"));
}

static void check_all_but(struct store *s, struct store_reader *r, uint64_t n, uint64_t lost)
{
	for (uint64_t i = 1; i <= n; i++)
		if (i == lost)
			assert_int_equal(sample_count(s, i, CHUNKS, LEN), 0);
		else
			sample_check(s, r, i, CHUNKS, LEN);
}

struct torn {
	char *dir, *full_index, *old_index, *index, *pack, *second_pack;
	uint64_t offsets[4];
};

static int set_up(void **state)
{
	struct torn *t = calloc(1, sizeof *t);
	assert_non_null(t);
	t->dir = fixture_quick_dir();
	t->full_index = strdup(fixture_path(t->dir, "index.full"));
	t->old_index = strdup(fixture_path(t->dir, "index.old"));
	t->index = strdup(fixture_path(t->dir, "index.db"));
	t->pack = strdup(fixture_path(t->dir, FIXTURE_PACK1));
	t->second_pack = strdup(fixture_path(t->dir, FIXTURE_PACK2));
	make_store(t->dir, 3, t->offsets, t->old_index);
	fixture_copy(fixture_path(t->dir, "index.db"), t->full_index);
	fixture_copy(t->pack, fixture_path(t->dir, "pack.good"));
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct torn *t = *state;
	fixture_remove(t->dir);
	free(t->full_index);
	free(t->old_index);
	free(t->index);
	free(t->pack);
	free(t->second_pack);
	free(t);
	return 0;
}

/* The last record is gone, the others are there, the pack is cut, and the record can be put. */
static void check_cut(struct torn *t)
{
	struct store *s = fixture_open(t->dir);
	struct store_reader *r = fixture_reader(t->dir);
	check_all_but(s, r, 3, 3);
	assert_int_equal(fixture_size(t->pack), t->offsets[2]);
	assert_int_equal(fixture_stats(s).damaged, 0);
	sample_put(s, 3, CHUNKS, LEN);
	check_all_but(s, r, 3, 0);
	assert_int_equal(fixture_size(t->pack), t->offsets[3]);
	store_reader_free(r);
	store_close(s);
}

static void a_tail_torn_at_any_byte_is_cut(void **state)
{
	struct torn *t = *state;
	const char *indexes[] = { t->full_index, t->old_index, NULL };
	for (size_t i = 0; i < ARRAY_LEN(indexes); i++)
		for (uint64_t at = t->offsets[2]; at < t->offsets[3]; at++) {
			restore(t->dir, indexes[i]);
			assert_int_equal(truncate(t->pack, (off_t)at), 0);
			check_cut(t);
		}
}

static void a_last_record_wrong_in_any_byte_is_cut(void **state)
{
	struct torn *t = *state;
	for (uint64_t at = t->offsets[2]; at < t->offsets[3]; at++) {
		restore(t->dir, t->old_index);
		fixture_flip(t->pack, at, 0x04);
		check_cut(t);
	}
}

static void a_tail_of_zeros_is_cut(void **state)
{
	struct torn *t = *state;
	restore(t->dir, t->old_index);
	assert_int_equal(truncate(t->pack, (off_t)t->offsets[2]), 0);
	assert_int_equal(truncate(t->pack, (off_t)t->offsets[2] + 100000), 0);
	check_cut(t);
}

static void damage_in_the_middle_costs_its_record_only(void **state)
{
	struct torn *t = *state;
	for (uint64_t at = t->offsets[1]; at < t->offsets[2]; at++) {
		restore(t->dir, NULL);
		fixture_flip(t->pack, at, 0x20);
		for (int opening = 0; opening < 2; opening++) {
			struct store *s = fixture_open(t->dir);
			struct store_reader *r = fixture_reader(t->dir);
			check_all_but(s, r, 3, 2);
			assert_int_equal(fixture_size(t->pack), t->offsets[3]);
			assert_int_equal(fixture_stats(s).damaged, 1);
			store_reader_free(r);
			store_close(s);
		}
	}
}

static void a_lost_record_can_be_put_again(void **state)
{
	struct torn *t = *state;
	restore(t->dir, NULL);
	fixture_flip(t->pack, t->offsets[1], 0x20);
	struct store *s = fixture_open(t->dir);
	struct store_reader *r = fixture_reader(t->dir);
	sample_put(s, 2, CHUNKS, LEN);
	check_all_but(s, r, 3, 0);
	store_close(s);
	unlink(t->index);
	s = fixture_open(t->dir);
	check_all_but(s, r, 3, 0);
	store_reader_free(r);
	store_close(s);
}

static void a_spoiled_head_of_the_pack_is_mended(void **state)
{
	struct torn *t = *state;
	for (int opening = 0; opening < 2; opening++) {
		restore(t->dir, NULL);
		if (opening == 0)
			fixture_flip(t->pack, 0, 0x20);
		struct store *s = fixture_open(t->dir);
		struct store_reader *r = fixture_reader(t->dir);
		check_all_but(s, r, 3, 0);
		assert_int_equal(fixture_stats(s).damaged, opening == 0 ? 1 : 0);
		store_reader_free(r);
		store_close(s);
	}
}

static void a_pack_torn_while_it_was_made_is_used(void **state)
{
	struct torn *t = *state;
	for (off_t size = 0; size <= 17; size++) {
		restore(t->dir, t->full_index);
		close(open(t->second_pack, O_CREAT | O_TRUNC | O_WRONLY, 0600));
		assert_int_equal(truncate(t->second_pack, size), 0); /* zeros */
		struct store *s = fixture_open(t->dir);
		struct store_reader *r = fixture_reader(t->dir);
		check_all_but(s, r, 3, 0);
		assert_int_equal(fixture_stats(s).damaged, 0);
		sample_put(s, 4, CHUNKS, LEN);
		store_close(s);
		s = fixture_open(t->dir);
		check_all_but(s, r, 4, 0);
		assert_int_equal(fixture_stats(s).packs, 2);
		store_reader_free(r);
		store_close(s);
	}
}

static void the_tail_of_an_earlier_pack_is_never_cut(void **state)
{
	struct torn *t = *state;
	struct store *s;
	restore(t->dir, NULL);
	fixture_copy(fixture_path(t->dir, "pack.good"), t->second_pack);
	assert_int_equal(truncate(t->pack, (off_t)t->offsets[3] - 1), 0);
	s = fixture_open(t->dir);
	assert_int_equal(fixture_size(t->pack), t->offsets[3] - 1);
	/* The second one has the first one's head. */
	assert_int_equal(fixture_stats(s).damaged, 2);
	assert_int_equal(sample_count(s, 3, CHUNKS, LEN), CHUNKS);
	store_close(s);
}

static void a_missing_pack_is_missing_in_the_index_too(void **state)
{
	struct torn *t = *state;
	restore(t->dir, t->full_index);
	unlink(t->pack);
	struct store *s = fixture_open(t->dir);
	assert_int_equal(fixture_stats(s).chunks, 0);
	assert_int_equal(sample_count(s, 1, CHUNKS, LEN), 0);
	sample_put(s, 1, CHUNKS, LEN);
	store_close(s);
}

static void a_pack_of_a_later_version_is_not_touched(void **state)
{
	struct torn *t = *state;
	struct err err = { 0 };
	struct store *s = NULL;
	restore(t->dir, NULL);
	fixture_flip(t->pack, 4, 2);
	assert_fails(store_open(t->dir, &s, &err), &err, ERR_FAILED);
	assert_int_equal(fixture_size(t->pack), t->offsets[3]);
}

/* Bytes that a peer stores can look like a record with names that are not theirs. When the record
 * around them is damaged, the search for the next one must not believe them. */
static void a_record_inside_a_damaged_one_is_not_believed(void **state)
{
	struct torn *t = *state;
	struct err err = { 0 };
	struct digest lie = digest_of("not these bytes", 15);
	struct segment_builder *b = segment_builder_new();
	struct buf inner;
	bool found = true;
	struct store_place at;
	buf_init(&inner, SEGMENT_RECORD_MAX);
	assert_ok(segment_builder_add(b, &lie, CHUNK_DATA, "these", 5, &err), &err);
	assert_ok(segment_builder_seal(b, 0, &inner, &err), &err);
	restore(t->dir, t->full_index);
	struct store *s = fixture_open(t->dir);
	struct store_chunk outer = { digest_of(buf_bytes(&inner), buf_len(&inner)), CHUNK_DATA,
		buf_bytes(&inner), buf_len(&inner) };
	assert_ok(store_put_chunks(s, &outer, 1, &err), &err);
	sample_put(s, 4, CHUNKS, LEN);
	store_close(s);
	fixture_flip(t->pack, t->offsets[3], 1);
	unlink(t->index);
	s = fixture_open(t->dir);
	assert_ok(store_find(s, &lie, NULL, &at, &found, &err), &err);
	assert_false(found);
	assert_int_equal(sample_count(s, 4, CHUNKS, LEN), CHUNKS);
	assert_int_equal(fixture_stats(s).damaged, 1);
	store_close(s);
	segment_builder_free(b);
	buf_done(&inner);
}

static void damage_takes_away_the_blobs_that_it_hit(void **state)
{
	struct torn *t = *state;
	struct err err = { 0 };
	struct buf recipe;
	restore(t->dir, t->full_index);
	struct store *s = fixture_open(t->dir);
	struct digest hit = digest_of("hit", 3), whole = digest_of("whole", 5);
	for (uint64_t i = 1; i <= 2; i++) {
		buf_init(&recipe, RECIPE_CHUNK_MAX);
		recipe_put(&recipe,
			&(struct recipe_op){
				.kind = OP_CHUNK, .name = sample_name(i, 0, LEN), .len = LEN });
		struct store_chunk c = { digest_of(buf_bytes(&recipe), buf_len(&recipe)),
			CHUNK_RECIPE, buf_bytes(&recipe), buf_len(&recipe) };
		assert_ok(store_put_chunks(s, &c, 1, &err), &err);
		const struct digest *names[2] = { &c.name, &c.name };
		size_t n[2] = { 1, 0 };
		assert_ok(store_blob_put(s, i == 2 ? &hit : &whole, LEN, names, n, &err), &err);
		buf_done(&recipe);
	}
	for (int round = 0; round < 3; round++) {
		struct blob_record record = { 0 };
		bool found = false;
		assert_ok(store_blob_find(s, &whole, NULL, &record, &found, &err), &err);
		assert_true(found);
		blob_record_done(&record);
		assert_ok(store_blob_find(s, &hit, NULL, &record, &found, &err), &err);
		assert_int_equal(found, round != 1);
		if (found)
			blob_record_done(&record);
		if (round == 0) {
			store_close(s);
			unlink(t->index);
			fixture_flip(t->pack, t->offsets[2] - 1, 1);
			s = fixture_open(t->dir);
		} else {
			sample_put(s, 2, CHUNKS, LEN);
		}
	}
	store_close(s);
}

static void a_broken_index_is_made_anew(void **state)
{
	struct torn *t = *state;
	static const uint64_t cuts[] = { 0, 1, 99, 100, 4095, 4096, 5000 };
	for (size_t i = 0; i < ARRAY_LEN(cuts) + 8; i++) {
		restore(t->dir, t->full_index);
		if (i < ARRAY_LEN(cuts))
			assert_int_equal(truncate(t->index, (off_t)cuts[i]), 0);
		else
			for (uint64_t at = i - ARRAY_LEN(cuts); at < fixture_size(t->index);
				at += 8)
				fixture_flip(t->index, at, 0xa5);
		struct store *s = fixture_open(t->dir);
		struct store_reader *r = fixture_reader(t->dir);
		check_all_but(s, r, 3, 0);
		assert_int_equal(fixture_stats(s).chunks, 3 * CHUNKS);
		store_reader_free(r);
		store_close(s);
	}
}

#define T(name) TEST_WITH(name, set_up, tear_down)
RUN_TESTS(T(a_tail_torn_at_any_byte_is_cut), T(a_last_record_wrong_in_any_byte_is_cut),
	T(a_tail_of_zeros_is_cut), T(damage_in_the_middle_costs_its_record_only),
	T(a_lost_record_can_be_put_again), T(a_spoiled_head_of_the_pack_is_mended),
	T(a_pack_torn_while_it_was_made_is_used), T(the_tail_of_an_earlier_pack_is_never_cut),
	T(a_missing_pack_is_missing_in_the_index_too), T(a_pack_of_a_later_version_is_not_touched),
	T(a_record_inside_a_damaged_one_is_not_believed),
	T(damage_takes_away_the_blobs_that_it_hit), T(a_broken_index_is_made_anew))
