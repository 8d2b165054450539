/*
 * Owns the thread and the list of blobs to rebuild. Happy path: take the first blob, for each
 * recipe chunk find where its chunks are, give their bytes out, compare the hash. Failure modes: a
 * chunk that is missing although every segment of the blob is stored (BLOB_AGAIN), bytes that hash
 * to something else (BLOB_DAMAGED), a store that cannot be read (REBUILD_ERROR, the end of the
 * job), and damage: the blob ends with BLOB_AGAIN once all that the job needs was looked through.
 */
#include "server/image/rebuild.h"

#include "common/base/queue.h"
#include "server/image/rebuild_item.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_WEIGHT_MAX (1u << 20)

struct rebuild {
	struct depot_domain *domain;
	const struct uv_pin *pin;
	void (*wake)(void *ctx);
	void *wake_ctx;
	struct queue *items;
	struct segment_builder *segments; /* NULL: bytes are wanted */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct rebuild_blob *first, **last; /* under lock; the thread works on the first */
	uint64_t stored;		    /* under lock */
	bool stopping, ended;		    /* under lock */
};

static void drop_item(void *item)
{
	rebuild_item_free(item);
}

/* --- the thread --- */

/* Waits while the consumer is behind. -1 when the rebuild is being stopped or memory ran out. */
static int give(struct rebuild *r, struct rebuild_item *i, struct err *err)
{
	if (!i)
		return err_nomem(err);
	if (queue_push(r->items, i, sizeof(*i) + i->n))
		return 0;
	rebuild_item_free(i);
	return err_set(err, ERR_INTERRUPTED, "stopped");
}

static int on_bytes(
	void *ctx, const struct rebuild_blob *b, const uint8_t *bytes, size_t n, struct err *err)
{
	struct rebuild_item *i;

	if (((struct rebuild *)ctx)->segments)
		return 0;
	i = rebuild_item_new(b, REBUILD_BYTES, n);
	if (i)
		memcpy(i->bytes, bytes, n);
	return give(ctx, i, err);
}

/* The chunks gathered so far, if there are any. */
static int give_segment(struct rebuild *r, const struct rebuild_blob *b, struct err *err)
{
	struct rebuild_item *i;

	if (segment_builder_empty(r->segments))
		return 0;
	i = rebuild_item_sealed(b, r->segments, err);
	return i ? give(r, i, err) : -1;
}

static int on_chunk(void *ctx, enum chunk_kind kind, const struct digest *name,
	const uint8_t *bytes, size_t n, struct err *err)
{
	struct rebuild *r = ctx;

	/* Only the thread takes blobs off the list, and it is at the first one. */
	if (!segment_builder_fits(r->segments, n) && give_segment(r, r->first, err) != 0)
		return -1;
	return segment_builder_add(r->segments, name, kind, bytes, n, err);
}

