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

void image_cache_add(struct image_cache *c, const struct digest *id, const struct digest *diff_ids,
	size_t n_diff_ids)
{
	struct cached_image **at = bucket(c, id), *e;

	if (image_cache_find(c, id))
		return;
	e = malloc(sizeof(*e) + n_diff_ids * sizeof(e->diff_ids[0]));
	if (!e)
		return;
	*e = (struct cached_image){
		.next = *at, .id = *id, .seen = c->listing, .n_diff_ids = n_diff_ids
	};
	if (n_diff_ids)
		memcpy(e->diff_ids, diff_ids, n_diff_ids * sizeof(e->diff_ids[0]));
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
