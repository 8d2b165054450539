/*
 * An image of one layer out of a container's whole file system, with the settings that the
 * container's own image gave: made in the engine beside this command, where it is then as any
 * other. Loop's thread.
 */
#pragma once

#include "common/engine/engine_container.h"

struct flat_image;

/* `id`: the image, by its config. err NULL on success; the flat_image is gone after the call. */
typedef void flat_image_fn(void *ctx, const struct digest *id, const struct err *err);

/* The container does not run. `config` is what its image gave ({"Env": […], …}), `base` that
 * image's ID for the history. */
int flat_image_start(struct engine *e, const char *container, const json_t *config,
	const char *base, flat_image_fn *fn, void *ctx, struct flat_image **ret,
	struct err *err) MUST_CHECK;

/* Ends with ERR_INTERRUPTED. */
void flat_image_cancel(struct flat_image *f);
