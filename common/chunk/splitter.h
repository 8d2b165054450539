/*
 * Turns a blob's bytes into batches: a recipe chunk together with the chunks that it names and
 * their bytes. The unit of asking, of the sender's window and of memory. A tar is cut at its files'
 * borders (tar_scan, a hint only), large files and the skeleton by FastCDC; anything that is not a
 * tar is cut by FastCDC alone. Synchronous; one thread.
 */
#pragma once

#include "common/chunk/recipe.h"

struct batch_chunk {
	struct digest name;
	uint32_t offset, len; /* in batch.data */
	uint8_t kind;	      /* enum chunk_kind: CHUNK_DATA or CHUNK_SKELETON */
};

/* One block of memory holds the batch and its arrays; batch_free(NULL) is fine. */
struct batch {
	enum recipe_stream stream;
	struct digest name; /* of the recipe chunk */
	uint8_t *recipe;
	size_t recipe_len;
	struct batch_chunk *chunks; /* each name once, in order of first use */
	size_t n_chunks;
	uint8_t *data;
	size_t data_len;
	uint64_t span; /* bytes of the stream that the recipe chunk covers */
	/* Of a batch that is lent out: what batch_free does instead of freeing it; else NULL. */
	void (*release)(struct batch *b);
};

void batch_free(struct batch *b);

/* Bytes of memory that a batch holds: its weight in a window. */
size_t batch_weight(const struct batch *b);

/*
 * Takes over the batch. May wait (that is the back-pressure). -1 stops the splitter with that
 * error, which every later call gives again.
 *
 * The batches of one stream come in that stream's order. Between the streams nothing is promised:
 * a skeleton batch lags behind the main batches that take its bytes by up to one skeleton recipe
 * chunk, that is RECIPE_SPAN_MAX bytes of skeleton (cutting it early would spoil its name). A
 * batch's data never exceeds RECIPE_SPAN_MAX + CHUNK_MAX bytes.
 */
typedef int splitter_batch_fn(void *ctx, struct batch *b, struct err *err);

struct splitter;

/* `tar`: try to read the bytes as a tar. NULL when out of memory. */
struct splitter *splitter_new(bool tar, splitter_batch_fn *fn, void *ctx);
void splitter_free(struct splitter *s);

/* ERR_LIMIT when the blob grows beyond BLOB_SIZE_MAX. */
int splitter_feed(struct splitter *s, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* Ends the blob: gives out the last batches of both streams (main before skeleton is not promised)
 * and returns the blob's digest and size. An empty blob has no batches. Afterwards the splitter can
 * only be freed. */
int splitter_end(struct splitter *s, struct digest *ret_digest, uint64_t *ret_size,
	struct err *err) MUST_CHECK;
