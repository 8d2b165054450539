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
	bool unread;	      /* its bytes are not in batch.data: batch_chunk_bytes gets them */
	uint64_t file, at;    /* of an unread one: as given to splitter_known */
};

/* Where the bytes of unread chunks are to be had: writes c->len of them. Any thread, several at a
 * time. ERR_AGAIN: they are not there any more, so the blob has to be made anew from its start. */
struct batch_reader {
	int (*read)(void *ctx, const struct batch_chunk *c, uint8_t *ret, struct err *err);
	void *ctx;
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
	uint64_t span;		    /* bytes of the stream that the recipe chunk covers */
	struct batch_reader reader; /* for unread chunks */
	/* Of a batch that is lent out: what batch_free does instead of freeing it; else NULL. */
	void (*release)(struct batch *b);
};

void batch_free(struct batch *b);

/* Bytes of memory that a batch holds: its weight in a window. */
size_t batch_weight(const struct batch *b);

/* The chunk's bytes: in the batch, or read into `room` (CHUNK_MAX bytes) and checked against its
 * name. Errors as batch_reader's. */
int batch_chunk_bytes(const struct batch *b, const struct batch_chunk *c, uint8_t *room,
	const uint8_t **ret, struct err *err) MUST_CHECK;

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

/* For a tar that is named by its operations (README.md, "Trees"), so that splitter_known may be
 * used. `reader` gets the bytes of the chunks that go by unread. */
struct splitter *splitter_new_tree(
	splitter_batch_fn *fn, void *ctx, const struct batch_reader *reader);

/* `fn` is told every chunk of the main stream as it is named: the chunks of file contents in order,
 * the last one of a file with the file's last byte. Before the first byte. */
typedef void splitter_chunk_fn(void *ctx, const struct digest *name, uint32_t len);
void splitter_watch(struct splitter *s, splitter_chunk_fn *fn, void *ctx);
void splitter_free(struct splitter *s);

/* ERR_LIMIT when the blob grows beyond BLOB_SIZE_MAX. */
int splitter_feed(struct splitter *s, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/*
 * The next `len` bytes are this chunk, and are not read. Only of splitter_new_tree, and only within
 * the contents of a file (of more than INLINE_FILE_MAX bytes), all of which must go by in this way
 * and in the chunks that reading them would give. `file` and `at` come back to the batch_reader.
 * ERR_FAILED when the tar is elsewhere.
 */
int splitter_known(struct splitter *s, const struct digest *name, uint32_t len, uint64_t file,
	uint64_t at, struct err *err) MUST_CHECK;

/* Ends the blob: gives out the last batches of both streams (main before skeleton is not promised)
 * and returns the blob's digest and size. An empty blob has no batches. Afterwards the splitter can
 * only be freed. */
int splitter_end(struct splitter *s, struct digest *ret_digest, uint64_t *ret_size,
	struct err *err) MUST_CHECK;
