/*
 * Reads a `save` archive: finds out which entry is which layer, passes over what is not wanted and
 * hands the rest to the sink as it comes. Blocking; runs on the save's own thread.
 */
#pragma once

#include "common/engine/save_archive.h"

int save_read(const struct engine_image *image, save_read_fn *read, void *read_ctx,
	const struct engine_save_sink *sink, void *sink_ctx, struct err *err) MUST_CHECK;
