#include "client/push/fanout.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAYERS 3
#define LAYER_BYTES (3u << 20)
#define LARGE_BYTES (14u << 20)
#define SMALL_WINDOW (8u << 20)
#define AMPLE_WINDOW (64u << 20)

struct layer {
	uint8_t *bytes;
	size_t n;
	struct digest digest;
};

/* A reading of three layers, by this thread or by one of its own. */
struct world {
	struct layer layers[LAYERS];
	struct digest digests[LAYERS];
	struct fanout *fanout;
	pthread_t thread;
	int result;
	struct err err;
};

static void no_wake(void *ctx)
{
	(void)ctx;
}

static void make_layer(struct layer *l, size_t n, unsigned seed)
{
	uint64_t x = 0x9e3779b97f4a7c15u + seed;

	l->bytes = malloc(n);
	assert_non_null(l->bytes);
	l->n = n;
	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		l->bytes[i] = (uint8_t)(x >> 56);
	}
	l->digest = digest_of(l->bytes, n);
}

static struct world *world_new(size_t layer_bytes, uint64_t window)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	for (unsigned i = 0; i < LAYERS; i++) {
		make_layer(&w->layers[i], layer_bytes, i);
		w->digests[i] = w->layers[i].digest;
	}
	w->fanout = fanout_new(window, no_wake, NULL, &w->err);
	assert_non_null(w->fanout);
	return w;
}

static void world_free(struct world *w)
{
	fanout_free(w->fanout);
	for (unsigned i = 0; i < LAYERS; i++)
		free(w->layers[i].bytes);
	free(w);
}

/* A taker of the layers from `first` on. */
static struct taker *join(struct world *w, unsigned first, size_t n, bool config)
{
	struct taker_wants wants = {
		.layers = &w->digests[first], .n_layers = n, .config = config
	};
	struct taker *t;

	assert_ok(fanout_join(w->fanout, &wants, &t, &w->err), &w->err);
	return t;
}

static void open_fanout(struct world *w)
{
	assert_ok(fanout_open(w->fanout, &w->err), &w->err);
}

/* What the save's thread does. */
static void *read_layers(void *arg)
{
	struct world *w = arg;
	struct source *s = fanout_source(w->fanout);
	const struct engine_save_sink *sink = &source_sink;

	for (unsigned i = 0; i < LAYERS && w->result == 0; i++) {
		const struct layer *l = &w->layers[i];

		if (!sink->wants(s, &l->digest))
			continue;
		w->result = sink->layer(s, &l->digest, l->n, &w->err);
		for (size_t at = 0; at < l->n && w->result == 0; at += 65536)
			w->result = sink->bytes(
				s, l->bytes + at, l->n - at < 65536 ? l->n - at : 65536, &w->err);
		if (w->result == 0)
			w->result = sink->layer_end(s, &w->err);
	}
	return NULL;
}

static void pull(struct world *w)
{
	assert_ok(fanout_pull(w->fanout, &w->err), &w->err);
}

/* Takes all that is there and lets go of it; returns how many blobs ended in it. What came of the
 * main stream is counted in *ret_span. */
static unsigned take_all(struct taker *t, uint64_t *ret_span)
{
	struct source_item *i;
	unsigned ended = 0;

	while ((i = taker_take(t))) {
		if (i->kind == SOURCE_BATCH && i->batch->stream == STREAM_MAIN)
			*ret_span += i->batch->span;
		ended += i->kind == SOURCE_END;
		source_item_free(i);
	}
	return ended;
}

static void each_taker_gets_the_layers_that_it_wants(void **state)
{
	struct world *w = world_new(LAYER_BYTES, AMPLE_WINDOW);
	struct taker *all = join(w, 0, 3, false), *two = join(w, 1, 2, false),
		     *one = join(w, 0, 1, false);
	uint64_t span = 0;

	(void)state;
	open_fanout(w);
	read_layers(w);
	assert_ok(w->result, &w->err);
	pull(w);
	assert_int_equal(take_all(all, &span), 3);
	assert_int_equal(span, 3 * LAYER_BYTES);
	span = 0;
	assert_int_equal(take_all(two, &span), 2);
	assert_int_equal(span, 2 * LAYER_BYTES);
	span = 0;
	assert_int_equal(take_all(one, &span), 1);
	assert_int_equal(span, LAYER_BYTES);
	assert_null(taker_take(one));
	taker_leave(all);
	taker_leave(two);
	taker_leave(one);
	world_free(w);
}

