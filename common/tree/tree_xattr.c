#include "common/tree/tree_xattr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define LIST_MAX 65536u	 /* XATTR_LIST_MAX */
#define VALUE_MAX 65536u /* XATTR_SIZE_MAX */
#define NAME_MAX_LEN 255u
#define PROC_PATH_MAX 40

/* The file itself, whatever its descriptor is good for. */
static const char *proc_path(char ret[PROC_PATH_MAX], int fd)
{
	snprintf(ret, PROC_PATH_MAX, "/proc/self/fd/%d", fd);
	return ret;
}

void tree_xattrs_init(struct tree_xattrs *x)
{
	x->n = 0;
	buf_init(&x->text, TREE_XATTR_BYTES_MAX);
	buf_init(&x->values, TREE_XATTR_BYTES_MAX);
}

void tree_xattrs_done(struct tree_xattrs *x)
{
	buf_done(&x->text);
	buf_done(&x->values);
}

void tree_xattrs_clear(struct tree_xattrs *x)
{
	x->n = 0;
	buf_clear(&x->text);
	buf_clear(&x->values);
}

static bool begins(const char *name, size_t n, const char *with)
{
	size_t k = strlen(with);

	return n > k && memcmp(name, with, k) == 0;
}

static bool is(const char *name, size_t n, const char *other)
{
	return n == strlen(other) && memcmp(name, other, n) == 0;
}

bool tree_xattr_carried(const char *name, size_t n)
{
	if (n > NAME_MAX_LEN || memchr(name, '\0', n))
		return false;
	if (is(name, n, "security.selinux") || is(name, n, "security.ima") ||
		is(name, n, "security.evm") || begins(name, n, "security.SMACK64") ||
		is(name, n, "security.apparmor"))
		return false;
	return begins(name, n, "user.") || begins(name, n, "trusted.") ||
	       begins(name, n, "security.") || is(name, n, "system.posix_acl_access") ||
	       is(name, n, "system.posix_acl_default");
}

int tree_xattrs_add(struct tree_xattrs *x, const char *name, size_t name_len, const void *value,
	size_t len, struct err *err)
{
	struct tree_xattr *a = &x->at[x->n];

	if (x->n == TREE_XATTRS_MAX || len > VALUE_MAX ||
		name_len + 1 + len > TREE_XATTR_BYTES_MAX - buf_len(&x->text) - buf_len(&x->values))
		return err_set(err, ERR_LIMIT, "too many or too long extended attributes");
	*a = (struct tree_xattr){ .name = (uint32_t)buf_len(&x->text),
		.value = (uint32_t)buf_len(&x->values),
		.len = (uint32_t)len };
	buf_append(&x->text, name, name_len);
	buf_u8(&x->text, 0);
	buf_append(&x->values, value, len);
	if (!buf_ok(&x->text) || !buf_ok(&x->values))
		return err_nomem(err);
	x->n++;
	return 0;
}

static int compare(const void *a, const void *b, void *x)
{
	const struct tree_xattr *p = a, *q = b;
	const char *text = (const char *)buf_bytes(&((struct tree_xattrs *)x)->text);

	return strcmp(text + p->name, text + q->name);
}

/* --- reading --- */

/* The list of names; 0 when there are none. Caller frees *ret. */
static ssize_t list(const char *path, char **ret, struct err *err)
{
	char few[1024];
	ssize_t n = listxattr(path, few, sizeof(few));

	*ret = NULL;
	if (n == 0 || (n < 0 && errno == ENOTSUP))
		return 0;
	if (n < 0 && errno != ERANGE)
		return err_errno(err, errno, "cannot list its extended attributes");
	*ret = malloc(LIST_MAX);
	if (!*ret)
		return err_nomem(err);
	n = listxattr(path, *ret, LIST_MAX);
	return n >= 0 ? n : err_errno(err, errno, "cannot list its extended attributes");
}

static int read_one(struct tree_xattrs *x, const char *path, const char *name, uint8_t *room,
	bool *ret_too_big, struct err *err)
{
	ssize_t n = getxattr(path, name, room, VALUE_MAX);

	if (n < 0 && errno == ENODATA)
		return 0;
	if (n < 0)
		return err_errno(err, errno, "cannot read an extended attribute");
	if (tree_xattrs_add(x, name, strlen(name), room, (size_t)n, err) == 0)
		return 0;
	*ret_too_big = true;
	return err->code == ERR_LIMIT ? 0 : -1;
}

int tree_xattrs_read(struct tree_xattrs *x, int fd, bool *ret_too_big, struct err *err)
{
	CLEANUP(cleanup_free) char *names = NULL;
	CLEANUP(cleanup_free) uint8_t *room = NULL;
	char path[PROC_PATH_MAX];
	ssize_t n = list(proc_path(path, fd), &names, err);
	struct err own;

	tree_xattrs_clear(x);
	*ret_too_big = false;
	if (n <= 0)
		return (int)n;
	room = malloc(VALUE_MAX);
	if (!room)
		return err_nomem(err);
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		if (tree_xattr_carried(name, strlen(name)) &&
			read_one(x, path, name, room, ret_too_big, err ? err : &own) != 0)
			return -1;
	}
	qsort_r(x->at, x->n, sizeof(x->at[0]), compare, x);
	return 0;
}

/* --- applying --- */

static bool wanted(const struct tree_xattrs *x, const char *name)
{
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(tree_xattr_name(x, i), name) == 0)
			return true;
	return false;
}

void tree_xattrs_apply(
	const struct tree_xattrs *x, int fd, struct tree_report *report, const char *path)
{
	CLEANUP(cleanup_free) char *names = NULL;
	char at[PROC_PATH_MAX];
	struct err ignored; /* then there are none to remove */
	ssize_t n = list(proc_path(at, fd), &names, &ignored);

	for (const char *name = names; name && name < names + n; name += strlen(name) + 1)
		if (tree_xattr_carried(name, strlen(name)) && !wanted(x, name) &&
			removexattr(at, name) != 0 && errno != ENODATA)
			tree_note(report, TREE_XATTR_REFUSED, path);
	for (size_t i = 0; i < x->n; i++)
		if (setxattr(at, tree_xattr_name(x, i), tree_xattr_value(x, i), x->at[i].len, 0) !=
			0)
			tree_note(report, TREE_XATTR_REFUSED, path);
}
