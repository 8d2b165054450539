/* Blobs are rebuilt from a real store while their chunks arrive: what comes out, what is waited
 * for, and what is said when something is missing or wrong. */
#include "server/image/rebuild.h"

#include "common/cargo/docker_archive.h"
#include "common/chunk/splitter.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <pthread.h>

#define FILES 40
#define BATCHES_MAX 64

struct world {
	char *dir;
	uv_loop_t loop;
	struct depot *depot;
	struct depot_domain *domain;
	struct rebuild *rebuild;
	struct buf tar; /* the blob */
	struct digest digest;
	struct batch *batches[BATCHES_MAX];
	size_t n_batches;
	struct buf got; /* what the rebuild gave */
	struct rebuild_item *end;
	struct err err;
};

static int keep_batch(void *ctx, struct batch *b, struct err *err)
{
	struct world *w = ctx;

	(void)err;
	assert_true(w->n_batches < BATCHES_MAX);
	w->batches[w->n_batches++] = b;
	return 0;
}

/* A tar of files of all kinds of sizes, the same at every call. */
static void make_tar(struct world *w)
{
	uint32_t seed = 7;

	buf_init(&w->tar, 64 << 20);
	for (unsigned i = 0; i < FILES; i++) {
		size_t size = i * i * 211;
		uint8_t header[DOCKER_ARCHIVE_BLOCK];
		char name[32];

		snprintf(name, sizeof(name), "file-%u", i);
		docker_archive_header(header, name, size);
		buf_append(&w->tar, header, sizeof(header));
		for (size_t k = 0; k < size; k++) {
			seed = seed * 1664525 + 1013904223;
			buf_u8(&w->tar, (uint8_t)(seed >> 24));
		}
		while (buf_len(&w->tar) % DOCKER_ARCHIVE_BLOCK)
			buf_u8(&w->tar, 0);
	}
	for (unsigned i = 0; i < 2 * DOCKER_ARCHIVE_BLOCK; i++)
		buf_u8(&w->tar, 0);
	assert_true(buf_ok(&w->tar));
}

static void wake(void *ctx)
{
	(void)ctx;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct splitter *s = splitter_new(true, keep_batch, w);
	uint64_t size;

	w->dir = temp_dir_make();
	buf_init(&w->got, 64 << 20);
	make_tar(w);
	assert_ok(splitter_feed(s, buf_bytes(&w->tar), buf_len(&w->tar), &w->err), &w->err);
	assert_ok(splitter_end(s, &w->digest, &size, &w->err), &w->err);
	splitter_free(s);
	uv_loop_init(&w->loop);
	assert_ok(depot_start(&w->loop, w->dir, 0, &w->depot, &w->err), &w->err);
	w->domain = depot_domain(w->depot, "tests");
	assert_ok(rebuild_start(w->domain, NULL, wake, NULL, &w->rebuild, &w->err), &w->err);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rebuild_free(w->rebuild);
	rebuild_item_free(w->end);
	for (size_t i = 0; i < w->n_batches; i++)
		batch_free(w->batches[i]);
	depot_stop(w->depot, NULL, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	buf_done(&w->tar);
	buf_done(&w->got);
	temp_dir_remove(w->dir);
	free(w);
	return 0;
}

/* --- the other side: what a session would do --- */

struct put {
	struct depot_call call;
	struct segment segment;
	struct buf record;
};

static int run_put(struct depot_call *c, struct store *store, struct err *err)
{
	struct put *p = (struct put *)c;

	return store_put(store, &p->segment, buf_bytes(&p->record), NULL, err);
}

static void flush(struct world *w, struct segment_builder *b)
{
	struct put p = { .call = { .run = run_put } };

	if (segment_builder_empty(b))
		return;
	buf_init(&p.record, SEGMENT_RECORD_MAX);
	assert_ok(segment_builder_seal(b, 1, &p.record, &w->err), &w->err);
	assert_ok(segment_parse(buf_bytes(&p.record), buf_len(&p.record), &p.segment, &w->err),
		&w->err);
	assert_ok(depot_call_wait(w->domain, &p.call, &w->err), &w->err);
	segment_done(&p.segment);
	buf_done(&p.record);
}

static void add(struct world *w, struct segment_builder *b, const struct digest *name,
	enum chunk_kind kind, const void *bytes, size_t len)
{
	if (!segment_builder_fits(b, len))
		flush(w, b);
	assert_ok(segment_builder_add(b, name, kind, bytes, len, &w->err), &w->err);
}

/* Stores the batches [from, to), leaving out the first chunk of batch `without`. */
static void store_batches(struct world *w, size_t from, size_t to, size_t without)
{
	struct segment_builder *b = segment_builder_new();

	for (size_t i = from; i < to; i++) {
		struct batch *batch = w->batches[i];

		add(w, b, &batch->name, CHUNK_RECIPE, batch->recipe, batch->recipe_len);
		for (size_t k = i == without ? 1 : 0; k < batch->n_chunks; k++)
			add(w, b, &batch->chunks[k].name, (enum chunk_kind)batch->chunks[k].kind,
				batch->data + batch->chunks[k].offset, batch->chunks[k].len);
	}
	flush(w, b);
	segment_builder_free(b);
}

static void begin(struct world *w, const struct digest *digest, uint64_t size)
{
	assert_ok(rebuild_add(w->rebuild, 0, false, digest, size, &w->err), &w->err);
}

static void name_batches(struct world *w, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_ok(rebuild_names(w->rebuild, 0, w->batches[i]->stream, &w->batches[i]->name,
				  1, &w->err),
			&w->err);
}

/* Takes what is there now. True when the blob's end was among it. */
static bool take(struct world *w)
{
	struct rebuild_item *i;

	while ((i = rebuild_take(w->rebuild))) {
		if (i->kind == REBUILD_BYTES)
			buf_append(&w->got, i->bytes, i->n);
		if (i->kind == REBUILD_END || i->kind == REBUILD_ERROR) {
			w->end = i;
			return true;
		}
		rebuild_item_free(i);
	}
	return false;
}

static enum blob_outcome wait_for_end(struct world *w)
{
	for (int i = 0; i < 10000 && !take(w); i++)
		usleep(1000);
	assert_non_null(w->end);
	assert_int_equal(w->end->kind, REBUILD_END);
	return w->end->outcome;
}

static void nothing_ends_for_a_while(struct world *w)
{
	for (int i = 0; i < 50; i++) {
		assert_false(take(w));
		usleep(1000);
	}
}

static void got_the_blob(struct world *w)
{
	assert_int_equal(buf_len(&w->got), buf_len(&w->tar));
	assert_memory_equal(buf_bytes(&w->got), buf_bytes(&w->tar), buf_len(&w->tar));
}

/* --- the tests --- */

static void a_blob_whose_chunks_are_there_comes_out_as_it_was(void **state)
{
	struct world *w = *state;

	store_batches(w, 0, w->n_batches, SIZE_MAX);
	begin(w, &w->digest, buf_len(&w->tar));
	name_batches(w, 0, w->n_batches);
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), 0);
	assert_int_equal(wait_for_end(w), BLOB_STORED);
	got_the_blob(w);
	assert_int_equal(w->end->n_names[0] + w->end->n_names[1], w->n_batches);
}

