/*
 * Layers out of containerd's content store, read from its files instead of through the engine,
 * which hands them out at a twentieth of the speed. The layout is containerd's own affair and may
 * change: everything is checked, nothing is trusted. The same interface as overlay2.h.
 */
#pragma once

#include "common/engine/engine.h"

#include <stdatomic.h>

/* Does this process find the image's manifest and config in the store? -1 with the reason when not.
 * Quick. */
int containerd_check(const struct engine_info *info, const struct engine_image *image,
	struct err *err) MUST_CHECK;

/*
 * Reads the wanted layers, the lowest first, and the config. Blocking; stops soon after *stop is
 * set. The sink checks that a layer's bytes hash to its diffID, and says ERR_VERIFY at its end when
 * they do not. ERR_AGAIN: the files are not what they should be, but the engine may still be able
 * to save the image; a layer may have been begun. ERR_NOT_FOUND: the store does not have a layer at
 * all, and neither does the engine.
 */
int containerd_read(const struct engine_info *info, const struct engine_image *image,
	const atomic_bool *stop, const struct engine_save_sink *sink, void *sink_ctx,
	struct err *err) MUST_CHECK;
