/* The message that offers an image to a target. Pure. */
#pragma once

#include "common/engine/engine.h"
#include "protocol/message.h"

struct offer {
	struct message message; /* points into the image, and: */
	struct buf tags, sizes;
};

/* `layer_sizes`: as many as the image has layers, or NULL: unknown. The image must outlive the
 * offer. ERR_LIMIT: it has more layers than engines take. For offer_done, even on failure. */
int offer_build(struct offer *o, uint32_t job, const struct engine_image *image,
	const uint64_t *layer_sizes, const char *const *tags, size_t n_tags,
	struct err *err) MUST_CHECK;

void offer_done(struct offer *o);
