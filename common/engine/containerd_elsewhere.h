/* A layer of which containerd's content store lacks the blob that the image names: it may have the
 * same layer compressed in another way, or not at all, for another image. Blocking; any thread. */
#pragma once

#include "common/cargo/oci_manifest.h"
#include "common/engine/engine.h"

/* A blob that is there and that some image has for this layer. False: there is none. */
bool containerd_elsewhere(
	const struct engine_info *info, const struct digest *diff_id, struct digest *ret);
