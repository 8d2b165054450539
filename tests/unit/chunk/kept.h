/* Keeps the batches of a splitter, checks each on its own, and rebuilds the blob from them. */
#pragma once

#include "common/chunk/splitter.h"

#define KEPT_MAX 512

struct kept {
	struct batch *batches[KEPT_MAX];
	size_t n;
};

/* Splits a blob, fed `step` bytes at a time, checks digest and size. */
void kept_split(struct kept *k, bool tar, const uint8_t *bytes, size_t n, size_t step);
void kept_done(struct kept *k);

/* Rebuilds the blob from names and recipes alone; fails unless it equals these bytes. */
void kept_assert_rebuilds(const struct kept *k, const uint8_t *bytes, size_t n);

/* Bytes of the chunks of a stream that are not among those of `older` (each counted once a batch);
 * with `older` NULL, of all. */
size_t kept_new_bytes(const struct kept *k, const struct kept *older, enum recipe_stream stream);

/* Recipe chunks of a stream that are not among those of `older`. */
size_t kept_new_recipes(const struct kept *k, const struct kept *older, enum recipe_stream stream);

size_t kept_recipes(const struct kept *k, enum recipe_stream stream);
