#include "common/chunk/splitter.h"

#include "common/chunk/batch_maker.h"
#include "common/chunk/op_hasher.h"
#include "common/chunk/tar_scan.h"

#include <stdlib.h>

/* Bytes that are hashed and then split in one go: they stay in the processor's cache meanwhile. */
#define STEP (128u << 10)

struct splitter {
	struct tar_scan *scan;	       /* NULL: no tar */
	struct batch_maker *makers[2]; /* by enum recipe_stream */
	struct hasher *hasher;	       /* NULL: named by its operations */
	struct op_hasher *op_hasher;   /* NULL: named by its bytes */
	splitter_chunk_fn *on_chunk;
	void *on_chunk_ctx;
	uint64_t size;
	struct err failure; /* what stopped it */
};

static void on_op(void *ctx, const struct recipe_op *op)
{
	struct splitter *s = ctx;

	if (s->op_hasher)
		op_hasher_op(s->op_hasher, op);
	if (s->on_chunk && op->kind == OP_CHUNK)
		s->on_chunk(s->on_chunk_ctx, &op->name, (uint32_t)op->len);
}

static struct splitter *new_splitter(bool tar, bool by_operations, splitter_batch_fn *fn, void *ctx)
{
	struct splitter *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (by_operations)
		s->op_hasher = op_hasher_new();
	else
		s->hasher = hasher_new();
	s->makers[STREAM_MAIN] = batch_maker_new(STREAM_MAIN, fn, ctx);
	if (tar) {
		s->scan = tar_scan_new();
		s->makers[STREAM_SKELETON] = batch_maker_new(STREAM_SKELETON, fn, ctx);
	}
	if (!(s->hasher || s->op_hasher) || !s->makers[STREAM_MAIN] ||
		(tar && (!s->scan || !s->makers[STREAM_SKELETON]))) {
		splitter_free(s);
		return NULL;
	}
	if (by_operations)
		batch_maker_watch(s->makers[STREAM_MAIN], on_op, s);
	return s;
}

struct splitter *splitter_new(bool tar, splitter_batch_fn *fn, void *ctx)
{
	return new_splitter(tar, false, fn, ctx);
}

struct splitter *splitter_new_tree(
	splitter_batch_fn *fn, void *ctx, const struct batch_reader *reader)
{
	struct splitter *s = new_splitter(true, true, fn, ctx);

	if (s)
		batch_maker_set_reader(s->makers[STREAM_MAIN], reader);
	return s;
}

void splitter_watch(struct splitter *s, splitter_chunk_fn *fn, void *ctx)
{
	s->on_chunk = fn;
	s->on_chunk_ctx = ctx;
	batch_maker_watch(s->makers[STREAM_MAIN], on_op, s);
}

void splitter_free(struct splitter *s)
{
	if (!s)
		return;
	tar_scan_free(s->scan);
	batch_maker_free(s->makers[STREAM_MAIN]);
	batch_maker_free(s->makers[STREAM_SKELETON]);
	hasher_free(s->hasher);
	op_hasher_free(s->op_hasher);
	free(s);
}

static int split_tar(struct splitter *s, const uint8_t *bytes, size_t n, struct err *err)
{
	struct batch_maker *main = s->makers[STREAM_MAIN];

	while (n > 0) {
		enum tar_part part;
		bool ends;
		size_t k = tar_scan_next(s->scan, bytes, n, &part, &ends);

		if (part == TAR_SKELETON && s->op_hasher)
			op_hasher_skeleton(s->op_hasher, bytes, k);
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

static int grow(struct splitter *s, size_t n, struct err *err)
{
	if (n > BLOB_SIZE_MAX - s->size)
		return err_set(err, ERR_LIMIT, "more than %u TiB in one blob",
			(unsigned)(BLOB_SIZE_MAX >> 40));
	s->size += n;
	return 0;
}

static int split(struct splitter *s, const uint8_t *bytes, size_t n, struct err *err)
{
	if (s->hasher)
		hasher_update(s->hasher, bytes, n);
	if (grow(s, n, err) != 0)
		return -1;
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

static int pass_known(struct splitter *s, const struct digest *name, uint32_t len, uint64_t file,
	uint64_t at, struct err *err)
{
	struct batch_maker *main = s->makers[STREAM_MAIN];

	if (!s->op_hasher || batch_maker_open(main) || len == 0 || len > CHUNK_MAX ||
		len > tar_scan_file_left(s->scan))
		return err_set(err, ERR_FAILED, "a known chunk where no file's contents are");
	if (grow(s, len, err) != 0)
		return -1;
	tar_scan_skip(s->scan, len);
	return batch_maker_known(main, name, len, file, at, err);
}

int splitter_known(struct splitter *s, const struct digest *name, uint32_t len, uint64_t file,
	uint64_t at, struct err *err)
{
	if (s->failure.code != ERR_NONE || pass_known(s, name, len, file, at, &s->failure) != 0)
		return stopped(s, err);
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
	*ret_digest = s->hasher ? hasher_end(s->hasher) : op_hasher_end(s->op_hasher);
	*ret_size = s->size;
	return 0;
}
