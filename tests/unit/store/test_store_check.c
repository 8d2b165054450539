/* A check finds every damage, says where, and leaves a store that can be mended by putting the same
 * again. Packs are small here: they are put together by hand. */
#include "common/store/check.h"
#include "common/store/pack.h"
#include "tests/unit/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACKS = 3, RECORDS = 6, CHUNKS = 3, LEN = 300, N = PACKS * RECORDS };

/* Records 1 to N, RECORDS in each pack, and behind them blob i, which is the first chunk of record
 * i, for each record. */
struct world {
	char *dir;
	uint64_t offsets[N + 1]; /* of the records, by number */
	uint64_t lengths[N + 1];
	struct store *s;
};

static uint32_t pack_of(uint64_t number)
{
	return (uint32_t)((number - 1) / RECORDS) + 1;
}

static char *pack_name(const char *dir, uint32_t pack)
{
	return pack_path(fixture_path(dir, "packs"), pack);
}

static struct digest blob_digest(uint64_t number)
{
	return sample_name(number, 0, LEN);
}

static void put_blob(struct store *s, uint64_t number)
{
	struct err err = { 0 };
	struct buf recipe;
	buf_init(&recipe, RECIPE_CHUNK_MAX);
	recipe_put(&recipe,
		&(struct recipe_op){
			.kind = OP_CHUNK, .name = sample_name(number, 0, LEN), .len = LEN });
	struct store_chunk c = { digest_of(buf_bytes(&recipe), buf_len(&recipe)), CHUNK_RECIPE,
		buf_bytes(&recipe), buf_len(&recipe) };
	assert_ok(store_put_chunks(s, &c, 1, &err), &err);
	const struct digest *names[2] = { &c.name, &c.name };
	size_t n[2] = { 1, 0 };
	struct digest digest = blob_digest(number);
	assert_ok(store_blob_put(s, &digest, LEN, names, n, &err), &err);
	buf_done(&recipe);
}

static bool has_blob(struct store *s, uint64_t number)
{
	struct err err = { 0 };
	struct blob_record record = { 0 };
	struct digest digest = blob_digest(number);
	bool found = false;
	assert_ok(store_blob_find(s, &digest, NULL, &record, &found, &err), &err);
	if (found)
		blob_record_done(&record);
	return found;
}

static void make_packs(struct world *w)
{
	struct err err = { 0 };
	mkdir(fixture_path(w->dir, "packs"), 0700);
	for (uint32_t i = 1; i <= PACKS; i++) {
		struct pack p;
		assert_ok(pack_create(fixture_path(w->dir, "packs"), i, &p, &err), &err);
		for (uint64_t k = (i - 1) * RECORDS + 1; k <= i * RECORDS; k++) {
			struct sample sample;
			sample_make(&sample, k, CHUNKS, LEN);
			w->offsets[k] = p.end;
			w->lengths[k] = buf_len(&sample.record);
			assert_ok(pack_append(&p, buf_bytes(&sample.record),
					  buf_len(&sample.record), &err),
				&err);
			sample_done(&sample);
		}
		pack_close(&p);
	}
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct err err = { 0 };
	assert_non_null(w);
	w->dir = fixture_quick_dir();
	make_packs(w);
	w->s = fixture_open(w->dir);
	for (uint64_t i = 1; i <= N; i++)
		put_blob(w->s, i);
	assert_ok(store_sync(w->s, &err), &err);
	for (uint64_t i = 1; i <= N; i++)
		assert_true(has_blob(w->s, i));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	store_close(w->s);
	fixture_remove(w->dir);
	free(w);
	return 0;
}

static void flip(struct world *w, uint32_t pack, uint64_t at, uint8_t mask)
{
	char *path = pack_name(w->dir, pack);
	fixture_flip(path, at, mask);
	free(path);
}

/* --- checking --- */

struct outcome {
	struct store_check_report report;
	size_t problems;
	char text[16][256]; /* the first ones */
};

static void on_problem(void *ctx, const char *text)
{
	struct outcome *o = ctx;
	if (o->problems < ARRAY_LEN(o->text))
		snprintf(o->text[o->problems], sizeof o->text[0], "%s", text);
	o->problems++;
}

static struct outcome check(struct store *s, bool read_data)
{
	struct outcome o = { 0 };
	struct err err = { 0 };
	struct store_check *c = store_check_new(s, read_data, &err);
	assert_non_null(c);
	for (bool done = false; !done;)
		assert_ok(store_check_step(c, on_problem, &o, &done, &err), &err);
	o.report = *store_check_report(c);
	store_check_free(c);
	return o;
}

static void is_clean(struct store *s, bool read_data)
{
	struct outcome o = check(s, read_data);
	if (o.problems > 0)
		fail_msg("%s", o.text[0]);
	assert_int_equal(o.report.damaged_segments, 0);
	assert_int_equal(o.report.damaged_chunks, 0);
	assert_int_equal(o.report.damaged_blobs, 0);
}

/* All records but `lost` read back right, and of that one nothing is found. */
static void all_but(struct world *w, uint64_t lost)
{
	struct store_reader *r = fixture_reader(w->dir);
	for (uint64_t i = 1; i <= N; i++)
		if (i == lost)
			assert_int_equal(sample_count(w->s, i, CHUNKS, LEN), 0);
		else
			sample_check(w->s, r, i, CHUNKS, LEN);
	store_reader_free(r);
}

