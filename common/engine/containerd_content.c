#include "common/engine/containerd_content.h"

#include "common/base/file.h"
#include "common/cargo/image_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOBS "io.containerd.content.v1.content/blobs/sha256"
#define INDEX_DEPTH_MAX 3u /* an index may stand in an index */
#define LOOKS_MAX 512u	   /* documents that are read for one image at most */

/* --- blobs --- */

/* The root of a containerd that dockerd has started for itself, and containerd's own. */
#define ROOTS 2u
static char *blob_path(const struct engine_info *info, size_t root, const struct digest *blob)
{
	char hex[DIGEST_HEX_LEN + 1];
	char *path;
	int n;

	digest_hex(blob, hex);
	if (root == 0)
		n = asprintf(&path, "%s/containerd/daemon/" BLOBS "/%s", info->data_root, hex);
	else
		n = asprintf(&path, "/var/lib/containerd/" BLOBS "/%s", hex);
	return n < 0 ? NULL : path;
}

int containerd_content_path(
	const struct engine_info *info, const struct digest *blob, char **ret, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];
	int why = ENOENT;

	for (size_t i = 0; i < ROOTS && !info->remote; i++) {
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

struct search {
	const struct engine_info *info;
	const struct engine_image *image;
	unsigned left; /* documents that may still be looked at */
	struct oci_document *ret;
};

static bool is_config(const struct search *s, const struct digest *config)
{
	CLEANUP(buf_done) struct buf bytes;
	struct oci_platform platform;

	buf_init(&bytes, ENGINE_CONFIG_MAX);
	return containerd_content_get(s->info, config, &bytes, NULL) == 0 &&
	       image_config_platform(buf_bytes(&bytes), buf_len(&bytes), &platform, NULL) == 0 &&
	       oci_platform_equal(&platform, &s->image->platform) &&
	       image_config_check(buf_bytes(&bytes), buf_len(&bytes), s->image->diff_ids,
		       s->image->n_diff_ids, NULL) == 0;
}

static bool search(struct search *s, const struct digest *at, unsigned depth);

static bool search_index(struct search *s, const struct oci_document *index, unsigned depth)
{
	if (depth == INDEX_DEPTH_MAX)
		return false;
	/* Of most platforms in an index a store has nothing but the name. */
	for (size_t i = 0; i < index->n; i++)
		if (!index->items[i].attestation && search(s, &index->items[i].digest, depth + 1))
			return true;
	return false;
}

static bool search(struct search *s, const struct digest *at, unsigned depth)
{
	CLEANUP(buf_done) struct buf bytes;
	struct oci_document d;
	bool found = false;

	buf_init(&bytes, OCI_DOCUMENT_MAX);
	if (s->left == 0 || containerd_content_get(s->info, at, &bytes, NULL) != 0)
		return false;
	s->left--;
	if (oci_document_parse(buf_bytes(&bytes), buf_len(&bytes), &d, NULL) != 0) {
		oci_document_done(&d);
		return false;
	}
	if (d.kind == OCI_MANIFEST && is_config(s, &d.config.digest)) {
		*s->ret = d;
		return true;
	}
	if (d.kind == OCI_INDEX)
		found = search_index(s, &d, depth);
	oci_document_done(&d);
	return found;
}

int containerd_content_manifest(const struct engine_info *info, const struct engine_image *image,
	struct oci_document *ret, struct err *err)
{
	struct search s = { .info = info, .image = image, .left = LOOKS_MAX, .ret = ret };
	char text[DIGEST_TEXT_LEN + 1];

	*ret = (struct oci_document){ 0 };
	if (search(&s, &image->id, 0))
		return 0;
	digest_text(&image->id, text);
	return err_set(err, ERR_NOT_FOUND,
		"containerd's content store has no manifest and config of image %s", text);
}
