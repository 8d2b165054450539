/* Whose the images without a name are. The oldest is forgotten for a new one: its owner brings it
 * again, which costs a question. */
#include "server/engine/engine_side.h"

#include <stdlib.h>
#include <string.h>

struct held_image {
	char *key;
	struct digest image;
};

static void drop_first(struct engine_host *h)
{
	free(h->held[0].key);
	h->n_held--;
	memmove(&h->held[0], &h->held[1], h->n_held * sizeof(h->held[0]));
}

void engine_image_hold(struct engine_host *h, const char *key, const struct digest *image)
{
	char *copy = strdup(key);

	if (!h->held)
		h->held = calloc(ENGINE_HELD_MAX, sizeof(h->held[0]));
	if (!h->held || !copy || engine_image_held(h, key, image)) {
		free(copy);
		return;
	}
	if (h->n_held == ENGINE_HELD_MAX)
		drop_first(h);
	h->held[h->n_held++] = (struct held_image){ .key = copy, .image = *image };
}

bool engine_image_held(const struct engine_host *h, const char *key, const struct digest *image)
{
	for (size_t i = 0; i < h->n_held; i++) {
		if (digest_equal(&h->held[i].image, image) && strcmp(h->held[i].key, key) == 0)
			return true;
	}
	return false;
}

void engine_images_held_free(struct engine_host *h)
{
	while (h->n_held > 0)
		drop_first(h);
	free(h->held);
}
