#include "common/engine/containerd_elsewhere.h"

#include "common/cargo/image_config.h"
#include "common/engine/containerd_content.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 200000u	  /* blobs of a store that are looked at */
#define MANIFEST_MAX (256u << 10) /* bytes of a manifest that is looked into */

static bool is_there(const struct engine_info *info, const struct digest *blob)
{
	CLEANUP(cleanup_free) char *path = NULL;

	return containerd_content_path(info, blob, &path, NULL) == 0;
}

/* Does this manifest have the layer, and the store the blob? */
static bool look(const struct engine_info *info, const struct oci_document *manifest,
	const struct digest *diff_id, struct digest *ret)
{
	CLEANUP(buf_done) struct buf config;
	size_t at;

	buf_init(&config, OCI_CONFIG_MAX);
	if (containerd_content_get(info, &manifest->config.digest, &config, NULL) != 0)
		return false;
	at = image_config_layer(buf_bytes(&config), buf_len(&config), diff_id);
	if (at >= manifest->n || !is_there(info, &manifest->items[at].digest))
		return false;
	*ret = manifest->items[at].digest;
	return true;
}

static bool look_into(const struct engine_info *info, const struct digest *name,
	const struct digest *diff_id, struct digest *ret)
{
	CLEANUP(buf_done) struct buf bytes;
	struct oci_document d = { 0 };
	bool found;

	buf_init(&bytes, MANIFEST_MAX);
	if (containerd_content_get(info, name, &bytes, NULL) != 0)
		return false;
	found = oci_document_parse(buf_bytes(&bytes), buf_len(&bytes), &d, NULL) == 0 &&
		d.kind == OCI_MANIFEST && look(info, &d, diff_id, ret);
	oci_document_done(&d);
	return found;
}

static bool is_small(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size <= MANIFEST_MAX;
}

static bool look_through(const struct engine_info *info, const char *path,
	const struct digest *diff_id, struct digest *ret)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned left = FILES_MAX;
	bool found = false;

	while (dir && !found && left-- > 0 && (e = readdir(dir))) {
		char text[DIGEST_TEXT_LEN + 1] = "sha256:";
		struct digest name;

		if (strlen(e->d_name) != DIGEST_HEX_LEN || !is_small(dirfd(dir), e->d_name))
			continue;
		memcpy(text + strlen(text), e->d_name, DIGEST_HEX_LEN + 1);
		found = digest_parse(text, &name, NULL) == 0 &&
			look_into(info, &name, diff_id, ret);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool containerd_elsewhere(
	const struct engine_info *info, const struct digest *diff_id, struct digest *ret)
{
	if (is_there(info, diff_id)) {
		*ret = *diff_id;
		return true;
	}
	for (size_t i = 0; i < CONTAINERD_ROOTS && !info->remote; i++) {
		CLEANUP(cleanup_free) char *path = containerd_content_dir(info, i);

		if (path && look_through(info, path, diff_id, ret))
			return true;
	}
	return false;
}
