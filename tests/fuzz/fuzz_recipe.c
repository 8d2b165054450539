/* Any bytes as a recipe of either stream: what decodes keeps the limits, and encoding it again
 * gives the same bytes. */
#include "common/chunk/recipe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_op(enum recipe_stream stream, const struct recipe_op *op)
{
	check(op->len > 0);
	check(stream == STREAM_MAIN || op->kind != OP_SKELETON);
	if (op->kind == OP_SKELETON)
		check(op->len <= RECIPE_SKELETON_MAX);
	else
		check(op->len <= CHUNK_MAX && op->offset <= CHUNK_MAX - op->len);
}

static void decode(enum recipe_stream stream, const uint8_t *bytes, size_t n)
{
	static struct recipe_op ops[RECIPE_OPS_MAX];
	struct buf again;
	struct err err;
	size_t n_ops;

	if (recipe_decode(stream, bytes, n, ops, &n_ops, &err) != 0) {
		check(err.code == ERR_PROTOCOL);
		return;
	}
	check(n_ops >= 1 && n_ops <= RECIPE_OPS_MAX);
	buf_init(&again, RECIPE_CHUNK_MAX);
	for (size_t i = 0; i < n_ops; i++) {
		check_op(stream, &ops[i]);
		recipe_put(&again, &ops[i]);
	}
	check(buf_ok(&again) && buf_len(&again) == n && memcmp(buf_bytes(&again), bytes, n) == 0);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	decode(STREAM_MAIN, bytes, n);
	decode(STREAM_SKELETON, bytes, n);
	return 0;
}
