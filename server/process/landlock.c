/*
 * Happy path: the version, a set of all rights to files that it knows, a rule for each path, enter.
 * Failure modes: a kernel without Landlock or one that hides it, which is told; anything after
 * that, which is an error.
 */
#include "server/process/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers that are built with. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ull << 15)
#endif

#define FIRST_RIGHTS (LANDLOCK_ACCESS_FS_REFER - 1) /* all of version 1 */
#define FILE_RIGHTS                                                                                \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                            \
		LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV)

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t changing = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				 LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
				 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR;

/* What libraries read late: other libraries and their tables and settings. */
static const char *const readable[] = { "/usr", "/lib", "/lib64", "/etc/ld.so.cache",
	"/etc/ssl/openssl.cnf", "/proc/self", "/sys/devices/system/cpu" };

static uint64_t rights_of_version(long version)
{
	uint64_t rights = FIRST_RIGHTS;

	if (version >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version >= 5)
		rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return rights;
}

static int allow(int set, const char *path, uint64_t rights, struct err *err)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights,
		.parent_fd = open(path, O_PATH | O_CLOEXEC) };
	struct stat st;
	int r = 0;

	if (rule.parent_fd < 0 && errno == ENOENT)
		return 0;
	if (rule.parent_fd < 0 || fstat(rule.parent_fd, &st) != 0)
		r = -1;
	else if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS;
	if (r == 0)
		r = (int)syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	if (r != 0)
		err_errno(err, errno, "cannot keep the right to %s", path);
	if (rule.parent_fd >= 0)
		close(rule.parent_fd);
	return r;
}

static int allow_all(int set, const char *const *paths, size_t n, uint64_t rights, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (allow(set, paths[i], rights, err) != 0)
			return -1;
	return 0;
}

int landlock_enter(const char *const *own, size_t n, bool *ret_held, struct err *err)
{
	long version = syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { 0 };
	int set, r;

	*ret_held = version >= 1;
	if (version < 1)
		return 0;
	attr.handled_access_fs = rights_of_version(version);
	set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (set < 0)
		return err_errno(err, errno, "cannot give up the rights to files");
	r = allow_all(set, readable, ARRAY_LEN(readable), reading & attr.handled_access_fs, err);
	if (r == 0)
		r = allow_all(set, own, n, changing & attr.handled_access_fs, err);
	if (r == 0 && syscall(SYS_landlock_restrict_self, set, 0) != 0)
		r = err_errno(err, errno, "cannot give up the rights to files");
	close(set);
	return r;
}
