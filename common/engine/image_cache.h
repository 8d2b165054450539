/*
 * The layers and configs of images by the engine's ID: what never changes, and costs an inspect or
 * more. Entries that the engine no longer lists are dropped, so the cache is bounded by the engine.
 * Pure; one owner.
 */
#pragma once

#include "common/engine/engine.h"

struct cached_image {
	struct cached_image *next;
	struct digest id, config;
	bool config_known;
	unsigned seen; /* the last listing that had it */
	size_t n_diff_ids;
	struct digest diff_ids[];
};

#define IMAGE_CACHE_BUCKETS 1024u

struct image_cache {
	struct cached_image *buckets[IMAGE_CACHE_BUCKETS];
	unsigned listing;
};

void image_cache_done(struct image_cache *c);

/* The entry, or NULL; valid until the cache is changed. */
struct cached_image *image_cache_find(struct image_cache *c, const struct digest *id);

/* Keeps an image; without memory it is simply not kept. */
void image_cache_add(struct image_cache *c, const struct engine_image *image);

/* A listing begins; those found or added until it ends stay. */
void image_cache_begin(struct image_cache *c);
void image_cache_end(struct image_cache *c);
