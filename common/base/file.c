#include "common/base/file.h"

#include "common/base/file_new.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_STEP 16384u

static void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* The bytes from the descriptor's position to its end. */
static int read_all(int fd, const char *path, struct buf *ret, struct err *err)
{
	for (;;) {
		size_t room = min_size(READ_STEP, ret->max - buf_len(ret));
		uint8_t past_the_end;
		uint8_t *to = room ? buf_reserve(ret, room) : &past_the_end;
		ssize_t got;

		if (!to)
			return err_nomem(err);
		got = read(fd, to, room ? room : 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "cannot read %s", path);
		if (got == 0)
			return 0;
		if (room == 0)
			return err_set(err, ERR_LIMIT, "%s is larger than the %zu bytes allowed",
				path, ret->max);
		buf_commit(ret, (size_t)got);
	}
}

int file_read(const char *path, struct buf *ret, struct err *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	buf_clear(ret);
	if (read_all(fd, path, ret, err) != 0) {
		buf_clear(ret);
		return -1;
	}
	return 0;
}

int file_sync_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *dir = NULL;

	if (!slash)
		dir = strdup(".");
	else if (slash == path)
		dir = strdup("/");
	else
		dir = strndup(path, (size_t)(slash - path));
	if (!dir)
		return err_nomem(err);
	return file_sync_dir(dir, err);
}

int file_replace(const char *path, mode_t mode, const void *bytes, size_t n, struct err *err)
{
	struct file_new f;
	int r = file_new_open(&f, path, err);

	if (r == 0 && fchmod(f.fd, mode) != 0)
		r = err_errno(err, errno, "cannot set the mode of %s", f.temporary);
	if (r == 0 && file_write_at(f.fd, bytes, n, 0, err) != 0)
		r = err_wrap(err, "%s", f.temporary);
	if (r == 0)
		r = file_new_keep(&f, true, true, err);
	file_new_drop(&f);
	return r;
}

void file_drop_temporaries(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strstr(e->d_name, ".tmp."))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

int file_remove(const char *path, struct err *err)
{
	if (unlink(path) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_errno(err, errno, "cannot remove %s", path);
	}
	return file_sync_parent(path, err);
}

static int make_one_dir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return file_sync_parent(path, err);
	if (errno != EEXIST)
		return err_errno(err, errno, "cannot make the directory %s", path);
	if (stat(path, &st) != 0)
		return err_errno(err, errno, "cannot look at %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "%s is not a directory", path);
	return 0;
}

int file_make_dir(const char *path, mode_t mode, struct err *err)
{
	CLEANUP(cleanup_free) char *part = strdup(path);
	size_t n;

	if (!part)
		return err_nomem(err);
	for (n = strlen(part); n > 1 && part[n - 1] == '/'; n--)
		part[n - 1] = '\0';
	for (char *at = part; (at = strchr(at + 1, '/'));) {
		if (at[-1] == '/')
			continue;
		*at = '\0';
		if (make_one_dir(part, mode, err) != 0)
			return -1;
		*at = '/';
	}
	return make_one_dir(part, mode, err);
}

int file_sync_dir(const char *path, struct err *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "cannot open the directory %s", path);
	if (fsync(fd) != 0)
		return err_errno(err, errno, "cannot write the directory %s to disk", path);
	return 0;
}

int file_write_at(int fd, const void *bytes, size_t n, uint64_t offset, struct err *err)
{
	const uint8_t *from = bytes;

	if (offset > INT64_MAX - n)
		return err_set(err, ERR_LIMIT, "cannot write past the largest file offset");
	while (n > 0) {
		ssize_t put = pwrite(fd, from, n, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_errno(err, errno, "cannot write");
		from += put;
		n -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

int file_read_at(int fd, void *bytes, size_t n, uint64_t offset, struct err *err)
{
	uint8_t *to = bytes;

	if (offset > INT64_MAX - n)
		return err_set(err, ERR_CORRUPT, "an offset lies past the largest file");
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "cannot read");
		if (got == 0)
			return err_set(err, ERR_CORRUPT, "the file ends %zu bytes too early", n);
		to += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

int file_openat2(int dir, const char *path, uint64_t flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int file_lock(const char *path, int *ret, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, errno, "cannot open the lock %s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int why = errno;

		if (why == EINTR)
			continue;
		close(fd);
		if (why == EWOULDBLOCK)
			return err_set(err, ERR_REFUSED, "another process holds %s", path);
		return err_errno(err, why, "cannot lock %s", path);
	}
	*ret = fd;
	return 0;
}

int file_check_private(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
	if (stat(path, &st) != 0)
		return err_errno(err, errno, "cannot look at %s", path);
	return file_private_stat(path, &st, err);
}

int file_private_stat(const char *path, const struct stat *st, struct err *err)
{
	if (st->st_uid != geteuid())
		return err_set(err, ERR_REFUSED,
			"%s belongs to user %lu, not to the user %lu that this runs as; chown it",
			path, (unsigned long)st->st_uid, (unsigned long)geteuid());
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, ERR_REFUSED,
			"%s has mode %04o: others may use this secret; chmod 600 it", path,
			(unsigned)(st->st_mode & 07777));
	return 0;
}

char *file_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	char *path;

	if (asprintf(&path, "%s%s%s", dir, n > 0 && dir[n - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return path;
}