static void a_blob_is_rebuilt_while_its_chunks_arrive(void **state)
{
	struct world *w = *state;

	begin(w, NULL, buf_len(&w->tar));
	for (size_t i = 0; i < w->n_batches; i++) {
		name_batches(w, i, i + 1);
		nothing_ends_for_a_while(w);
		store_batches(w, i, i + 1, SIZE_MAX);
		rebuild_stored(w->rebuild, i + 1);
	}
	nothing_ends_for_a_while(w);
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), w->n_batches);
	assert_int_equal(wait_for_end(w), BLOB_STORED);
	got_the_blob(w);
}

static void a_blob_whose_size_is_known_at_its_end_is_rebuilt_then(void **state)
{
	struct world *w = *state;

	begin(w, NULL, UINT64_MAX);
	name_batches(w, 0, w->n_batches);
	store_batches(w, 0, w->n_batches, SIZE_MAX);
	rebuild_stored(w->rebuild, 1);
	nothing_ends_for_a_while(w);
	assert_int_equal(buf_len(&w->got), 0);
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), 1);
	assert_int_equal(wait_for_end(w), BLOB_STORED);
	got_the_blob(w);
	assert_int_equal(w->end->size, buf_len(&w->tar));
}

static void a_chunk_that_never_came_is_asked_for_again(void **state)
{
	struct world *w = *state;

	begin(w, &w->digest, buf_len(&w->tar));
	name_batches(w, 0, w->n_batches);
	store_batches(w, 0, w->n_batches, 0);
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), 2);
	rebuild_stored(w->rebuild, 1);
	nothing_ends_for_a_while(w); /* segment 2 may have it */
	rebuild_stored(w->rebuild, 2);
	assert_int_equal(wait_for_end(w), BLOB_AGAIN);
}

static void bytes_that_hash_to_another_name_are_damage(void **state)
{
	struct world *w = *state;
	struct digest other = digest_of("other", 5);

	store_batches(w, 0, w->n_batches, SIZE_MAX);
	begin(w, &other, buf_len(&w->tar));
	name_batches(w, 0, w->n_batches);
	rebuild_ended(w->rebuild, 0, &other, buf_len(&w->tar), 0);
	assert_int_equal(wait_for_end(w), BLOB_DAMAGED);
}

