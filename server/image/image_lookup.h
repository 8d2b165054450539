/* Which of an image's blobs a domain's store has, complete and verified. Loop's thread. */
#pragma once

#include "server/depot/uv_pin.h"

struct image_lookup;

/* found[i] and sizes[i] answer names[i]; valid during the call. `empty`: the domain holds nothing
 * at all. err NULL on success. Fires from the loop. */
typedef void image_lookup_fn(
	void *ctx, const bool *found, const uint64_t *sizes, bool empty, const struct err *err);

/* `names` are copied. What is found is kept for `pin`. */
int image_lookup_start(struct depot_domain *domain, const struct uv_pin *pin,
	const struct digest *names, uint32_t n, image_lookup_fn *fn, void *ctx,
	struct image_lookup **ret, struct err *err) MUST_CHECK;

/* `fn` does not fire any more. NULL is fine. */
void image_lookup_forget(struct image_lookup *l);