static void mend(struct world *w, uint64_t number)
{
	sample_put(w->s, number, CHUNKS, LEN);
	put_blob(w->s, number);
	assert_true(has_blob(w->s, number));
	is_clean(w->s, true);
	all_but(w, 0);
}

/* --- the tests --- */

static void a_sound_store_is_clean_and_counted(void **state)
{
	struct world *w = *state;
	for (int read_data = 0; read_data < 2; read_data++) {
		struct outcome o = check(w->s, read_data);
		struct store_stats stats = fixture_stats(w->s);
		assert_int_equal(o.problems, 0);
		assert_int_equal(o.report.packs, PACKS);
		assert_int_equal(o.report.blobs, N);
		assert_int_equal(o.report.chunks, stats.chunks);
		assert_int_equal(o.report.segments, N + 2 * N);
		assert_int_equal(o.report.bytes, stats.stored_bytes - PACKS * PACK_HEAD_LEN);
		assert_int_equal(o.report.bytes_total, stats.stored_bytes);
	}
}

static uint64_t random_below(uint64_t *seed, uint64_t n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*seed >> 33) % n;
}

/* One bit anywhere in a record: the check finds that record and its blob, nothing else; what is
 * left is right; the same record put again mends it, and an index made anew says the same. */
static void every_flipped_bit_is_found_and_mended_by_putting_again(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	uint64_t seed = 20261124;
	for (int round = 0; round < 300; round++) {
		uint64_t k = 1 + random_below(&seed, N);
		uint64_t at = w->offsets[k] + random_below(&seed, w->lengths[k]);
		uint8_t mask = (uint8_t)(1u << random_below(&seed, 8));
		flip(w, pack_of(k), at, mask);
		struct outcome o = check(w->s, true);
		assert_int_equal(o.report.damaged_segments, 1);
		assert_int_equal(o.report.damaged_chunks, CHUNKS);
		assert_int_equal(o.report.damaged_blobs, 1);
		assert_int_equal(o.problems, 2);
		char expected[80];
		snprintf(expected, sizeof expected, "pack %08u, record at %llu: damaged segment",
			pack_of(k), (unsigned long long)w->offsets[k]);
		assert_memory_equal(o.text[0], expected, strlen(expected));
		assert_non_null(strstr(o.text[0], "3 chunks count as missing"));
		assert_non_null(strstr(o.text[1], "cannot be rebuilt"));
		is_clean(w->s, round % 2);
		all_but(w, k);
		assert_false(has_blob(w->s, k));
		if (round % 3 == 0)
			assert_ok(store_rebuild_index(w->s, &err), &err);
		if (round % 3 == 1) {
			store_close(w->s);
			w->s = fixture_open(w->dir);
		}
		all_but(w, k);
		assert_false(has_blob(w->s, k));
		mend(w, k);
		tear_down(state);
		set_up(state);
		w = *state;
	}
}

static void without_reading_data_heads_are_looked_at_only(void **state)
{
	struct world *w = *state;
	flip(w, 1, w->offsets[2] + w->lengths[2] - 1, 1);
	is_clean(w->s, false);
	flip(w, 2, w->offsets[8] + SEGMENT_HEAD_LEN, 1); /* in the first chunk's name */
	struct outcome o = check(w->s, false);
	assert_int_equal(o.report.damaged_segments, 1);
	assert_int_equal(o.report.damaged_chunks, CHUNKS);
	assert_int_equal(sample_count(w->s, 2, CHUNKS, LEN), CHUNKS);
	assert_int_equal(sample_count(w->s, 8, CHUNKS, LEN), 0);
}

/* The step that finds it ends in the middle of the pack. */
static void on_problem_slowly(void *ctx, const char *text)
{
	on_problem(ctx, text);
	usleep(60000);
}

static void what_is_given_up_between_two_steps_is_no_damage(void **state)
{
	struct world *w = *state;
	struct outcome o = { 0 };
	struct err err = { 0 };
	uint64_t gone = 0;
	bool done = false;
	flip(w, 1, w->offsets[2] + 100, 1);
	struct store_check *c = store_check_new(w->s, true, &err);
	assert_non_null(c);
	assert_ok(store_check_step(c, on_problem_slowly, &o, &done, &err), &err);
	assert_false(done);
	assert_int_equal(o.problems, 1);
	assert_ok(store_give_up_oldest(w->s, &gone, &err), &err);
	assert_true(gone > 0);
	assert_int_equal(sample_count(w->s, 1, CHUNKS, LEN), 0);
	while (!done)
		assert_ok(store_check_step(c, on_problem, &o, &done, &err), &err);
	assert_int_equal(o.problems, 1);
	assert_int_equal(store_check_report(c)->damaged_segments, 1);
	assert_int_equal(store_check_report(c)->damaged_blobs, 0);
	assert_int_equal(store_check_report(c)->packs, PACKS - 1);
	store_check_free(c);
	is_clean(w->s, true);
}

RUN_TESTS(TEST_WITH(a_sound_store_is_clean_and_counted, set_up, tear_down),
	TEST_WITH(every_flipped_bit_is_found_and_mended_by_putting_again, set_up, tear_down),
	TEST_WITH(what_is_given_up_between_two_steps_is_no_damage, set_up, tear_down),
	TEST_WITH(without_reading_data_heads_are_looked_at_only, set_up, tear_down))
