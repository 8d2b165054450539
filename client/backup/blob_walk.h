/*
 * Puts a blob together of its chunks as they come, each before what is made of it: the receiver's
 * part of a restore. What it gives out is the blob's bytes in order; its end says whether they are
 * what the blob's name says. Pure; one thread. protocol/README.md section 5.2.
 */
#pragma once

#include "common/chunk/digest.h"

struct blob_walk;

/* The next bytes; -1 stops the walk with that error. */
typedef int blob_walk_fn(void *ctx, const void *bytes, size_t n, struct err *err);

/* `tree`: the blob is named by its operations. NULL when out of memory. */
struct blob_walk *blob_walk_new(bool tree, blob_walk_fn *fn, void *ctx);
void blob_walk_free(struct blob_walk *w); /* NULL is fine */

/* The next chunk, whose bytes hash to its name. One that is not the next is ERR_PROTOCOL. */
int blob_walk_chunk(struct blob_walk *w, const struct digest *name, const void *bytes, size_t n,
	struct err *err) MUST_CHECK;

/* That was all. ERR_VERIFY: it is not the blob of this name, or not all of it. */
int blob_walk_end(struct blob_walk *w, const struct digest *digest, uint64_t *ret_size,
	struct err *err) MUST_CHECK;