/* The next name of a stream: 1 with *ret, 0 at the stream's end, -1 when stopping. Waits for it. */
static int on_name(
	void *ctx, struct rebuild_blob *b, enum recipe_stream stream, size_t at, struct digest *ret)
{
	struct rebuild *r = ctx;
	int found;

	pthread_mutex_lock(&r->lock);
	while (!r->stopping && at >= b->n_names[stream] && !b->ended)
		pthread_cond_wait(&r->news, &r->lock);
	found = at < b->n_names[stream];
	if (found)
		*ret = b->names[stream][at];
	if (r->stopping)
		found = -1;
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* Something is missing that was looked up when `seen` segments were stored: waits for more. False
 * when there is nothing to wait for, or when stopping. */
static bool on_missing(void *ctx, const struct rebuild_blob *b, uint64_t seen)
{
	struct rebuild *r = ctx;
	bool more;

	pthread_mutex_lock(&r->lock);
	while (!r->stopping && r->stored <= seen && !(b->ended && b->last_segment <= seen))
		pthread_cond_wait(&r->news, &r->lock);
	more = !r->stopping && r->stored > seen;
	pthread_mutex_unlock(&r->lock);
	return more;
}

static uint64_t on_seen(void *ctx)
{
	struct rebuild *r = ctx;
	uint64_t stored;

	pthread_mutex_lock(&r->lock);
	stored = r->stored;
	pthread_mutex_unlock(&r->lock);
	return stored;
}

static bool is_stopping(void *ctx)
{
	struct rebuild *r = ctx;
	bool stopping;

	pthread_mutex_lock(&r->lock);
	stopping = r->stopping;
	pthread_mutex_unlock(&r->lock);
	return stopping;
}

/* The digest and the names are whole once the streams were walked to their ends. */
static int give_end(struct rebuild *r, struct rebuild_blob *b, enum blob_outcome outcome,
	bool damaged, struct err *err)
{
	struct rebuild_item *i = rebuild_item_new(b, REBUILD_END, 0);

	if (i) {
		pthread_mutex_lock(&r->lock);
		i->digest = b->digest;
		i->digest_known = true;
		i->outcome = outcome;
		i->damaged = damaged;
		for (int s = 0; s < 2; s++) {
			i->names[s] = b->names[s];
			i->n_names[s] = b->n_names[s];
			b->names[s] = NULL;
			b->n_names[s] = b->cap_names[s] = 0;
		}
		pthread_mutex_unlock(&r->lock);
	}
	return give(r, i, err);
}

/* Who takes the bytes has to know beforehand how many they are. */
static struct rebuild_item *begin_item(struct rebuild *r, const struct rebuild_blob *b)
{
	struct rebuild_item *i = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->stopping && b->size == UINT64_MAX)
		pthread_cond_wait(&r->news, &r->lock);
	i = rebuild_item_new(b, REBUILD_BEGIN, 0);
	if (i) {
		i->digest = b->digest;
		i->digest_known = b->digest_known;
	}
	pthread_mutex_unlock(&r->lock);
	return i;
}

static int rebuild_one(
	struct rebuild *r, struct rebuild_stream *stream, struct rebuild_blob *b, struct err *err)
{
	enum blob_outcome outcome;
	bool damaged;

	if (give(r, begin_item(r, b), err) != 0 ||
		rebuild_stream_run(stream, b, &outcome, &damaged, err) != 0)
		return -1;
	if (is_stopping(r))
		return err_set(err, ERR_INTERRUPTED, "stopped");
	if (r->segments && give_segment(r, b, err) != 0)
		return -1;
	return give_end(r, b, outcome, damaged, err);
}

/* The first blob, once there is one; NULL when stopping. It stays in the list until it is done. */
static struct rebuild_blob *next_blob(struct rebuild *r)
{
	struct rebuild_blob *b;

	pthread_mutex_lock(&r->lock);
	while (!r->stopping && !r->first)
		pthread_cond_wait(&r->news, &r->lock);
	b = r->stopping ? NULL : r->first;
	pthread_mutex_unlock(&r->lock);
	return b;
}

static void forget_first(struct rebuild *r)
{
	struct rebuild_blob *b;

	pthread_mutex_lock(&r->lock);
	b = r->first;
	r->first = b->next;
	if (!r->first)
		r->last = &r->first;
	pthread_mutex_unlock(&r->lock);
	rebuild_blob_free(b);
}

static void tell_error(struct rebuild *r, const struct err *err)
{
	struct rebuild_item *i = calloc(1, sizeof(*i));

	if (!i)
		return;
	i->kind = REBUILD_ERROR;
	i->err = *err;
	if (!queue_push(r->items, i, sizeof(*i)))
		rebuild_item_free(i);
}

static void *work(void *arg)
{
	struct rebuild *r = arg;
	struct err err = { 0 };
	struct rebuild_stream_ops ops = {
		.bytes = on_bytes,
		.chunk = r->segments ? on_chunk : NULL,
		.name = on_name,
		.stopping = is_stopping,
		.missing = on_missing,
		.seen = on_seen,
	};
	struct rebuild_stream *stream = rebuild_stream_new(r->domain, r->pin, &ops, r, &err);
	struct rebuild_blob *b;

	while (stream && (b = next_blob(r))) {
		if (rebuild_one(r, stream, b, &err) != 0)
			break;
		forget_first(r);
	}
	rebuild_stream_free(stream);
	if (!is_stopping(r))
		tell_error(r, &err);
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_mutex_unlock(&r->lock);
	r->wake(r->wake_ctx);
	return NULL;
}

/* --- the loop's side --- */

