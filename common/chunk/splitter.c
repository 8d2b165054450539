#include "common/chunk/splitter.h"

#include "common/chunk/batch_maker.h"
#include "common/chunk/tar_scan.h"

#include <stdlib.h>

/* Bytes that are hashed and then split in one go: they stay in the processor's cache meanwhile. */
#define STEP (128u << 10)

struct splitter {
	struct tar_scan *scan;	       /* NULL: no tar */
	struct batch_maker *makers[2]; /* by enum recipe_stream */
	struct hasher *hasher;
	uint64_t size;
	struct err failure; /* what stopped it */
};

struct splitter *splitter_new(bool tar, splitter_batch_fn *fn, void *ctx)
{
	struct splitter *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->hasher = hasher_new();
	s->makers[STREAM_MAIN] = batch_maker_new(STREAM_MAIN, fn, ctx);
	if (tar) {
		s->scan = tar_scan_new();
		s->makers[STREAM_SKELETON] = batch_maker_new(STREAM_SKELETON, fn, ctx);
	}
	if (!s->hasher || !s->makers[STREAM_MAIN] ||
		(tar && (!s->scan || !s->makers[STREAM_SKELETON]))) {
		splitter_free(s);
		return NULL;
	}
	return s;
}

void splitter_free(struct splitter *s)
{
	if (!s)
		return;
	tar_scan_free(s->scan);
	batch_maker_free(s->makers[STREAM_MAIN]);
	batch_maker_free(s->makers[STREAM_SKELETON]);
	hasher_free(s->hasher);
	free(s);
}

static int split_tar(struct splitter *s, const uint8_t *bytes, size_t n, struct err *err)
{
	struct batch_maker *main = s->makers[STREAM_MAIN];

	while (n > 0) {
		enum tar_part part;
		bool ends;
		size_t k = tar_scan_next(s->scan, bytes, n, &part, &ends);

		if (part == TAR_FILE) {
			if (batch_maker_bytes(main, bytes, k, ends, err) != 0)
				return -1;
		} else if (batch_maker_skeleton(main, k, err) != 0 ||
			   batch_maker_bytes(s->makers[STREAM_SKELETON], bytes, k, false, err) !=
				   0) {
			return -1;
		}
		bytes += k;
		n -= k;
	}
	return 0;
}

static int split(struct splitter *s, const uint8_t *bytes, size_t n, struct err *err)
{
	hasher_update(s->hasher, bytes, n);
	if (n > BLOB_SIZE_MAX - s->size)
		return err_set(err, ERR_LIMIT, "more than %u TiB in one blob",
			(unsigned)(BLOB_SIZE_MAX >> 40));
	s->size += n;
	if (s->scan)
		return split_tar(s, bytes, n, err);
	return batch_maker_bytes(s->makers[STREAM_MAIN], bytes, n, false, err);
}

/* Keeps the error, gives it to the caller. */
static int stopped(struct splitter *s, struct err *err)
{
	if (err)
		*err = s->failure;
	return -1;
}

int splitter_feed(struct splitter *s, const void *bytes, size_t n, struct err *err)
{
	const uint8_t *at = bytes;

	if (s->failure.code != ERR_NONE)
		return stopped(s, err);
	while (n > 0) {
		size_t k = min_size(n, STEP);

		if (split(s, at, k, &s->failure) != 0)
			return stopped(s, err);
		at += k;
		n -= k;
	}
	return 0;
}

int splitter_end(struct splitter *s, struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	if (s->failure.code != ERR_NONE)
		return stopped(s, err);
	if (batch_maker_end(s->makers[STREAM_MAIN], &s->failure) != 0)
		return stopped(s, err);
	if (s->scan && batch_maker_end(s->makers[STREAM_SKELETON], &s->failure) != 0)
		return stopped(s, err);
	*ret_digest = hasher_end(s->hasher);
	*ret_size = s->size;
	return 0;
}
