#include "common/base/secret_file.h"

#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Looks at the open file, not at its name, which may be given to another one meanwhile. */
static int check_private(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REFUSED, "%s is no plain file", path);
	return file_private_stat(path, &st, err);
}

/* Up to `size` bytes; *ret_len == size says that there may be more. */
static int read_some(
	int fd, const char *path, char *ret, size_t size, size_t *ret_len, struct err *err)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, ret + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "cannot read %s", path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_len = n;
	return 0;
}

int secret_file_load(const char *path, char *ret, size_t size, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
	size_t n = 0;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	r = check_private(fd, path, err);
	if (r == 0)
		r = read_some(fd, path, ret, size, &n, err);
	close(fd);
	if (r == 0 && n > 0 && n < size && ret[n - 1] == '\n')
		n--;
	if (r == 0 && (n == 0 || n >= size || memchr(ret, '\n', n) || memchr(ret, '\0', n)))
		r = err_set(err, ERR_CORRUPT, "%s does not hold one line with a key", path);
	if (r != 0) {
		explicit_bzero(ret, size);
		return -1;
	}
	ret[n] = '\0';
	return 0;
}

static int fill(int fd, const char *name, const char *line, struct err *err)
{
	size_t n = strlen(line);

	if (fchmod(fd, 0600) != 0)
		return err_errno(err, errno, "cannot set the mode of %s", name);
	if (file_write_at(fd, line, n, 0, err) != 0 || file_write_at(fd, "\n", 1, n, err) != 0)
		return err_wrap(err, "%s", name);
	if (fsync(fd) != 0)
		return err_errno(err, errno, "cannot write %s to disk", name);
	return 0;
}

int secret_file_make(const char *path, const char *line, bool *ret_made, struct err *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	bool made = false;
	int fd, r;

	if (asprintf(&name, "%s.tmp.XXXXXX", path) < 0) {
		name = NULL;
		return err_nomem(err);
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "cannot make a file beside %s", path);
	r = fill(fd, name, line, err);
	close(fd);
	/* A link, unlike a rename, does not replace what another process made meanwhile. */
	if (r == 0)
		made = link(name, path) == 0;
	if (r == 0 && !made && errno != EEXIST)
		r = err_errno(err, errno, "cannot make %s", path);
	unlink(name);
	if (r == 0 && made)
		r = file_sync_parent(path, err);
	if (r == 0)
		*ret_made = made;
	return r;
}