/* Takes over `segments`, which may be NULL. */
static int start(struct depot_domain *domain, const struct uv_pin *pin, void (*wake)(void *ctx),
	void *ctx, struct segment_builder *segments, struct rebuild **ret, struct err *err)
{
	struct rebuild *r = calloc(1, sizeof(*r));

	if (!r) {
		segment_builder_free(segments);
		return err_nomem(err);
	}
	r->segments = segments;
	r->domain = domain;
	r->pin = pin;
	r->wake = wake;
	r->wake_ctx = ctx;
	r->last = &r->first;
	r->items = queue_new(ITEMS_WEIGHT_MAX);
	if (!r->items) {
		segment_builder_free(segments);
		free(r);
		return err_nomem(err);
	}
	queue_set_wake(r->items, NULL, wake, ctx);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->news, NULL);
	if (pthread_create(&r->thread, NULL, work, r) != 0) {
		queue_free(r->items, NULL);
		segment_builder_free(segments);
		free(r);
		return err_set(err, ERR_FAILED, "cannot start a thread");
	}
	pthread_setname_np(r->thread, "dray-rebuild");
	*ret = r;
	return 0;
}

int rebuild_start(struct depot_domain *domain, const struct uv_pin *pin, void (*wake)(void *ctx),
	void *ctx, struct rebuild **ret, struct err *err)
{
	return start(domain, pin, wake, ctx, NULL, ret, err);
}

int rebuild_start_segments(struct depot_domain *domain, const struct uv_pin *pin,
	void (*wake)(void *ctx), void *ctx, struct rebuild **ret, struct err *err)
{
	struct segment_builder *segments = segment_builder_new();

	return segments ? start(domain, pin, wake, ctx, segments, ret, err) : err_nomem(err);
}

void rebuild_stop(struct rebuild *r)
{
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->lock);
	queue_close(r->items);
}

bool rebuild_stopped(struct rebuild *r)
{
	bool ended;

	pthread_mutex_lock(&r->lock);
	ended = r->ended;
	pthread_mutex_unlock(&r->lock);
	return ended;
}

void rebuild_free(struct rebuild *r)
{
	if (!r)
		return;
	rebuild_stop(r);
	pthread_join(r->thread, NULL);
	queue_free(r->items, drop_item);
	while (r->first) {
		struct rebuild_blob *b = r->first;

		r->first = b->next;
		rebuild_blob_free(b);
	}
	pthread_cond_destroy(&r->news);
	pthread_mutex_destroy(&r->lock);
	segment_builder_free(r->segments);
	free(r);
}

int rebuild_add(struct rebuild *r, uint32_t number, bool from_store, const struct digest *digest,
	uint64_t size, struct err *err)
{
	struct rebuild_blob *b = calloc(1, sizeof(*b));

	if (!b)
		return err_nomem(err);
	b->number = number;
	b->from_store = from_store;
	b->size = size;
	b->tree = size == REBUILD_TREE;
	b->digest_known = digest != NULL;
	if (digest)
		b->digest = *digest;
	pthread_mutex_lock(&r->lock);
	*r->last = b;
	r->last = &b->next;
	pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* Under the lock. A blob that is done already (it failed) is not found any more. */
static struct rebuild_blob *find_blob(struct rebuild *r, uint32_t number)
{
	struct rebuild_blob *b = r->first;

	while (b && (b->number != number || b->from_store))
		b = b->next;
	return b;
}

int rebuild_names(struct rebuild *r, uint32_t number, enum recipe_stream stream,
	const struct digest *names, size_t n, struct err *err)
{
	struct rebuild_blob *b;
	int result = 0;

	pthread_mutex_lock(&r->lock);
	b = find_blob(r, number);
	if (b)
		result = rebuild_blob_add(b, stream, names, n, err);
	pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
	return result;
}

void rebuild_ended(struct rebuild *r, uint32_t number, const struct digest *digest, uint64_t size,
	uint64_t last_segment)
{
	struct rebuild_blob *b;

	pthread_mutex_lock(&r->lock);
	b = find_blob(r, number);
	if (b) {
		b->digest = *digest;
		b->digest_known = true;
		if (b->size == UINT64_MAX)
			b->size = size;
		b->last_segment = last_segment;
		b->ended = true;
	}
	pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
}

void rebuild_stored(struct rebuild *r, uint64_t segment)
{
	pthread_mutex_lock(&r->lock);
	if (segment > r->stored)
		r->stored = segment;
	pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
}

struct rebuild_item *rebuild_take(struct rebuild *r)
{
	return queue_try_pop(r->items);
}
