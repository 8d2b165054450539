/*
 * Docker's overlay2 store, read from its files: a layer's tar is put together again from its
 * tar-split data and its directory, without the engine, which would spool the whole image first.
 * The layout is the engine's own affair and may change: everything is checked, nothing is trusted.
 */
#pragma once

#include "common/engine/engine.h"

#include <stdatomic.h>

/* Are these the files of an engine that has the image, and may this process read them? -1 with the
 * reason when not. Quick. */
int overlay2_check(const struct engine_info *info, const struct engine_image *image,
	struct err *err) MUST_CHECK;

/*
 * Reads the wanted layers, the lowest first, and the config. Blocking; stops soon after *stop is
 * set. The sink checks that a layer's bytes hash to its diffID, and says ERR_VERIFY at its end when
 * they do not. ERR_AGAIN: the files are not what they should be, but the engine may still be able
 * to save the image; a layer may have been begun.
 */
int overlay2_read(const struct engine_info *info, const struct engine_image *image,
	const atomic_bool *stop, const struct engine_save_sink *sink, void *sink_ctx,
	struct err *err) MUST_CHECK;
