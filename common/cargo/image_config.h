/* An image's config, as far as dray looks into it, and that of an image of some lower layers. Pure.
 */
#pragma once

#include "common/cargo/oci_manifest.h"

/* Images of an image's lower layers, which are there while its upper ones are still on their way,
 * have this label. */
#define IMAGE_PARTIAL_LABEL "dray.partial"

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

/* The text of a config that says nothing but these layers (n > 0), the label with this value and a
 * time in Unix seconds; the caller frees it. Engines make an image of it and ask for no more. */
int image_config_partial(const struct digest *diff_ids, size_t n, const char *label,
	uint64_t created, char **ret, struct err *err) MUST_CHECK;
