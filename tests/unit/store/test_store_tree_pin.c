/* What a blob or a recipe chunk rests on: pinned as a whole, missed as a whole. */
#include "tests/unit/store/store_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARTS = 3, LEN = 65536, FILLERS = 64, PACK_BYTES = 4 << 20 };
#define CACHE ((uint64_t)3 * PACK_BYTES + PACK_BYTES / 2) /* three packs */

/* A blob of one recipe chunk that names PARTS chunks, each in a pack of its own: pack 1 to 3; the
 * recipe and the records of the blob are in pack 4. */
struct spread {
	char *dir;
	struct store *s;
	struct err err;
	struct digest blob, recipe;
	uint64_t fill; /* of the next chunk that only takes room */
};

static void put_chunk(struct spread *w, uint64_t number)
{
	sample_put(w->s, number, 1, LEN);
}

/* Fills the pack at hand up. */
static void fill_pack(struct spread *w)
{
	uint64_t packs = fixture_stats(w->s).packs;
	do {
		put_chunk(w, w->fill);
		w->fill += 2;
	} while (fixture_stats(w->s).packs == packs);
	assert_ok(store_sync(w->s, &w->err), &w->err);
	usleep(2000);
}

static void put_recipe(struct spread *w)
{
	struct buf recipe;
	buf_init(&recipe, RECIPE_CHUNK_MAX);
	for (uint64_t i = 0; i < PARTS; i++)
		recipe_put(&recipe, &(struct recipe_op){ .kind = OP_CHUNK,
					    .name = sample_name(2 * i + 1, 0, LEN),
					    .len = LEN });
	struct store_chunk c = { digest_of(buf_bytes(&recipe), buf_len(&recipe)), CHUNK_RECIPE,
		buf_bytes(&recipe), buf_len(&recipe) };
	w->recipe = c.name;
	assert_ok(store_put_chunks(w->s, &c, 1, &w->err), &w->err);
	buf_done(&recipe);
}

static void limit(struct store *s, uint64_t cache_max)
{
	store_set_limits(s, &(struct store_limits){ .cache_max = cache_max });
}

static int set_up(void **state)
{
	struct spread *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->dir = fixture_quick_dir();
	w->s = fixture_open(w->dir);
	w->fill = 1001;
	w->blob = digest_of("blob", 4);
	/* Packs of the smallest size, and nothing goes yet. */
	limit(w->s, 16 * PACK_BYTES);
	for (uint64_t i = 0; i < PARTS; i++) {
		put_chunk(w, 2 * i + 1);
		fill_pack(w);
	}
	put_recipe(w);
	const struct digest *names[2] = { &w->recipe, &w->recipe };
	size_t n[2] = { 1, 0 };
	assert_ok(store_blob_put(w->s, &w->blob, PARTS * LEN, names, n, &w->err), &w->err);
	assert_ok(store_sync(w->s, &w->err), &w->err);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct spread *w = *state;
	store_close(w->s);
	fixture_remove(w->dir);
	free(w);
	return 0;
}

static struct store_pin *begin(struct spread *w, const char *owner)
{
	struct digest name = digest_of(owner, strlen(owner));
	struct store_pin *pin = NULL;
	assert_ok(store_pin_begin(w->s, &name, &pin, &w->err), &w->err);
	return pin;
}

static bool has_tree(struct spread *w, struct store_pin *pin)
{
	bool has = false;
	assert_ok(store_has_tree(w->s, STREAM_MAIN, &w->recipe, pin, &has, &w->err), &w->err);
	return has;
}

static bool has_blob(struct spread *w, struct store_pin *pin)
{
	struct blob_record record;
	bool found = false;
	assert_ok(store_blob_find(w->s, &w->blob, pin, &record, &found, &w->err), &w->err);
	if (found)
		blob_record_done(&record);
	return found;
}

static size_t parts(struct spread *w)
{
	size_t n = 0;
	for (uint64_t i = 0; i < PARTS; i++)
		n += sample_count(w->s, 2 * i + 1, 1, LEN);
	return n;
}

/* Everything that may go goes. */
static void press(struct spread *w)
{
	limit(w->s, PACK_BYTES);
	for (int i = 0; i < 3; i++)
		fill_pack(w);
}

