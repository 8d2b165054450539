/*
 * The tar that `docker load` reads, in the one layout that all engines take: an OCI image layout
 * (oci-layout, index.json, blobs named by their hash) with Docker's manifest.json beside it. The
 * classic store goes by manifest.json, containerd's store and Podman by index.json. dray makes
 * every name in it; nothing that a peer sent becomes one. Layers that the engine has are named and
 * have no file. The order of the members is free. The caller streams their bytes itself. Pure.
 */
#pragma once

#include "common/chunk/digest.h"

#define DOCKER_ARCHIVE_BLOCK 512u
#define DOCKER_ARCHIVE_END (2 * DOCKER_ARCHIVE_BLOCK) /* zero bytes that end the archive */
#define DOCKER_ARCHIVE_NAME_MAX 80u		      /* of a member, with the NUL */

#define DOCKER_ARCHIVE_LAYOUT_NAME "oci-layout"
#define DOCKER_ARCHIVE_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

#define DOCKER_ARCHIVE_RAW_LAYER "application/vnd.oci.image.layer.v1.tar"

/* A layer as the archive's OCI manifest names it. */
struct archive_layer {
	struct digest digest; /* of the blob: of a raw tar the diffID */
	uint64_t size;	      /* of the blob; of one that is not in the archive and that only its
			       * diffID names engines ask no size */
	const char *media_type;
};

/* "blobs/sha256/<hex>" */
void docker_archive_blob_name(const struct digest *digest, char ret[DOCKER_ARCHIVE_NAME_MAX]);

/* "member-<n>.tar": for a layer whose hash is not known when its header is written. A link from its
 * blob name follows when it is. */
void docker_archive_member_name(unsigned n, char ret[DOCKER_ARCHIVE_NAME_MAX]);

/* The header, which is all of it, of a symbolic link at the blob's name to a member at the top. */
void docker_archive_blob_link(
	uint8_t ret[DOCKER_ARCHIVE_BLOCK], const struct digest *digest, const char *member);

/* The header of a plain file; a size of 8 GiB and more is written in base 256. */
void docker_archive_header(uint8_t ret[DOCKER_ARCHIVE_BLOCK], const char *name, uint64_t size);

/* Zero bytes after a member of this size. */
size_t docker_archive_padding(uint64_t size);

/* The texts of the documents, which the caller frees. manifest.json, without tags: */
int docker_archive_manifest(const char *config_name, const char *const *layer_names, size_t n,
	char **ret, struct err *err) MUST_CHECK;

/* The OCI manifest, the lowest layer first. Its hash is the image's ID in containerd's store. */
int docker_archive_oci_manifest(const struct digest *config, uint64_t config_size,
	const struct archive_layer *layers, size_t n, char **ret, struct err *err) MUST_CHECK;

/* index.json, which names that manifest, and no image. */
int docker_archive_index(
	const struct digest *manifest, uint64_t size, char **ret, struct err *err) MUST_CHECK;
