/* Goes through a directory and what is below it, and says what each thing is. */
#include "common/base/text.h"
#include "common/tree/tree_scan_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int walk_dir(struct tree_scan *t, int dir, size_t path_len, unsigned depth, struct err *err);

/* A thing that is there no more, or is another one by now. */
static int gone(struct tree_scan *t)
{
	tree_note(&t->report, TREE_CHANGED, t->path);
	return 0;
}

/* *ret is -1 when it is gone. */
static int open_child(int dir, const char *name, int flags, const struct stat *seen, int *ret,
	struct stat *ret_st, struct err *err)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NOATIME);

	*ret = -1;
	if (fd < 0 && errno == EPERM) /* not the owner: no wish for the time of access */
		fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENXIO))
		return 0;
	if (fd < 0)
		return err_errno(err, errno, "cannot open it");
	if (fstat(fd, ret_st) != 0) {
		err_errno(err, errno, "cannot look at it");
		close(fd);
		return -1;
	}
	if ((ret_st->st_mode & S_IFMT) != (seen->st_mode & S_IFMT) ||
		ret_st->st_ino != seen->st_ino) {
		close(fd);
		return 0;
	}
	*ret = fd;
	return 0;
}

static int read_xattrs(struct tree_scan *t, struct tree_entry *e, int fd, struct err *err)
{
	bool too_big;

	if (tree_xattrs_read(&t->xattrs, fd, &too_big, err) != 0)
		return -1;
	if (too_big)
		tree_note(&t->report, TREE_XATTR_TOO_BIG, t->path);
	e->xattrs = &t->xattrs;
	return 0;
}

/* --- each kind of thing, open --- */

static int take_dir(struct tree_scan *t, int fd, struct tree_entry *e, size_t path_len,
	unsigned depth, bool other_fs, struct err *err)
{
	if (read_xattrs(t, e, fd, err) != 0 || tree_scan_head(t, e, err) != 0)
		return -1;
	if (!other_fs)
		return walk_dir(t, fd, path_len, depth, err);
	tree_note(&t->report, TREE_OTHER_FS, t->path);
	return 0;
}

static int take_link(struct tree_scan *t, int fd, struct tree_entry *e, struct err *err)
{
	char target[TREE_PATH_MAX + 1];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	if (n < 0)
		return err_errno(err, errno, "cannot read the link");
	if ((size_t)n == sizeof(target))
		return err_set(err, ERR_LIMIT, "the link's target is too long");
	target[n] = '\0';
	e->target = target;
	return tree_scan_head(t, e, err);
}

/* A file with several names is sent under the first one. Returns whether that was done in *ret. */
static int take_further_name(struct tree_scan *t, struct tree_entry *e, bool *ret, struct err *err)
{
	const char *first;
	bool full;

	*ret = false;
	if (e->st.st_nlink < 2)
		return 0;
	if (tree_links_see(t->links, &e->st, e->path, &first, &full, err) != 0)
		return -1;
	if (full)
		tree_note(&t->report, TREE_LINK_APART, e->path);
	if (!first)
		return 0;
	*ret = true;
	e->hard_link = first;
	return tree_scan_head(t, e, err);
}

static int take(struct tree_scan *t, int fd, struct tree_entry *e, size_t path_len, unsigned depth,
	bool other_fs, int64_t look_at, struct err *err)
{
	bool done = false;

	if (S_ISDIR(e->st.st_mode))
		return take_dir(t, fd, e, path_len, depth, other_fs, err);
	if (take_further_name(t, e, &done, err) != 0)
		return -1;
	if (done)
		return 0;
	if (read_xattrs(t, e, fd, err) != 0)
		return -1;
	if (S_ISREG(e->st.st_mode))
		return tree_scan_file(t, fd, e, look_at, err);
	if (S_ISLNK(e->st.st_mode))
		return take_link(t, fd, e, err);
	return tree_scan_head(t, e, err);
}

/* --- names in a directory --- */

/* Is this where another file system begins, or a part of this one shows up once more? */
static bool is_mount(const struct tree_scan *t, int dir, const char *name, const struct stat *st)
{
	struct statx sx;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &sx) == 0 &&
		(sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return st->st_dev != t->root_st.st_dev;
}

static int take_child(struct tree_scan *t, int dir, const char *name, size_t path_len,
	unsigned depth, struct err *err)
{
	struct tree_entry e = { .path = t->path };
	int64_t look_at = t->now();
	struct stat seen;
	bool other_fs;
	int fd, flags, r;

	if (fstatat(dir, name, &seen, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
		return errno == ENOENT ? gone(t) : err_errno(err, errno, "cannot look at it");
	if (S_ISSOCK(seen.st_mode)) {
		tree_note(&t->report, TREE_SOCKET, t->path);
		return 0;
	}
	other_fs = is_mount(t, dir, name, &seen);
	if (other_fs && !S_ISDIR(seen.st_mode)) {
		tree_note(&t->report, TREE_OTHER_FS, t->path);
		return 0;
	}
	flags = S_ISDIR(seen.st_mode)	? O_RDONLY | O_DIRECTORY
		: S_ISREG(seen.st_mode) ? O_RDONLY | O_NONBLOCK
					: O_PATH;
	if (open_child(dir, name, flags, &seen, &fd, &e.st, err) != 0)
		return -1;
	if (fd < 0)
		return gone(t);
	r = take(t, fd, &e, path_len, depth, other_fs, look_at, err);
	close(fd);
	return r;
}

static int walk_names(struct tree_scan *t, int dir, const struct tree_names *names, size_t path_len,
	unsigned depth, struct err *err)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *name = tree_names_get(names, i);
		size_t n = strlen(name), at = path_len + (path_len > 0);

		if (at + n > TREE_PATH_MAX)
			return err_set(
				err, ERR_LIMIT, "a path is longer than %u bytes", TREE_PATH_MAX);
		if (path_len > 0)
			t->path[path_len] = '/';
		memcpy(t->path + at, name, n + 1);
		if (take_child(t, dir, name, at + n, depth, err) != 0)
			return -1; /* the path stays: it says where */
	}
	t->path[path_len] = '\0';
	return 0;
}

static int walk_dir(struct tree_scan *t, int dir, size_t path_len, unsigned depth, struct err *err)
{
	struct tree_names names;
	int r;

	if (depth == TREE_DEPTH_MAX)
		return err_set(
			err, ERR_LIMIT, "more than %u directories in each other", TREE_DEPTH_MAX);
	r = tree_names_read(&names, dir, &t->names_used, err);
	if (r == 0)
		r = walk_names(t, dir, &names, path_len, depth + 1, err);
	tree_names_done(&names);
	return r;
}

int tree_scan_walk(struct tree_scan *t, struct err *err)
{
	struct tree_entry e = { .path = t->path, .st = t->root_st };
	char shown[TREE_EXAMPLE_MAX];

	t->path[0] = '\0';
	if (take_dir(t, t->root, &e, 0, 0, false, err) == 0)
		return 0;
	if (t->out_failed)
		return -1;
	return err_wrap(err, "%s/%s", t->root_path,
		text_escape(shown, sizeof(shown), t->path, strlen(t->path)));
}
