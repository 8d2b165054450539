/* An image's config, as far as dray looks into it. Pure. */
#pragma once

#include "common/cargo/oci_manifest.h"

/* The config must be JSON without repeated keys whose rootfs.diff_ids are exactly these. Else
 * ERR_VERIFY. */
int image_config_check(const void *bytes, size_t len, const struct digest *diff_ids, size_t n,
	struct err *err) MUST_CHECK;

/* Where a layer stands in the config, the lowest being 0; IMAGE_CONFIG_NO_LAYER: nowhere. */
#define IMAGE_CONFIG_NO_LAYER SIZE_MAX
size_t image_config_layer(const void *bytes, size_t len, const struct digest *diff_id);

/* The platform that the config says it is for. ERR_VERIFY: it is no JSON object. */
int image_config_platform(
	const void *bytes, size_t len, struct oci_platform *ret, struct err *err) MUST_CHECK;
