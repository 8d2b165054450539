/*
 * What an engine with the containerd store holds of its images' layers. Such an image is a manifest
 * that names blobs, compressed or not; an image that is to be saved or pushed later may only name
 * blobs that are there, and the engine does not tell their names. So they are read from its files.
 */
#pragma once

#include "common/cargo/docker_archive.h"
#include "common/engine/engine.h"

/* Fills in by layer how a manifest may name what is there; media_type NULL: the store has no blob
 * of it, or one that is for this store alone. False: its files cannot be read, or do not tell.
 * Blocking, quick. */
bool engine_content_layers(const struct engine_info *info, const struct engine_image *image,
	struct archive_layer *ret);

/* Has the store this blob? Also true when its files cannot be read. */
bool engine_content_has(const struct engine_info *info, const struct digest *blob);
