/*
 * Which manifest an engine means by an image: the image's name may be that of an index, of which a
 * store has only some platforms. Pure; where the documents come from is the caller's affair.
 */
#pragma once

#include "common/base/buf.h"
#include "common/cargo/oci_manifest.h"

#define OCI_CONFIG_MAX (1u << 20) /* bytes of an image's config */

/* The whole blob of this name, which is at most the max of `ret`. -1: it is not to be had. */
typedef int oci_get_fn(void *ctx, const struct digest *blob, struct buf *ret);

struct oci_search {
	const struct digest *at;     /* a manifest, or an index of them */
	const struct digest *config; /* alone decides, when it is known; else NULL */
	const struct oci_platform *platform;
	const struct digest *diff_ids;
	size_t n_diff_ids;
	oci_get_fn *get;
	void *ctx;
};

/* The manifest whose config is this one or has this platform and these layers, and that has a layer
 * for each.
 * False: there is none. oci_document_done(ret) after true. */
bool oci_search_manifest(const struct oci_search *search, struct oci_document *ret);
