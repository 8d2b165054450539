/*
 * The pin of one image job, from the loop's side: what the job's questions were told and what was
 * stored for it is not given up before the job has ended, or a day after it failed. The owner is
 * the key with the image, so that the same push run again takes the pin over.
 */
#pragma once

#include "server/depot/uv_depot.h"

struct uv_pin;

/* Loop's thread. Calls posted from now on, and before uv_pin_end, may use it. NULL when out of
 * memory. */
struct uv_pin *uv_pin_begin(
	struct depot_domain *domain, const char *key, const struct digest *image);

/* Loop's thread; frees. `finished`: the image is loaded. NULL is fine. */
void uv_pin_end(struct uv_pin *p, bool finished);

/* The store's thread, in a call. NULL (then nothing is pinned) when it could not begin, which the
 * log says, and for a NULL pin. */
struct store_pin *uv_pin_of(const struct uv_pin *p);
