/* What a rebuild works on: blobs, and the items that its thread gives out, which are made there and
 * freed by who takes them. */
#pragma once

#include "common/chunk/segment.h"
#include "server/image/rebuild.h"
#include "server/image/rebuild_stream.h"

/* With room for `n` bytes. NULL when out of memory. */
struct rebuild_item *rebuild_item_new(
	const struct rebuild_blob *b, enum rebuild_kind kind, size_t n);

/* A REBUILD_SEGMENT of all chunks in the builder, which must not be empty. NULL with `err`. */
struct rebuild_item *rebuild_item_sealed(
	const struct rebuild_blob *b, struct segment_builder *segments, struct err *err);

void rebuild_blob_free(struct rebuild_blob *b); /* NULL is fine */

/* The next recipe chunks of a stream. Under the rebuild's lock. */
int rebuild_blob_add(struct rebuild_blob *b, enum recipe_stream stream, const struct digest *names,
	size_t n, struct err *err) MUST_CHECK;
