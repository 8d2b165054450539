/* A store is damaged under a rebuild: no wrong byte comes out, the job done again finds all of the
 * damage gone at once, and what is sent again mends it. */
#include "server/image/rebuild.h"

#include "common/base/file.h"
#include "common/cargo/docker_archive.h"
#include "common/chunk/splitter.h"
#include "common/store/pack.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { FILES = 40, BATCHES_MAX = 64, ROUNDS = 150 };

struct world {
	char *dir, *packs;
	uv_loop_t loop;
	struct depot *depot;
	struct depot_domain *domain;
	struct rebuild *rebuild;
	struct uv_pin *pin;
	uint32_t blob; /* number of the next one */
	struct buf tar;
	struct digest digest;
	struct batch *batches[BATCHES_MAX];
	size_t n_batches;
	uint32_t n_packs; /* one a record */
	struct buf got;
	bool damaged;
	uint64_t seed;
	struct err err;
};

static uint64_t random_below(struct world *w, uint64_t n)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % n;
}

static int keep_batch(void *ctx, struct batch *b, struct err *err)
{
	struct world *w = ctx;

	(void)err;
	assert_true(w->n_batches < BATCHES_MAX);
	w->batches[w->n_batches++] = b;
	return 0;
}

static void make_tar(struct world *w)
{
	buf_init(&w->tar, 64 << 20);
	for (unsigned i = 0; i < FILES; i++) {
		size_t size = i * i * 307;
		uint8_t header[DOCKER_ARCHIVE_BLOCK];
		char name[32];

		snprintf(name, sizeof(name), "file-%u", i);
		docker_archive_header(header, name, size);
		buf_append(&w->tar, header, sizeof(header));
		for (size_t k = 0; k < size; k++)
			buf_u8(&w->tar, (uint8_t)random_below(w, 256));
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

/* Calls `fn` with records that hold all there is, a batch in one or more. */
static void flush(struct world *w, struct segment_builder *b,
	void (*fn)(struct world *w, const struct buf *record))
{
	struct buf record;

	if (segment_builder_empty(b))
		return;
	buf_init(&record, SEGMENT_RECORD_MAX);
	assert_ok(segment_builder_seal(b, 1, &record, &w->err), &w->err);
	fn(w, &record);
	buf_done(&record);
}

static void each_record(struct world *w, void (*fn)(struct world *w, const struct buf *record))
{
	struct segment_builder *b = segment_builder_new();

	for (size_t i = 0; i < w->n_batches; i++) {
		const struct batch *batch = w->batches[i];

		assert_ok(segment_builder_add(b, &batch->name, CHUNK_RECIPE, batch->recipe,
				  batch->recipe_len, &w->err),
			&w->err);
		for (size_t k = 0; k < batch->n_chunks; k++) {
			if (!segment_builder_fits(b, batch->chunks[k].len))
				flush(w, b, fn);
			assert_ok(segment_builder_add(b, &batch->chunks[k].name,
					  (enum chunk_kind)batch->chunks[k].kind,
					  batch->data + batch->chunks[k].offset,
					  batch->chunks[k].len, &w->err),
				&w->err);
		}
		flush(w, b, fn);
	}
	segment_builder_free(b);
}

/* Each record in a pack of its own, before the store is opened. */
static void make_pack(struct world *w, const struct buf *record)
{
	struct pack p;

	assert_ok(pack_create(w->packs, ++w->n_packs, &p, &w->err), &w->err);
	assert_ok(pack_append(&p, buf_bytes(record), buf_len(record), &w->err), &w->err);
	pack_close(&p);
}

/* --- what a session would do --- */

struct put {
	struct depot_call call;
	struct segment segment;
	const struct buf *record;
};

static int run_put(struct depot_call *c, struct store *store, struct err *err)
{
	struct put *p = (struct put *)c;

	return store_put(store, &p->segment, buf_bytes(p->record), NULL, err);
}

static void put_record(struct world *w, const struct buf *record)
{
	struct put p = { .call = { .run = run_put }, .record = record };

	assert_ok(segment_parse(buf_bytes(record), buf_len(record), &p.segment, &w->err), &w->err);
	assert_ok(depot_call_wait(w->domain, &p.call, &w->err), &w->err);
	segment_done(&p.segment);
}

/* What a client would send again, and more: the store does not write what it has. */
static void put_all(struct world *w)
{
	each_record(w, put_record);
}

struct record {
	struct depot_call call;
	const struct rebuild_item *item;
};

static int run_record(struct depot_call *c, struct store *store, struct err *err)
{
	const struct rebuild_item *i = ((struct record *)c)->item;
	const struct digest *names[2] = { i->names[0], i->names[1] };

	if (store_blob_put(store, &i->digest, i->size, names, i->n_names, err) != 0)
		return -1;
	return store_sync(store, err);
}

struct find {
	struct depot_call call;
	const struct uv_pin *pin;
	struct digest digest;
	bool found;
};

static int run_find(struct depot_call *c, struct store *store, struct err *err)
{
	struct find *f = (struct find *)c;
	struct blob_record record;

	if (store_blob_find(store, &f->digest, uv_pin_of(f->pin), &record, &f->found, err) != 0)
		return -1;
	if (f->found)
		blob_record_done(&record);
	return 0;
}

/* What a job asks before it rebuilds a blob: the pin then keeps all that the blob needs. */
static bool is_recorded(struct world *w)
{
	struct find f = { .call = { .run = run_find }, .pin = w->pin, .digest = w->digest };

	assert_ok(depot_call_wait(w->domain, &f.call, &w->err), &w->err);
	return f.found;
}

/* The blob's end; what came out before it must be the blob's first bytes. */
static struct rebuild_item *wait_for_end(struct world *w)
{
	struct rebuild_item *i;

	buf_clear(&w->got);
	for (int k = 0; k < 20000; k++) {
		i = rebuild_take(w->rebuild);
		if (!i) {
			usleep(500);
			continue;
		}
		if (i->kind == REBUILD_ERROR)
			fail_msg("%s", i->err.text);
		if (i->kind == REBUILD_END) {
			assert_true(buf_len(&w->got) <= buf_len(&w->tar));
			assert_memory_equal(
				buf_bytes(&w->got), buf_bytes(&w->tar), buf_len(&w->got));
			w->damaged = i->damaged;
			return i;
		}
		if (i->kind == REBUILD_BYTES)
			buf_append(&w->got, i->bytes, i->n);
		rebuild_item_free(i);
	}
	fail_msg("the rebuild does not end");
	return NULL;
}

static enum blob_outcome from_store(struct world *w)
{
	struct rebuild_item *end;
	enum blob_outcome outcome;

	assert_ok(rebuild_add(w->rebuild, w->blob++, true, &w->digest, buf_len(&w->tar), &w->err),
		&w->err);
	end = wait_for_end(w);
	outcome = end->outcome;
	rebuild_item_free(end);
	if (outcome == BLOB_STORED)
		assert_int_equal(buf_len(&w->got), buf_len(&w->tar));
	return outcome;
}

/* All its names are known and its chunks are said to be there. `keep`: records it. */
static enum blob_outcome from_names(struct world *w, bool keep)
{
	struct record r = { .call = { .run = run_record } };
	struct rebuild_item *end;
	enum blob_outcome outcome;

	assert_ok(rebuild_add(w->rebuild, w->blob, false, &w->digest, buf_len(&w->tar), &w->err),
		&w->err);
	for (size_t i = 0; i < w->n_batches; i++)
		assert_ok(rebuild_names(w->rebuild, w->blob, w->batches[i]->stream,
				  &w->batches[i]->name, 1, &w->err),
			&w->err);
	rebuild_ended(w->rebuild, w->blob++, &w->digest, buf_len(&w->tar), 0);
	end = wait_for_end(w);
	outcome = end->outcome;
	r.item = end;
	if (outcome == BLOB_STORED && keep)
		assert_ok(depot_call_wait(w->domain, &r.call, &w->err), &w->err);
	rebuild_item_free(end);
	return outcome;
}

/* --- damage --- */

static uint64_t pack_size(struct world *w, uint32_t pack)
{
	char *path = pack_path(w->packs, pack);
	struct stat st;
	int r = stat(path, &st);

	free(path);
	return r == 0 ? (uint64_t)st.st_size : 0;
}

static void flip(struct world *w, uint32_t pack, uint64_t at, unsigned bit)
{
	char *path = pack_path(w->packs, pack);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= (uint8_t)(1u << bit);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
	free(path);
}

/* A reader keeps what it has read: a new one starts with nothing. */
static void start_anew(struct world *w)
{
	rebuild_free(w->rebuild);
	assert_ok(rebuild_start(w->domain, w->pin, wake, NULL, &w->rebuild, &w->err), &w->err);
	w->blob = 0;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct splitter *s = splitter_new(true, keep_batch, w);
	uint64_t size;

	w->seed = 3;
	w->dir = temp_dir_make();
	w->packs = file_join(w->dir, "domains/tests/packs");
	buf_init(&w->got, 64 << 20);
	make_tar(w);
	assert_ok(splitter_feed(s, buf_bytes(&w->tar), buf_len(&w->tar), &w->err), &w->err);
	assert_ok(splitter_end(s, &w->digest, &size, &w->err), &w->err);
	splitter_free(s);
	assert_ok(file_make_dir(w->packs, 0700, &w->err), &w->err);
	each_record(w, make_pack);
	uv_loop_init(&w->loop);
	assert_ok(depot_start(&w->loop, w->dir, 0, &w->depot, &w->err), &w->err);
	w->domain = depot_domain(w->depot, "tests");
	w->pin = uv_pin_begin(w->domain, "tests", &w->digest);
	assert_non_null(w->pin);
	assert_ok(rebuild_start(w->domain, w->pin, wake, NULL, &w->rebuild, &w->err), &w->err);
	assert_int_equal(from_names(w, true), BLOB_STORED);
	assert_true(is_recorded(w));
	start_anew(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rebuild_free(w->rebuild);
	uv_pin_end(w->pin, true);
	for (size_t i = 0; i < w->n_batches; i++)
		batch_free(w->batches[i]);
	depot_stop(w->depot, NULL, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	buf_done(&w->tar);
	buf_done(&w->got);
	temp_dir_remove(w->dir);
	free(w->packs);
	free(w);
	return 0;
}

/* --- the tests --- */

static void one_more_try_is_enough_however_many_packs_are_damaged(void **state)
{
	struct world *w = *state;

	assert_true(w->n_packs >= 5);
	for (uint32_t pack = 1; pack <= w->n_packs; pack++)
		flip(w, pack, pack_size(w, pack) / 2, 3);
	assert_int_equal(from_store(w), BLOB_AGAIN);
	assert_true(w->damaged);
	assert_false(is_recorded(w));
	put_all(w);
	start_anew(w);
	assert_int_equal(from_names(w, false), BLOB_STORED);
	assert_true(is_recorded(w));
	assert_int_equal(from_store(w), BLOB_STORED);
}

static void damage_is_found_while_names_arrive_too(void **state)
{
	struct world *w = *state;

	for (uint32_t pack = 2; pack <= w->n_packs; pack += 2)
		flip(w, pack, pack_size(w, pack) - 1, 0);
	assert_int_equal(from_names(w, false), BLOB_AGAIN);
	assert_true(w->damaged);
	put_all(w);
	start_anew(w);
	assert_int_equal(from_names(w, false), BLOB_STORED);
}

static void damage_of_blobs_that_wait_is_taken_out_with_the_first(void **state)
{
	struct world *w = *state;
	struct rebuild_item *end;

	/* The blob twice: the first walk ends in the last pack, the second one is only surveyed. */
	flip(w, w->n_packs, 40, 1);
	flip(w, 1, 40, 1);
	assert_ok(rebuild_add(w->rebuild, 0, true, &w->digest, buf_len(&w->tar), &w->err), &w->err);
	assert_ok(rebuild_add(w->rebuild, 1, true, &w->digest, buf_len(&w->tar), &w->err), &w->err);
	end = wait_for_end(w);
	assert_int_equal(end->outcome, BLOB_AGAIN);
	assert_true(end->damaged);
	rebuild_item_free(end);
	end = wait_for_end(w);
	assert_int_equal(end->outcome, BLOB_AGAIN);
	assert_false(end->damaged); /* it is known to be missing by now */
	rebuild_item_free(end);
	put_all(w);
	start_anew(w);
	assert_int_equal(from_store(w), BLOB_STORED);
}

static void a_bit_anywhere_never_gives_a_wrong_byte(void **state)
{
	struct world *w = *state;
	unsigned lost = 0;

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t pack = 1 + (uint32_t)random_below(w, w->n_packs);
		enum blob_outcome outcome;

		flip(w, pack, random_below(w, pack_size(w, pack)), (unsigned)random_below(w, 8));
		outcome = round % 2 ? from_store(w) : from_names(w, false);
		if (outcome == BLOB_AGAIN) {
			assert_true(w->damaged);
			put_all(w);
			lost++;
		}
		start_anew(w);
		assert_true(is_recorded(w));
		assert_int_equal(from_store(w), BLOB_STORED);
		start_anew(w);
	}
	/* Others hit a pack's head, or a record that was replaced before. */
	assert_true(lost >= w->n_packs / 2);
}

static void a_pack_that_is_gone_or_cut_is_asked_for_again(void **state)
{
	struct world *w = *state;

	for (uint32_t pack = 1; pack <= 3; pack++) {
		char *path = pack_path(w->packs, pack);

		if (pack == 1)
			assert_int_equal(unlink(path), 0);
		else
			assert_int_equal(truncate(path, pack == 2 ? 0 : 100), 0);
		free(path);
		assert_int_equal(from_store(w), BLOB_AGAIN);
		assert_true(w->damaged);
		put_all(w);
		start_anew(w);
		assert_true(is_recorded(w));
		assert_int_equal(from_store(w), BLOB_STORED);
		start_anew(w);
	}
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(one_more_try_is_enough_however_many_packs_are_damaged),
	CASE(damage_is_found_while_names_arrive_too),
	CASE(damage_of_blobs_that_wait_is_taken_out_with_the_first),
	CASE(a_bit_anywhere_never_gives_a_wrong_byte),
	CASE(a_pack_that_is_gone_or_cut_is_asked_for_again))