static void a_tree_is_pinned_with_all_that_it_names(void **state)
{
	struct spread *w = *state;
	struct store_pin *pin = begin(w, "job");
	assert_true(has_tree(w, pin));
	press(w);
	assert_int_equal(parts(w), PARTS);
	assert_true(has_tree(w, NULL));
	store_pin_end(w->s, pin, true);
	assert_int_equal(parts(w), 0);
	assert_false(has_tree(w, NULL));
}

static void a_tree_asked_for_again_by_another_job_is_pinned_for_that_too(void **state)
{
	struct spread *w = *state;
	assert_true(has_tree(w, NULL));
	struct store_pin *first = begin(w, "first");
	assert_true(has_tree(w, first));
	struct store_pin *second = begin(w, "second");
	assert_true(has_tree(w, second));
	assert_true(has_tree(w, second));
	store_pin_end(w->s, first, true);
	press(w);
	assert_int_equal(parts(w), PARTS);
	store_pin_end(w->s, second, true);
	assert_int_equal(parts(w), 0);
}

static void a_blob_is_pinned_with_all_that_it_needs(void **state)
{
	struct spread *w = *state;
	for (int opening = 0; opening < 2; opening++) {
		struct store_pin *pin = begin(w, "job");
		assert_true(has_blob(w, pin));
		press(w);
		assert_int_equal(parts(w), PARTS);
		assert_true(has_blob(w, pin));
		/* Once more with an index that does not know any more what the blob needs. */
		store_close(w->s);
		if (opening == 0)
			unlink(fixture_path(w->dir, "index.db"));
		w->s = fixture_open(w->dir);
		limit(w->s, 16 * PACK_BYTES);
	}
}

static void a_blob_that_lost_a_part_is_not_found_until_that_comes_again(void **state)
{
	struct spread *w = *state;
	struct store_pin *pin = begin(w, "job");
	assert_true(has_tree(w, pin)); /* but not the blob's record, in pack 4 */
	store_pin_end(w->s, pin, false);
	assert_true(has_blob(w, NULL));
	/* The first pack goes, as if it were the longest unused of all. */
	uint64_t gone = 0;
	pin = begin(w, "job");
	store_pin_end(w->s, pin, true);
	limit(w->s, 16 * PACK_BYTES);
	pin = begin(w, "other");
	for (uint64_t i = 1; i < PARTS; i++) {
		struct digest name = sample_name(2 * i + 1, 0, LEN);
		struct store_place at;
		bool found;
		assert_ok(store_find(w->s, &name, pin, &at, &found, &w->err), &w->err);
		assert_true(found);
	}
	assert_ok(store_give_up_oldest(w->s, &gone, &w->err), &w->err);
	assert_true(gone >= PACK_BYTES);
	assert_int_equal(parts(w), PARTS - 1);
	assert_false(has_blob(w, NULL));
	assert_false(has_tree(w, NULL));
	assert_int_equal(fixture_stats(w->s).blobs, 1);
	put_chunk(w, 1);
	assert_true(has_tree(w, NULL));
	assert_true(has_blob(w, pin));
	store_pin_end(w->s, pin, true);
}

static void a_blob_whose_record_is_gone_is_gone(void **state)
{
	struct spread *w = *state;
	uint64_t gone;
	assert_ok(store_sync(w->s, &w->err), &w->err);
	fill_pack(w);
	struct store_pin *pin = begin(w, "job");
	for (uint64_t i = 0; i < PARTS; i++) {
		struct digest name = sample_name(2 * i + 1, 0, LEN);
		struct store_place at;
		bool found;
		assert_ok(store_find(w->s, &name, pin, &at, &found, &w->err), &w->err);
	}
	assert_ok(store_give_up_oldest(w->s, &gone, &w->err), &w->err);
	assert_int_equal(parts(w), PARTS);
	assert_false(has_blob(w, NULL));
	assert_int_equal(fixture_stats(w->s).blobs, 0);
	store_pin_end(w->s, pin, true);
}

#define WITH(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(WITH(a_tree_is_pinned_with_all_that_it_names),
	WITH(a_tree_asked_for_again_by_another_job_is_pinned_for_that_too),
	WITH(a_blob_is_pinned_with_all_that_it_needs),
	WITH(a_blob_that_lost_a_part_is_not_found_until_that_comes_again),
	WITH(a_blob_whose_record_is_gone_is_gone))
