/* The catalogue's entry for an image that was loaded. */
#pragma once

#include "protocol/wire.h"
#include "server/depot/uv_depot.h"

/* Records in the background what the image is made of; a failure is only logged, since the image is
 * in the engine and can be pushed again. Loop's thread; nothing is kept of what is passed. */
void image_manifest_record(struct depot_domain *domain, const struct digest *image,
	const struct digest *diff_ids, uint32_t n, const wire_texts *tags);