static void more_bytes_than_were_announced_are_never_given_out(void **state)
{
	struct world *w = *state;

	store_batches(w, 0, w->n_batches, SIZE_MAX);
	begin(w, &w->digest, 1000);
	name_batches(w, 0, w->n_batches);
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), 0);
	assert_int_equal(wait_for_end(w), BLOB_DAMAGED);
	assert_true(buf_len(&w->got) <= 1000);
}

static void a_main_recipe_without_its_skeleton_is_damage(void **state)
{
	struct world *w = *state;

	store_batches(w, 0, w->n_batches, SIZE_MAX);
	begin(w, &w->digest, buf_len(&w->tar));
	for (size_t i = 0; i < w->n_batches; i++) {
		if (w->batches[i]->stream == STREAM_MAIN)
			name_batches(w, i, i + 1);
	}
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), 0);
	assert_int_equal(wait_for_end(w), BLOB_DAMAGED);
}

struct record {
	struct depot_call call;
	const struct rebuild_item *item;
};

static int run_record(struct depot_call *c, struct store *store, struct err *err)
{
	const struct rebuild_item *i = ((struct record *)c)->item;
	const struct digest *names[2] = { i->names[0], i->names[1] };

	return store_blob_put(store, &i->digest, i->size, names, i->n_names, err);
}

static void a_recorded_blob_is_rebuilt_from_its_digest_alone(void **state)
{
	struct world *w = *state;
	struct record r = { .call = { .run = run_record } };

	store_batches(w, 0, w->n_batches, SIZE_MAX);
	begin(w, &w->digest, buf_len(&w->tar));
	name_batches(w, 0, w->n_batches);
	rebuild_ended(w->rebuild, 0, &w->digest, buf_len(&w->tar), 0);
	assert_int_equal(wait_for_end(w), BLOB_STORED);
	r.item = w->end;
	assert_ok(depot_call_wait(w->domain, &r.call, &w->err), &w->err);
	rebuild_item_free(w->end);
	w->end = NULL;
	buf_clear(&w->got);
	assert_ok(rebuild_add(w->rebuild, 1, true, &w->digest, buf_len(&w->tar), &w->err), &w->err);
	assert_int_equal(wait_for_end(w), BLOB_STORED);
	got_the_blob(w);
}

static void stopping_does_not_wait_for_what_never_comes(void **state)
{
	struct world *w = *state;

	begin(w, &w->digest, buf_len(&w->tar));
	name_batches(w, 0, 1);
	usleep(20000);
	rebuild_free(w->rebuild);
	w->rebuild = NULL;
}

struct long_call {
	struct depot_call call;
	pthread_mutex_t lock;
};

static int run_long(struct depot_call *c, struct store *store, struct err *err)
{
	struct long_call *l = (struct long_call *)c;

	(void)store;
	(void)err;
	pthread_mutex_lock(&l->lock);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static void stopping_does_not_wait_for_the_store_either(void **state)
{
	struct world *w = *state;
	struct long_call l = { .call = { .run = run_long }, .lock = PTHREAD_MUTEX_INITIALIZER };

	store_batches(w, 0, w->n_batches, SIZE_MAX);
	pthread_mutex_lock(&l.lock);
	depot_post(w->domain, &l.call);
	begin(w, &w->digest, buf_len(&w->tar));
	name_batches(w, 0, w->n_batches);
	usleep(20000); /* its question waits behind the long call now */
	rebuild_stop(w->rebuild);
	usleep(20000);
	assert_false(rebuild_stopped(w->rebuild));
	assert_null(w->end);
	pthread_mutex_unlock(&l.lock);
	for (int i = 0; i < 10000 && !rebuild_stopped(w->rebuild); i++)
		usleep(1000);
	assert_true(rebuild_stopped(w->rebuild));
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(a_blob_whose_chunks_are_there_comes_out_as_it_was),
	CASE(a_blob_is_rebuilt_while_its_chunks_arrive),
	CASE(a_blob_whose_size_is_known_at_its_end_is_rebuilt_then),
	CASE(a_chunk_that_never_came_is_asked_for_again),
	CASE(bytes_that_hash_to_another_name_are_damage),
	CASE(more_bytes_than_were_announced_are_never_given_out),
	CASE(a_main_recipe_without_its_skeleton_is_damage),
	CASE(a_recorded_blob_is_rebuilt_from_its_digest_alone),
	CASE(stopping_does_not_wait_for_what_never_comes),
	CASE(stopping_does_not_wait_for_the_store_either))