static void takers_see_the_same_bytes(void **state)
{
	struct world *w = world_new(LAYER_BYTES, AMPLE_WINDOW);
	struct taker *a = join(w, 0, 1, false), *b = join(w, 0, 1, false);
	struct source_item *i, *k;
	unsigned batches = 0;

	(void)state;
	open_fanout(w);
	read_layers(w);
	pull(w);
	while ((i = taker_take(a))) {
		k = taker_take(b);
		assert_non_null(k);
		assert_int_equal(i->kind, k->kind);
		if (i->kind == SOURCE_BATCH) {
			batches++;
			assert_true(digest_equal(&i->batch->name, &k->batch->name));
			assert_int_equal(i->batch->data_len, k->batch->data_len);
			source_item_free(i); /* the other one's stays good */
			for (size_t c = 0; c < k->batch->n_chunks; c++) {
				const struct batch_chunk *chunk = &k->batch->chunks[c];
				struct digest d = digest_of(
					k->batch->data + chunk->offset, chunk->len);

				assert_true(digest_equal(&d, &chunk->name));
			}
		} else {
			source_item_free(i);
		}
		source_item_free(k);
	}
	assert_true(batches > 1);
	taker_leave(a);
	taker_leave(b);
	world_free(w);
}

static void the_config_goes_to_who_wants_it(void **state)
{
	struct world *w = world_new(LAYER_BYTES, AMPLE_WINDOW);
	struct taker *with = join(w, 0, 0, true), *without = join(w, 0, 1, false);
	uint64_t span = 0;

	(void)state;
	open_fanout(w);
	assert_true(source_wants_config(fanout_source(w->fanout)));
	assert_ok(source_give_config(fanout_source(w->fanout), "{}", 2, &w->err), &w->err);
	pull(w);
	assert_int_equal(take_all(with, &span), 1);
	assert_int_equal(span, 2);
	assert_null(taker_take(without));
	taker_leave(with);
	taker_leave(without);
	world_free(w);
}

static void what_is_held_is_counted_until_it_is_let_go(void **state)
{
	struct world *w = world_new(LAYER_BYTES, AMPLE_WINDOW);
	struct taker *a = join(w, 0, 1, false), *b = join(w, 0, 1, false);
	uint64_t span = 0, held;

	(void)state;
	open_fanout(w);
	read_layers(w);
	pull(w);
	held = taker_held(a);
	assert_true(held >= LAYER_BYTES);
	assert_int_equal(taker_held(b), held);
	take_all(a, &span);
	assert_int_equal(taker_held(a), 0);
	assert_int_equal(taker_held(b), held);
	taker_leave(b);
	taker_leave(a);
	world_free(w);
}

/* The first batch that comes, out of its item. */
static struct batch *take_batch(struct taker *t)
{
	struct batch *b = NULL;

	while (!b) {
		struct source_item *i = taker_take(t);

		assert_non_null(i);
		b = i->batch;
		i->batch = NULL;
		source_item_free(i);
	}
	return b;
}

/* As when a push ends while its packer is at work. */
static void batches_outlive_their_taker_and_the_reading(void **state)
{
	struct world *w = world_new(LAYER_BYTES, AMPLE_WINDOW);
	struct taker *t = join(w, 0, 1, false);
	struct batch *b;
	struct digest d;

	(void)state;
	open_fanout(w);
	read_layers(w);
	pull(w);
	b = take_batch(t);
	taker_leave(t);
	world_free(w);
	d = digest_of(b->data + b->chunks[0].offset, b->chunks[0].len);
	assert_true(digest_equal(&d, &b->chunks[0].name));
	batch_free(b);
}

/* --- who falls behind --- */

static void start_reading(struct world *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, read_layers, w), 0);
}

/* The fast one takes all that comes until nothing more does. */
static uint64_t run_until_stuck(struct world *w, struct taker *fast, const struct taker *slow)
{
	uint64_t span = 0, held;
	unsigned quiet = 0;

	do {
		held = taker_held(slow);
		usleep(20000);
		pull(w);
		take_all(fast, &span);
		quiet = taker_held(slow) == held ? quiet + 1 : 0;
	} while (quiet < 15);
	return span;
}

