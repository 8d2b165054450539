#include "server/engine/engine_content.h"

#include "common/engine/containerd_content.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The media types of layers that anybody may have, Docker's and OCI's, as OCI's. NULL: another one,
 * of a layer that must not be passed on or that is encrypted. */
static const char *layer_type(const char *media_type)
{
	static const char *const types[][2] = {
		{ DOCKER_ARCHIVE_RAW_LAYER, DOCKER_ARCHIVE_RAW_LAYER },
		{ DOCKER_ARCHIVE_RAW_LAYER "+gzip", DOCKER_ARCHIVE_RAW_LAYER "+gzip" },
		{ DOCKER_ARCHIVE_RAW_LAYER "+zstd", DOCKER_ARCHIVE_RAW_LAYER "+zstd" },
		{ "application/vnd.docker.image.rootfs.diff.tar", DOCKER_ARCHIVE_RAW_LAYER },
		{ "application/vnd.docker.image.rootfs.diff.tar.gzip",
			DOCKER_ARCHIVE_RAW_LAYER "+gzip" },
		{ "application/vnd.docker.image.rootfs.diff.tar.zstd",
			DOCKER_ARCHIVE_RAW_LAYER "+zstd" },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(media_type, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}

static bool is_there(const struct engine_info *info, const struct oci_item *item)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	return containerd_content_path(info, &item->digest, &path, NULL) == 0 &&
	       stat(path, &st) == 0 && (uint64_t)st.st_size == item->size;
}

bool engine_content_layers(
	const struct engine_info *info, const struct engine_image *image, struct archive_layer *ret)
{
	struct oci_document manifest = { 0 };
	bool told = containerd_content_manifest(info, image, &manifest, NULL) == 0 &&
		    manifest.n == image->n_diff_ids;

	for (size_t i = 0; told && i < manifest.n; i++) {
		const struct oci_item *item = &manifest.items[i];

		ret[i] = (struct archive_layer){ .digest = item->digest,
			.size = item->size,
			.media_type = is_there(info, item) ? layer_type(item->media_type) : NULL };
	}
	oci_document_done(&manifest);
	return told;
}

bool engine_content_has(const struct engine_info *info, const struct digest *blob)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct err err = { 0 };

	return containerd_content_path(info, blob, &path, &err) == 0 || err.code != ERR_NOT_FOUND;
}
