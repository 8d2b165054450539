/* Makes things of a tar under a temporary name, gives them what they are to have, and their name.
 */
#include "common/base/file.h"
#include "common/tree/tree_restore_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PROC_PATH_MAX 40

/* --- what they are to have --- */

void tree_name_temporary(struct tree_restore *r, char ret[TREE_TEMPORARY_MAX])
{
	if (r->last_temporary == 0 &&
		getrandom(&r->last_temporary, sizeof(r->last_temporary), 0) < 0)
		r->last_temporary = (uint64_t)getpid() << 32;
	snprintf(ret, TREE_TEMPORARY_MAX, ".dray-%016llx", (unsigned long long)++r->last_temporary);
}

static const char *proc_path(char ret[PROC_PATH_MAX], int fd)
{
	snprintf(ret, PROC_PATH_MAX, "/proc/self/fd/%d", fd);
	return ret;
}

/* Who may not give a file away must not leave it set-user-ID, either. */
static mode_t set_owner(
	struct tree_restore *r, int fd, const struct tree_attrs *a, const char *path)
{
	if (fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH) == 0)
		return a->mode;
	tree_note(&r->report, TREE_OWNER_REFUSED, path);
	if (a->mode & (S_ISUID | S_ISGID))
		tree_note(&r->report, TREE_MODE_REFUSED, path);
	return a->mode & (mode_t) ~(S_ISUID | S_ISGID);
}

int tree_set_attrs(struct tree_restore *r, int fd, const struct tree_attrs *a, bool symlink,
	const char *path, struct err *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, a->mtime };
	mode_t mode = set_owner(r, fd, a, path); /* first: it takes modes and capabilities away */
	char at[PROC_PATH_MAX];

	if (!symlink && chmod(proc_path(at, fd), mode) != 0)
		tree_note(&r->report, TREE_MODE_REFUSED, path);
	tree_xattrs_apply(&a->xattrs, fd, &r->report, path);
	if (utimensat(fd, "", times, AT_EMPTY_PATH) != 0)
		return err_errno(err, errno, "cannot set its time");
	return 0;
}

int tree_take_name(struct tree_restore *r, const char *temporary, struct err *err)
{
	int dir = tree_top(r)->fd;

	/* A directory is not replaced by what is none. */
	if (r->exists && S_ISDIR(r->old_st.st_mode) && tree_remove(r, dir, r->name, err) != 0)
		return -1;
	if (renameat(dir, temporary, dir, r->name) != 0)
		return err_errno(err, errno, "cannot give it its name");
	return 0;
}

/* --- links, devices, pipes --- */

struct tree_attrs tree_attrs_of(const struct tree_tar_entry *e)
{
	return (struct tree_attrs){ .mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->mtime,
		.xattrs = e->xattrs };
}

static int give_attrs(
	struct tree_restore *r, const struct tree_tar_entry *e, const char *name, struct err *err)
{
	struct tree_attrs attrs = tree_attrs_of(e);
	int fd = file_openat2(tree_top(r)->fd, name, O_PATH | O_NOFOLLOW, 0, TREE_RESOLVE);
	int result;

	if (fd < 0)
		return err_errno(err, errno, "cannot open it");
	result = tree_set_attrs(r, fd, &attrs, e->type == TREE_SYMLINK, e->path, err);
	close(fd);
	return result;
}

/* Attributes and name of what was just made. */
static int finish(struct tree_restore *r, const struct tree_tar_entry *e, const char *temporary,
	struct err *err)
{
	if (give_attrs(r, e, temporary, err) == 0 && tree_take_name(r, temporary, err) == 0)
		return 0;
	unlinkat(tree_top(r)->fd, temporary, 0);
	return -1;
}

/* Is there one already that is no other file's name, too? */
static bool may_stay(const struct tree_restore *r, mode_t type)
{
	return r->exists && (r->old_st.st_mode & S_IFMT) == type && r->old_st.st_nlink == 1;
}

