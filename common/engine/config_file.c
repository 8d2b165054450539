#include "common/base/file.h"
#include "common/engine/containerd_content.h"

#include <stdio.h>
#include <string.h>

/* The driver's name becomes part of a path. */
static bool is_plain_name(const char *s)
{
	return *s && *s != '.' && !strchr(s, '/');
}

/* <data root>/image/<driver>/imagedb/content/sha256/<config> */
static bool read_imagedb(
	const struct engine_info *info, const struct digest *config, struct buf *ret)
{
	char path[sizeof(info->data_root) + sizeof(info->driver) + 128];
	char hex[DIGEST_HEX_LEN + 1];
	struct digest got;

	if (info->remote || info->data_root[0] != '/' || !is_plain_name(info->driver))
		return false;
	digest_hex(config, hex);
	snprintf(path, sizeof(path), "%s/image/%s/imagedb/content/sha256/%s", info->data_root,
		info->driver, hex);
	if (file_read(path, ret, NULL) != 0)
		return false;
	got = digest_of(buf_bytes(ret), buf_len(ret));
	return digest_equal(&got, config);
}

bool engine_read_config(
	const struct engine_info *info, const struct digest *config, uint8_t **ret, size_t *ret_len)
{
	CLEANUP(buf_done) struct buf file;

	buf_init(&file, ENGINE_CONFIG_MAX);
	if (info->containerd_store ? containerd_content_get(info, config, &file, NULL) != 0
				   : !read_imagedb(info, config, &file))
		return false;
	if (buf_len(&file) == 0)
		return false;
	*ret = buf_steal(&file, ret_len);
	return true;
}
