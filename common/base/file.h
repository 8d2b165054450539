/* Files and directories: whole small files, durable replacement, locks. Blocking; any thread. */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

#include <sys/types.h>

/* Reads the whole file into `ret` (whose max bounds it: a larger file is ERR_LIMIT; a missing one
 * is ERR_NOT_FOUND). */
int file_read(const char *path, struct buf *ret, struct err *err) MUST_CHECK;

/* Replaces the file durably: temporary in the same directory with `mode`, write, fsync, rename,
 * fsync of the directory. On failure the old file is as it was and no temporary is left. */
int file_replace(
	const char *path, mode_t mode, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* Removes what file_replace left in the directory when it was killed. No other writer may be at
 * work there. What cannot be removed is left. */
void file_drop_temporaries(const char *dir);

/* Removes the file durably; a missing file is success. */
int file_remove(const char *path, struct err *err) MUST_CHECK;

/* Makes the directory and its missing parents with `mode`; existing ones are left as they are. */
int file_make_dir(const char *path, mode_t mode, struct err *err) MUST_CHECK;

/* fsync of a directory, so that names made in it last. */
int file_sync_dir(const char *path, struct err *err) MUST_CHECK;

/* fsync of the directory that holds the path's last name. */
int file_sync_parent(const char *path, struct err *err) MUST_CHECK;

/* Writes all of it at the offset, whatever short writes the system makes. */
int file_write_at(int fd, const void *bytes, size_t n, uint64_t offset, struct err *err) MUST_CHECK;

/* Reads exactly n bytes at the offset; fewer is ERR_CORRUPT. */
int file_read_at(int fd, void *bytes, size_t n, uint64_t offset, struct err *err) MUST_CHECK;

/* openat2, for which glibc has no name: there from Linux 5.6 on. `resolve` is RESOLVE_... of
 * <linux/openat2.h>. O_CLOEXEC is added. A descriptor, or -1 with errno. */
int file_openat2(
	int dir, const char *path, uint64_t flags, mode_t mode, uint64_t resolve) MUST_CHECK;

/* Opens (makes) a lock file and takes it without waiting; ERR_REFUSED says that another process
 * has it. Returns the descriptor in `ret`; close releases the lock. */
int file_lock(const char *path, int *ret, struct err *err) MUST_CHECK;

/* Refuses (ERR_REFUSED) a secret file that group or others may read or that another user owns. */
int file_check_private(const char *path, struct err *err) MUST_CHECK;

/* As file_check_private, of a file that was looked at already; `path` is for the message. */
struct stat;
int file_private_stat(const char *path, const struct stat *st, struct err *err) MUST_CHECK;

/* "a/b" as a new string, NULL when out of memory. Caller frees. */
char *file_join(const char *dir, const char *name);
