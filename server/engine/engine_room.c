#include "server/engine/engine_room.h"

#include "common/base/file.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <unistd.h>

/* Not in the kernel's headers. */
#define ZFS_MAGIC 0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e

/* Whoever may not look into the engine's directory, as only root may, takes the path's word. */
static bool is_engines(const struct engine_info *info)
{
	CLEANUP(cleanup_free) char *images = file_join(info->data_root, info->driver);

	return images && (access(images, F_OK) == 0 || errno == EACCES);
}

static bool compresses(const struct statfs *fs)
{
	switch ((uint32_t)fs->f_type) {
	case BTRFS_SUPER_MAGIC:
	case ZFS_MAGIC:
	case BCACHEFS_MAGIC:
		return true;
	default:
		return false;
	}
}

uint64_t engine_room(const struct engine_info *info)
{
	struct statfs fs;
	uint64_t bytes;

	if (info->remote || !is_engines(info) || statfs(info->data_root, &fs) != 0 ||
		compresses(&fs) ||
		__builtin_mul_overflow((uint64_t)fs.f_bfree, (uint64_t)fs.f_bsize, &bytes))
		return ENGINE_ROOM_UNKNOWN;
	return bytes;
}
