/*
 * The last segments that were opened and verified, so that what has just come in need not be read
 * back, hashed and decompressed a second time. Bounded by bytes; what was there longest goes first.
 * Any thread.
 */
#pragma once

#include "common/chunk/segment.h"

#include <stdatomic.h>

#define RAW_CACHE_BYTES (12u << 20)

/* The raw bytes of a segment. Never changed once it is in a cache. */
struct raw_segment {
	atomic_uint refs;
	struct digest stored_digest; /* its name: the hash of the stored bytes */
	uint32_t len;
	uint8_t bytes[];
};

/* One reference, the caller's; `bytes` are to be filled in. NULL when out of memory. */
struct raw_segment *raw_segment_new(const struct segment *head);

/* NULL is fine. */
void raw_segment_unref(struct raw_segment *s);

struct raw_cache;

struct raw_cache *raw_cache_new(void);	  /* NULL when out of memory */
void raw_cache_free(struct raw_cache *c); /* NULL is fine */

/* Keeps a reference of its own. */
void raw_cache_put(struct raw_cache *c, struct raw_segment *s);

/* What a segment with this head opens to: a reference, the caller's; NULL when it is not there. */
struct raw_segment *raw_cache_get(struct raw_cache *c, const struct segment *head);