static int put_symlink(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	char temporary[TREE_TEMPORARY_MAX], target[TREE_PATH_MAX + 1];
	ssize_t n;

	if (may_stay(r, S_IFLNK)) {
		n = readlinkat(tree_top(r)->fd, r->name, target, sizeof(target));
		if (n >= 0 && (size_t)n == strlen(e->link) &&
			memcmp(target, e->link, (size_t)n) == 0)
			return give_attrs(r, e, r->name, err);
	}
	tree_name_temporary(r, temporary);
	if (symlinkat(e->link, tree_top(r)->fd, temporary) != 0)
		return err_errno(err, errno, "cannot make the symbolic link");
	return finish(r, e, temporary, err);
}

/* It is left out, and so is what had its name. */
static int leave_out(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	tree_note(&r->report, TREE_DEVICE, e->path);
	return r->exists ? tree_remove(r, tree_top(r)->fd, r->name, err) : 0;
}

static int put_node(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	mode_t type = e->type == TREE_FIFO ? S_IFIFO : e->type == TREE_CHAR ? S_IFCHR : S_IFBLK;
	dev_t dev = e->type == TREE_FIFO ? 0 : makedev(e->major, e->minor);
	char temporary[TREE_TEMPORARY_MAX];

	if (type != S_IFIFO && !r->c.devices)
		return leave_out(r, e, err);
	if (may_stay(r, type) && r->old_st.st_rdev == dev)
		return give_attrs(r, e, r->name, err);
	tree_name_temporary(r, temporary);
	if (mknodat(tree_top(r)->fd, temporary, type | 0600, dev) != 0) {
		if (type != S_IFIFO && errno == EPERM)
			return leave_out(r, e, err);
		return err_errno(err, errno, "cannot make the node");
	}
	return finish(r, e, temporary, err);
}

/*
 * What comes earlier in the walk has been restored or removed, so that a name from there is one
 * that this tar made. Kinds other than regular files have further names as well; nobody follows
 * them.
 */
static int link_to(struct tree_restore *r, int target, const struct stat *st, struct err *err)
{
	char temporary[TREE_TEMPORARY_MAX], at[PROC_PATH_MAX];

	if (S_ISDIR(st->st_mode))
		return err_set(err, ERR_PROTOCOL, "a hard link to a directory");
	if (r->exists && r->old_st.st_ino == st->st_ino && r->old_st.st_dev == st->st_dev)
		return 0;
	tree_name_temporary(r, temporary);
	if (linkat(AT_FDCWD, proc_path(at, target), tree_top(r)->fd, temporary,
		    AT_SYMLINK_FOLLOW) != 0)
		return err_errno(err, errno, "cannot make the hard link");
	if (tree_take_name(r, temporary, err) == 0)
		return 0;
	unlinkat(tree_top(r)->fd, temporary, 0);
	return -1;
}

static int put_hard_link(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	struct stat st;
	int fd, result;

	if (e->link[0] == '\0' || tree_path_compare(e->link, e->path) >= 0)
		return err_set(err, ERR_PROTOCOL, "a hard link to what does not come before it");
	fd = file_openat2(r->levels[0]->fd, e->link, O_PATH | O_NOFOLLOW, 0, TREE_RESOLVE);
	if (fd < 0 && errno == ENOENT && r->report.notes[TREE_DEVICE].n > 0)
		return leave_out(r, e, err); /* another name of a device, as good as certainly */
	if (fd < 0)
		return err_set(err, ERR_PROTOCOL, "a hard link to what is not there");
	if (fstat(fd, &st) != 0)
		result = err_errno(err, errno, "cannot look at the hard link's target");
	else
		result = link_to(r, fd, &st, err);
	close(fd);
	return result;
}

int tree_put(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	if (e->type == TREE_HARD_LINK)
		return put_hard_link(r, e, err);
	return e->type == TREE_SYMLINK ? put_symlink(r, e, err) : put_node(r, e, err);
}
