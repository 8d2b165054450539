/*
 * Rebuilds blobs from a store's chunks on a thread of its own, while their chunks still arrive:
 * walks the recipes in order, waits for what is not there yet, hashes what it gives out. What comes
 * out is a bounded stream of items; a consumer that does not take them stops the thread. One
 * rebuild per image job.
 */
#pragma once

#include "common/chunk/recipe.h"
#include "protocol/sender.h" /* enum blob_outcome */
#include "server/depot/uv_pin.h"

struct rebuild;

enum rebuild_kind {
	REBUILD_BEGIN,	 /* a blob of `size` bytes starts */
	REBUILD_BYTES,	 /* the next `n` bytes of it */
	REBUILD_SEGMENT, /* instead of bytes: the record of a segment with the next chunks */
	REBUILD_END,	 /* `outcome`: only BLOB_STORED means that the bytes hash to the digest */
	REBUILD_ERROR,	 /* the store failed: `err`; nothing follows */
};

struct rebuild_item {
	enum rebuild_kind kind;
	uint32_t blob; /* as given to rebuild_add */
	bool from_store;
	struct digest digest; /* BEGIN (zeros if not known yet), END */
	bool digest_known;
	uint64_t size;
	enum blob_outcome outcome;
	bool damaged; /* with BLOB_AGAIN: what the store had of it; it was taken out of there */
	/* END of a blob that arrived: its recipe chunks, for the blob record; owned by the item */
	struct digest *names[2];
	size_t n_names[2];
	struct err err;
	size_t n;
	uint8_t bytes[];
};

void rebuild_item_free(struct rebuild_item *i);

/* `pin` (NULL: none) is the job's and stays until rebuild_stopped. `wake` fires on any thread when
 * an item is there after there was none, and when the thread has ended. */
int rebuild_start(struct depot_domain *domain, const struct uv_pin *pin, void (*wake)(void *ctx),
	void *ctx, struct rebuild **ret, struct err *err) MUST_CHECK;

/* The same, for one who rebuilds the blobs elsewhere: segments with all chunks that a blob is made
 * of, recipe chunks included, each before what is made of it and as often as it is needed; those of
 * a blob lie between its BEGIN and its END. The bytes are put together and hashed all the same. */
int rebuild_start_segments(struct depot_domain *domain, const struct uv_pin *pin,
	void (*wake)(void *ctx), void *ctx, struct rebuild **ret, struct err *err) MUST_CHECK;

/* All of these are called on the loop's thread. */

/* Tells the thread to end, and does not wait for it: it may be in a call to the store, which takes
 * as long as the calls before it. No item comes any more. */
void rebuild_stop(struct rebuild *r);

/* Has the thread ended? Then rebuild_free does not wait. */
bool rebuild_stopped(struct rebuild *r);

/* Stops the thread and waits for its end; frees what it made. NULL is fine. */
void rebuild_free(struct rebuild *r);

/* A blob to rebuild after those added before. `from_store`: it is complete in the store under this
 * digest. Otherwise its names follow. `size` UINT64_MAX: not known before its end, and so long it
 * waits, and those after it too; REBUILD_TREE: a tree, named by its operations, whose size is what
 * comes. `number` is the caller's and unique. */
#define REBUILD_TREE (UINT64_MAX - 1)
int rebuild_add(struct rebuild *r, uint32_t number, bool from_store, const struct digest *digest,
	uint64_t size, struct err *err) MUST_CHECK;

/* The next recipe chunks of a stream of the blob. */
int rebuild_names(struct rebuild *r, uint32_t number, enum recipe_stream stream,
	const struct digest *names, size_t n, struct err *err) MUST_CHECK;

/* No more names: the blob's digest and size, and the number of the last segment that it needs. */
void rebuild_ended(struct rebuild *r, uint32_t number, const struct digest *digest, uint64_t size,
	uint64_t last_segment);

/* All segments up to this number are in the store. */
void rebuild_stored(struct rebuild *r, uint64_t segment);

/* The next item, NULL when there is none now. */
struct rebuild_item *rebuild_take(struct rebuild *r);
