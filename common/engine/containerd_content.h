/*
 * containerd's content store, read from its files: a blob is a file named by the SHA-256 of its
 * bytes. The engine does not tell where the store is, so it is looked for where Docker and
 * containerd put it; a blob that hashes to its name is right wherever it was found. Blocking,
 * quick; any thread.
 */
#pragma once

#include "common/base/buf.h"
#include "common/cargo/oci_manifest.h"
#include "common/engine/engine.h"

/* Where the store may be: the root of a containerd that dockerd has started for itself, and that of
 * a system's containerd. The directory of its blobs, a new string; NULL when out of memory. */
#define CONTAINERD_ROOTS 2u
char *containerd_content_dir(const struct engine_info *info, size_t root);

/* The path of the blob's file, which this process may read; the caller frees it. ERR_NOT_FOUND: no
 * store has it. */
int containerd_content_path(const struct engine_info *info, const struct digest *blob, char **ret,
	struct err *err) MUST_CHECK;

/* The whole blob, into `ret`, whose max bounds it. Its hash is checked (ERR_CORRUPT). */
int containerd_content_get(const struct engine_info *info, const struct digest *blob,
	struct buf *ret, struct err *err) MUST_CHECK;

/* The manifest that the engine means by the image: the one with its config, or, when that is not
 * known, whose config has its platform and its layers. oci_document_done(ret) after success. */
int containerd_content_manifest(const struct engine_info *info, const struct engine_image *image,
	struct oci_document *ret, struct err *err) MUST_CHECK;
