#include "common/base/secret_file.h"

#include "common/base/file.h"
#include "common/base/file_new.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void secret_file_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_done(b);
}

static int read_file(int fd, const char *path, size_t max, struct buf *ret, struct stat *ret_stat,
	struct err *err)
{
	size_t n;
	uint8_t *to;

	if (fstat(fd, ret_stat) != 0)
		return err_errno(err, errno, "cannot look at %s", path);
	if (!S_ISREG(ret_stat->st_mode))
		return err_set(err, ERR_REFUSED, "%s is no plain file", path);
	if (file_private_stat(path, ret_stat, err) != 0)
		return -1;
	if (ret_stat->st_size < 0 || (uint64_t)ret_stat->st_size > max)
		return err_set(
			err, ERR_LIMIT, "%s is larger than the %zu bytes allowed", path, max);
	n = (size_t)ret_stat->st_size;
	to = buf_reserve(ret, n); /* once: growing would leave copies behind */
	if (!to)
		return err_nomem(err);
	if (file_read_at(fd, to, n, 0, err) != 0)
		return err_wrap(err, "%s", path);
	buf_commit(ret, n);
	return 0;
}

int secret_file_read(
	const char *path, size_t max, struct buf *ret, struct stat *ret_stat, struct err *err)
{
	int fd, r;

	buf_init(ret, max);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us */
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	r = read_file(fd, path, max, ret, ret_stat, err);
	close(fd);
	return r;
}

int secret_file_load(const char *path, char *ret, size_t size, struct err *err)
{
	CLEANUP(secret_file_wipe) struct buf b;
	struct stat st;
	const char *line;
	size_t n;

	if (secret_file_read(path, size, &b, &st, err) != 0) {
		if (err && err->code == ERR_LIMIT)
			err->code = ERR_CORRUPT;
		return -1;
	}
	line = (const char *)buf_bytes(&b);
	n = buf_len(&b);
	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (n == 0 || n >= size || memchr(line, '\n', n) || memchr(line, '\0', n))
		return err_set(err, ERR_CORRUPT, "%s does not hold one line with a key", path);
	memcpy(ret, line, n);
	ret[n] = '\0';
	return 0;
}

static int fill(int fd, const char *name, const char *line, struct err *err)
{
	size_t n = strlen(line);

	if (file_write_at(fd, line, n, 0, err) != 0 || file_write_at(fd, "\n", 1, n, err) != 0)
		return err_wrap(err, "%s", name);
	return 0;
}

int secret_file_make(const char *path, const char *line, bool *ret_made, struct err *err)
{
	struct file_new f;
	bool filled = file_new_open(&f, path, err) == 0 && fill(f.fd, f.temporary, line, err) == 0,
	     made = filled && file_new_keep(&f, false, true, err) == 0,
	     there = filled && !made && err->code == ERR_REFUSED;

	file_new_drop(&f);
	if (!made && !there)
		return -1;
	*ret_made = made;
	return 0;
}
