/*
 * What a `save` archive of a containerd engine tells about an image: its manifest, and so its
 * config and what its layers are called there. For those who may not read the engine's files.
 * Blocking; runs on the save's own thread.
 */
#pragma once

#include "common/engine/save_archive.h"

/* Reads until the image's manifest and config have come by, which may be well before the end.
 * oci_document_done(ret) after success. ERR_NOT_FOUND: they are not in it. */
int save_learn(const struct engine_image *image, save_read_fn *read, void *read_ctx,
	struct oci_document *ret, struct err *err) MUST_CHECK;
