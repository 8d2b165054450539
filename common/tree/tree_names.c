#include "common/tree/tree_names.h"

#include "common/tree/tree_limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The array with room for one more of `n` elements of `size` bytes; NULL when out of memory. */
static void *grow(void *array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 1024;
	void *bigger;

	if (n <= *cap)
		return array;
	while (more < n)
		more *= 2;
	bigger = reallocarray(array, more, size);
	if (bigger)
		*cap = more;
	return bigger;
}

static int add(struct tree_names *l, const char *name, struct err *err)
{
	size_t n = strlen(name) + 1;
	char *text;
	uint32_t *at;

	if (l->used->names == TREE_NAMES_MAX || n > TREE_NAME_BYTES_MAX - l->used->bytes)
		return err_set(err, ERR_LIMIT, "more than %u names in directories open at a time",
			TREE_NAMES_MAX);
	text = grow(l->text, &l->cap, l->len + n, 1);
	if (!text)
		return err_nomem(err);
	l->text = text;
	at = grow(l->at, &l->cap_at, l->n + 1, sizeof(*at));
	if (!at)
		return err_nomem(err);
	l->at = at;
	memcpy(text + l->len, name, n);
	at[l->n++] = (uint32_t)l->len;
	l->len += n;
	l->used->names++;
	l->used->bytes += n;
	return 0;
}

static int compare(const void *a, const void *b, void *text)
{
	const uint32_t *x = a, *y = b;

	return strcmp((const char *)text + *x, (const char *)text + *y);
}

static int read_all(struct tree_names *l, DIR *d, struct err *err)
{
	struct dirent *e;

	while (errno = 0, (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (add(l, e->d_name, err) != 0)
			return -1;
	}
	return errno == 0 ? 0 : err_errno(err, errno, "cannot read the directory");
}

int tree_names_read(struct tree_names *l, int dir, struct tree_names_used *used, struct err *err)
{
	/* A descriptor of its own: the position is shared otherwise. */
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	int r;

	*l = (struct tree_names){ .used = used };
	if (!d) {
		err_errno(err, errno, "cannot read the directory");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	r = read_all(l, d, err);
	closedir(d);
	if (r == 0 && l->n > 1)
		qsort_r(l->at, l->n, sizeof(*l->at), compare, l->text);
	return r;
}

void tree_names_done(struct tree_names *l)
{
	if (l->used) {
		l->used->names -= l->n;
		l->used->bytes -= l->len;
	}
	free(l->text);
	free(l->at);
	*l = (struct tree_names){ 0 };
}
