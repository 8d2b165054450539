/*
 * Recipe operations, encoded and decoded. A blob has two streams: the main stream, whose recipe
 * rebuilds the blob, and the skeleton stream, whose bytes the main recipe takes in order by
 * `skeleton n`. Each stream is described by a sequence of recipe chunks. The skeleton stream's
 * recipe has no skeleton operations. Format: common/chunk/README.md, "Recipes".
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/chunk/digest.h"
#include "common/chunk/limits.h"

enum recipe_stream { STREAM_MAIN = 0, STREAM_SKELETON = 1 };

enum recipe_op_kind {
	OP_SKELETON =
		1, /* varint n                          : the next n bytes of the skeleton stream */
	OP_CHUNK = 2, /* name[32] varint len               : a whole chunk of len bytes */
	OP_RANGE = 3, /* name[32] varint offset varint len : part of a chunk */
};

struct recipe_op {
	enum recipe_op_kind kind;
	struct digest name; /* OP_CHUNK, OP_RANGE */
	uint64_t offset;    /* OP_RANGE */
	uint64_t len;	    /* bytes that this operation gives to its stream */
};

void recipe_put(struct buf *to, const struct recipe_op *op);

/* Decodes and checks a whole recipe chunk (unknown kinds, zero or too long lengths, too many
 * operations, a skeleton operation in the skeleton stream are ERR_PROTOCOL). `ret` holds
 * RECIPE_OPS_MAX operations. */
int recipe_decode(enum recipe_stream stream, const void *bytes, size_t n, struct recipe_op *ret,
	size_t *ret_n, struct err *err) MUST_CHECK;
