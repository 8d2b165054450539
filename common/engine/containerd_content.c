#include "common/engine/containerd_content.h"

#include "common/base/file.h"
#include "common/cargo/oci_search.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOBS "io.containerd.content.v1.content/blobs/sha256"

/* --- blobs --- */

char *containerd_content_dir(const struct engine_info *info, size_t root)
{
	char *path;

	if (root > 0)
		return strdup("/var/lib/containerd/" BLOBS);
	return asprintf(&path, "%s/containerd/daemon/" BLOBS, info->data_root) < 0 ? NULL : path;
}

static char *blob_path(const struct engine_info *info, size_t root, const struct digest *blob)
{
	CLEANUP(cleanup_free) char *dir = containerd_content_dir(info, root);
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(blob, hex);
	return dir ? file_join(dir, hex) : NULL;
}

int containerd_content_path(
	const struct engine_info *info, const struct digest *blob, char **ret, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];
	int why = ENOENT;

	for (size_t i = 0; i < CONTAINERD_ROOTS && !info->remote; i++) {
		char *path = blob_path(info, i, blob);

		if (!path)
			return err_nomem(err);
		if (access(path, R_OK) == 0) {
			*ret = path;
			return 0;
		}
		if (errno != ENOENT && errno != ENOTDIR)
			why = errno;
		free(path);
	}
	digest_text(blob, text);
	if (why == ENOENT)
		return err_set(
			err, ERR_NOT_FOUND, "containerd's content store has no blob %s", text);
	return err_errno(err, why, "blob %s in containerd's content store", text);
}

int containerd_content_get(
	const struct engine_info *info, const struct digest *blob, struct buf *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	char text[DIGEST_TEXT_LEN + 1];
	struct digest got;

	if (containerd_content_path(info, blob, &path, err) != 0 || file_read(path, ret, err) != 0)
		return -1;
	got = digest_of(buf_bytes(ret), buf_len(ret));
	if (digest_equal(&got, blob))
		return 0;
	digest_text(blob, text);
	return err_set(err, ERR_CORRUPT, "blob %s in containerd's content store is damaged", text);
}

/* --- which manifest is the image --- */

static int get(void *ctx, const struct digest *blob, struct buf *ret)
{
	return containerd_content_get(ctx, blob, ret, NULL);
}

int containerd_content_manifest(const struct engine_info *info, const struct engine_image *image,
	struct oci_document *ret, struct err *err)
{
	struct oci_search search = { .at = &image->id,
		.config = image->config_known ? &image->config : NULL,
		.platform = &image->platform,
		.diff_ids = image->diff_ids,
		.n_diff_ids = image->n_diff_ids,
		.get = get,
		.ctx = (void *)info };
	CLEANUP(cleanup_free) char *path = NULL;
	char text[DIGEST_TEXT_LEN + 1];

	if (oci_search_manifest(&search, ret))
		return 0;
	if (containerd_content_path(info, &image->id, &path, err) != 0)
		return -1;
	digest_text(&image->id, text);
	return err_set(err, ERR_NOT_FOUND,
		"containerd's content store has no manifest and config of image %s", text);
}
