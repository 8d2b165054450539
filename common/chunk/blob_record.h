/*
 * The record of a whole blob (CHUNK_BLOB) and the lists of recipe chunk names it points to
 * (CHUNK_LIST). Both streams' recipe chunks in order, LIST_NAMES_MAX names a list. Format:
 * common/chunk/README.md.
 */
#pragma once

#include "common/base/buf.h"
#include "common/chunk/recipe.h"

struct blob_record {
	struct digest digest;
	uint64_t size;
	struct digest *lists[2]; /* by enum recipe_stream; names of list chunks; owned */
	uint32_t n_lists[2];
};

void blob_record_done(struct blob_record *r);
void blob_record_put(struct buf *to, const struct blob_record *r);

/* ERR_CORRUPT when it is not one. */
int blob_record_parse(
	const void *bytes, size_t n, struct blob_record *ret, struct err *err) MUST_CHECK;
