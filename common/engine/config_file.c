#include "common/base/file.h"
#include "common/engine/engine.h"

#include <stdio.h>
#include <string.h>

/* The driver's name becomes part of a path. */
static bool is_plain_name(const char *s)
{
	return *s && *s != '.' && !strchr(s, '/');
}

bool engine_read_config(
	const struct engine_info *info, const struct digest *image, uint8_t **ret, size_t *ret_len)
{
	char path[sizeof(info->data_root) + sizeof(info->driver) + 128];
	char hex[DIGEST_HEX_LEN + 1];
	CLEANUP(buf_done) struct buf file;
	struct digest got;

	buf_init(&file, ENGINE_CONFIG_MAX);
	if (info->data_root[0] != '/' || !is_plain_name(info->driver))
		return false;
	digest_hex(image, hex);
	snprintf(path, sizeof(path), "%s/image/%s/imagedb/content/sha256/%s", info->data_root,
		info->driver, hex);
	if (file_read(path, &file, NULL) != 0 || buf_len(&file) == 0)
		return false;
	got = digest_of(buf_bytes(&file), buf_len(&file));
	if (!digest_equal(&got, image))
		return false;
	*ret = buf_steal(&file, ret_len);
	return true;
}