static void who_keeps_the_window_full_for_five_seconds_is_to_leave(void **state)
{
	struct world *w = world_new(LARGE_BYTES, SMALL_WINDOW);
	struct taker *fast = join(w, 0, 3, false), *slow = join(w, 0, 3, false);
	uint64_t span;

	(void)state;
	open_fanout(w);
	start_reading(w);
	span = run_until_stuck(w, fast, slow);
	assert_true(span < LARGE_BYTES);
	assert_true(taker_held(slow) >= SMALL_WINDOW - LAG_BYTES_LEAST);
	assert_null(fanout_laggard(w->fanout, 1000));
	assert_null(fanout_laggard(w->fanout, 1000 + LAG_MS_MAX - 1));
	assert_ptr_equal(fanout_laggard(w->fanout, 1000 + LAG_MS_MAX), slow);
	taker_leave(slow);
	assert_null(fanout_laggard(w->fanout, 1000 + LAG_MS_MAX));
	/* Now the rest comes. */
	while (span < 3 * (uint64_t)LARGE_BYTES) {
		usleep(1000);
		pull(w);
		take_all(fast, &span);
	}
	pthread_join(w->thread, NULL);
	assert_ok(w->result, &w->err);
	taker_leave(fast);
	world_free(w);
}

static void who_is_alone_or_as_slow_as_all_others_stays(void **state)
{
	struct world *w = world_new(LARGE_BYTES, SMALL_WINDOW);
	struct taker *a = join(w, 0, 3, false), *b = join(w, 0, 3, false);
	uint64_t span = 0;

	(void)state;
	open_fanout(w);
	start_reading(w);
	usleep(500000);
	pull(w);
	for (uint64_t now = 1; now < 60000; now += 1000)
		assert_null(fanout_laggard(w->fanout, now));
	taker_leave(b);
	for (uint64_t now = 60000; now < 120000; now += 1000)
		assert_null(fanout_laggard(w->fanout, now));
	while (span < 3 * (uint64_t)LARGE_BYTES) {
		usleep(1000);
		pull(w);
		take_all(a, &span);
	}
	pthread_join(w->thread, NULL);
	taker_leave(a);
	world_free(w);
}

static void who_is_64_mib_behind_is_to_leave_at_once(void **state)
{
	struct world *w = world_new((size_t)LAG_BYTES_MAX / 3 + (1u << 20), LAG_BYTES_MAX * 2ull);
	struct taker *fast = join(w, 0, 3, false), *slow = join(w, 0, 3, false);
	uint64_t span = 0;

	(void)state;
	open_fanout(w);
	read_layers(w);
	pull(w);
	assert_null(fanout_laggard(w->fanout, 1));
	take_all(fast, &span);
	assert_ptr_equal(fanout_laggard(w->fanout, 1), slow);
	taker_leave(slow);
	taker_leave(fast);
	world_free(w);
}

static void a_reading_that_is_stopped_ends_where_it_waits(void **state)
{
	struct world *w = world_new(LARGE_BYTES, SMALL_WINDOW);
	struct taker *t = join(w, 0, 3, false);

	(void)state;
	open_fanout(w);
	start_reading(w);
	usleep(100000);
	pull(w);
	taker_leave(t);
	source_stop(fanout_source(w->fanout));
	pthread_join(w->thread, NULL);
	assert_int_equal(w->result, -1);
	assert_int_equal(w->err.code, ERR_INTERRUPTED);
	world_free(w);
}

RUN_TESTS(TEST(each_taker_gets_the_layers_that_it_wants), TEST(takers_see_the_same_bytes),
	TEST(the_config_goes_to_who_wants_it), TEST(what_is_held_is_counted_until_it_is_let_go),
	TEST(batches_outlive_their_taker_and_the_reading),
	TEST(who_keeps_the_window_full_for_five_seconds_is_to_leave),
	TEST(who_is_alone_or_as_slow_as_all_others_stays),
	TEST(who_is_64_mib_behind_is_to_leave_at_once),
	TEST(a_reading_that_is_stopped_ends_where_it_waits))
