/*
 * The tar that `docker load` reads: headers, padding and manifest.json. dray makes every name in
 * it; nothing that a peer sent becomes one. Layers that the engine has are listed in manifest.json
 * and have no file. The caller streams the members' bytes itself. Pure.
 */
#pragma once

#include "common/chunk/digest.h"

#define DOCKER_ARCHIVE_BLOCK 512u
#define DOCKER_ARCHIVE_END (2 * DOCKER_ARCHIVE_BLOCK) /* zero bytes that end the archive */
#define DOCKER_ARCHIVE_NAME_MAX 72u		      /* of a member, with the NUL */

/* "<hex>.json" */
void docker_archive_config_name(const struct digest *config, char ret[DOCKER_ARCHIVE_NAME_MAX]);

/* "<hex>.tar" */
void docker_archive_layer_name(const struct digest *diff_id, char ret[DOCKER_ARCHIVE_NAME_MAX]);

/* "member-<n>.tar": for a layer whose hash is not known when its header is written. */
void docker_archive_member_name(unsigned n, char ret[DOCKER_ARCHIVE_NAME_MAX]);

/* The header of a plain file; a size of 8 GiB and more is written in base 256. */
void docker_archive_header(uint8_t ret[DOCKER_ARCHIVE_BLOCK], const char *name, uint64_t size);

/* Zero bytes after a member of this size. */
size_t docker_archive_padding(uint64_t size);

/* The text of manifest.json, without tags; the caller frees it. */
int docker_archive_manifest(const char *config_name, const char *const *layer_names, size_t n,
	char **ret, struct err *err) MUST_CHECK;
