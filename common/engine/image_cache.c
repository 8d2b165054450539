#include "common/engine/image_cache.h"

#include <stdlib.h>
#include <string.h>

static struct cached_image **bucket(struct image_cache *c, const struct digest *id)
{
	return &c->buckets[digest_short(id) % IMAGE_CACHE_BUCKETS];
}

/* Frees the entries that this listing did not see (all of them when `all`). */
static void drop(struct image_cache *c, bool all)
{
	for (size_t i = 0; i < IMAGE_CACHE_BUCKETS; i++) {
		struct cached_image **at = &c->buckets[i];

		while (*at) {
			struct cached_image *e = *at;

			if (!all && e->seen == c->listing) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			free(e);
		}
	}
}

void image_cache_done(struct image_cache *c)
{
	drop(c, true);
}

struct cached_image *image_cache_find(struct image_cache *c, const struct digest *id)
{
	for (struct cached_image *e = *bucket(c, id); e; e = e->next) {
		if (digest_equal(&e->id, id)) {
			e->seen = c->listing;
			return e;
		}
	}
	return NULL;
}

void image_cache_add(struct image_cache *c, const struct engine_image *image)
{
	struct cached_image **at = bucket(c, &image->id), *e = image_cache_find(c, &image->id);
	size_t n = image->n_diff_ids;

	if (e) {
		/* Learnt since. */
		e->config = image->config;
		e->config_known = image->config_known;
		return;
	}
	e = malloc(sizeof(*e) + n * sizeof(e->diff_ids[0]));
	if (!e)
		return;
	*e = (struct cached_image){ .next = *at,
		.id = image->id,
		.config = image->config,
		.config_known = image->config_known,
		.seen = c->listing,
		.n_diff_ids = n };
	if (n)
		memcpy(e->diff_ids, image->diff_ids, n * sizeof(e->diff_ids[0]));
	*at = e;
}

void image_cache_begin(struct image_cache *c)
{
	c->listing++;
}

void image_cache_end(struct image_cache *c)
{
	drop(c, false);
}
