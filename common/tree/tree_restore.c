/*
 * Owns a restore: the directories that are open, one below the other. Happy path: an entry's
 * directory is the last one that is open, or one of those above it, and those below that are left
 * for good; in an update, names that were there and come before the entry's are removed; then the
 * entry is made. Failure modes: an entry that is not in its place, and whatever the system refuses;
 * what has its name stays, the file in the making goes.
 */
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/tree/tree_restore_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of all directories that are open at a time. */
#define ATTR_BYTES_MAX (8u << 20)

/* --- directories --- */

static void level_free(struct tree_restore *r, struct tree_level *l)
{
	if (!l)
		return;
	r->attr_bytes -= buf_len(&l->attrs.xattrs.text) + buf_len(&l->attrs.xattrs.values);
	tree_xattrs_done(&l->attrs.xattrs);
	tree_names_done(&l->old);
	close(l->fd);
	free(l);
}

/* Goes into a directory, whose descriptor it takes over. */
static int push_level(struct tree_restore *r, int fd, size_t path_len, struct err *err)
{
	struct tree_level *l = r->n_levels <= TREE_DEPTH_MAX ? calloc(1, sizeof(*l)) : NULL;

	if (!l) {
		close(fd);
		return r->n_levels > TREE_DEPTH_MAX
			       ? err_set(err, ERR_LIMIT, "more than %u directories in each other",
					 TREE_DEPTH_MAX)
			       : err_nomem(err);
	}
	l->fd = fd;
	l->path_len = path_len;
	tree_xattrs_init(&l->attrs.xattrs);
	r->levels[r->n_levels++] = l;
	return r->c.update ? tree_names_read(&l->old, fd, &r->names_used, err) : 0;
}

/* Keeps what the directory is to have until it is left. */
static int tell_level(struct tree_restore *r, struct tree_level *l, const struct tree_tar_entry *e,
	struct err *err)
{
	struct tree_xattrs *to = &l->attrs.xattrs;
	size_t n = buf_len(&e->xattrs.text) + buf_len(&e->xattrs.values);

	if (n > ATTR_BYTES_MAX - r->attr_bytes)
		return err_set(err, ERR_LIMIT, "directories with more than %u bytes of attributes",
			ATTR_BYTES_MAX);
	l->attrs.mode = e->mode;
	l->attrs.uid = e->uid;
	l->attrs.gid = e->gid;
	l->attrs.mtime = e->mtime;
	l->told = true;
	for (size_t i = 0; i < e->xattrs.n; i++) {
		const char *name = tree_xattr_name(&e->xattrs, i);

		if (tree_xattrs_add(to, name, strlen(name), tree_xattr_value(&e->xattrs, i),
			    e->xattrs.at[i].len, err) != 0)
			return -1;
	}
	r->attr_bytes += n;
	return 0;
}

/* Removes what was in the directory and comes before `name` (NULL: all that is left). *ret_exists:
 * `name` was there. */
static int pass_old(struct tree_restore *r, struct tree_level *l, const char *name,
	bool *ret_exists, struct err *err)
{
	*ret_exists = false;
	for (; l->next_old < l->old.n; l->next_old++) {
		const char *old = tree_names_get(&l->old, l->next_old);
		int order = name ? strcmp(old, name) : -1;

		if (order > 0)
			return 0;
		if (order == 0) {
			*ret_exists = true;
			l->next_old++;
			return 0;
		}
		if (tree_remove(r, l->fd, old, err) != 0)
			return -1;
	}
	return 0;
}

/* Leaves the last directory: nothing comes into it any more. */
static int pop_level(struct tree_restore *r, struct err *err)
{
	struct tree_level *l = tree_top(r);
	bool exists;
	int result = pass_old(r, l, NULL, &exists, err);

	if (result == 0 && l->told)
		result = tree_set_attrs(r, l->fd, &l->attrs, false, r->path, err);
	if (result != 0)
		return -1;
	r->n_levels--;
	level_free(r, l);
	r->path[r->n_levels > 0 ? tree_top(r)->path_len : 0] = '\0';
	return 0;
}

/* The directory of a path is the last one that is open, or becomes it. */
static int find_place(struct tree_restore *r, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	while (tree_top(r)->path_len != n || memcmp(r->path, path, n) != 0) {
		if (r->n_levels == 1)
			return err_set(err, ERR_PROTOCOL,
				"its directory does not come right before it in the tar");
		if (pop_level(r, err) != 0)
			return -1;
	}
	r->name = slash ? slash + 1 : path;
	return 0;
}

/* --- entries --- */

static int put_root(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	if (r->report.entries > 1)
		return err_set(err, ERR_PROTOCOL, "the root comes twice, or behind what is in it");
	return tell_level(r, tree_top(r), e, err);
}

static int put_dir(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	int dir = tree_top(r)->fd, fd;
	size_t n = strlen(e->path);
	bool stays = r->exists && S_ISDIR(r->old_st.st_mode);

	if (r->exists && !stays && tree_remove(r, dir, r->name, err) != 0)
		return -1;
	if (!stays && mkdirat(dir, r->name, 0700) != 0)
		return err_errno(err, errno, "cannot make the directory");
	fd = file_openat2(dir, r->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, TREE_RESOLVE);
	if (fd < 0)
		return err_errno(err, errno, "cannot open the directory");
	memcpy(r->path, e->path, n + 1);
	if (push_level(r, fd, n, err) != 0)
		return -1;
	return tell_level(r, tree_top(r), e, err);
}

/* Names in a directory come in the order of their bytes, so that none comes twice. */
static int take_turn(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	struct tree_level *l = tree_top(r);

	if (strcmp(r->name, l->last) <= 0)
		return err_set(err, ERR_PROTOCOL, "it comes twice in the tar, or out of order");
	memcpy(l->last, r->name, strlen(r->name) + 1);
	if (pass_old(r, l, r->name, &r->exists, err) != 0)
		return -1;
	if (r->exists && fstatat(l->fd, r->name, &r->old_st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(err, errno, "cannot look at what is there");
	if (e->type == TREE_DIR)
		return put_dir(r, e, err);
	return e->type == TREE_FILE ? tree_put_file(r, e, err) : tree_put(r, e, err);
}

static int put(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	if (r->report.entries++ == r->c.entries_max)
		return err_set(err, ERR_LIMIT, "more than the %llu files that are allowed",
			(unsigned long long)r->c.entries_max);
	if (e->acl_lost)
		tree_note(&r->report, TREE_XATTR_REFUSED, e->path);
	if (e->path[0] == '\0')
		return put_root(r, e, err);
	if (find_place(r, e->path, err) != 0)
		return -1;
	return take_turn(r, e, err);
}

/* Says which file it was. */
static int where(const struct tree_restore *r, const char *path, struct err *err)
{
	char shown[TREE_EXAMPLE_MAX];

	return err_wrap(
		err, "%s/%s", r->root_path, text_escape(shown, sizeof(shown), path, strlen(path)));
}

static int on_entry(void *ctx, const struct tree_tar_entry *e, struct err *err)
{
	struct tree_restore *r = ctx;

	return put(r, e, err) == 0 ? 0 : where(r, e->path, err);
}

static int on_bytes(void *ctx, const struct tree_tar_entry *e, uint64_t at, const uint8_t *bytes,
	size_t n, struct err *err)
{
	struct tree_restore *r = ctx;

	return tree_put_bytes(r, at, bytes, n, err) == 0 ? 0 : where(r, e->path, err);
}

static int on_end(void *ctx, const struct tree_tar_entry *e, struct err *err)
{
	struct tree_restore *r = ctx;

	if (e->type != TREE_FILE || tree_put_file_end(r, e, err) == 0)
		return 0;
	return where(r, e->path, err);
}

/* --- the whole --- */

static int open_root(struct tree_restore *r, struct err *err)
{
	struct tree_names names;
	int fd = open(r->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;
	size_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "there is no directory %s", r->root_path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", r->root_path);
	if (push_level(r, fd, 0, err) != 0)
		return -1;
	if (r->c.update)
		return 0;
	result = tree_names_read(&names, fd, &r->names_used, err);
	n = names.n;
	tree_names_done(&names);
	if (result == 0 && n > 0)
		return err_set(err, ERR_REFUSED, "%s is not empty", r->root_path);
	return result;
}

int tree_restore_open(
	const struct tree_restore_config *config, struct tree_restore **ret, struct err *err)
{
	static const struct tree_tar_ops ops = { on_entry, on_bytes, on_end };
	struct tree_restore *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(err);
	r->c = *config;
	r->file = (struct tree_file){ .fd = -1, .old = -1 };
	r->root_path = strdup(config->root);
	r->tar = tree_tar_new(&ops, r);
	if (!r->root_path || !r->tar)
		err_nomem(err);
	else if (open_root(r, err) == 0) {
		*ret = r;
		return 0;
	}
	tree_restore_free(r);
	return -1;
}

int tree_restore_feed(struct tree_restore *r, const void *bytes, size_t n, struct err *err)
{
	if (r->c.stop && atomic_load(r->c.stop))
		return err_set(err, ERR_INTERRUPTED, "stopped");
	r->report.bytes += n;
	return tree_tar_feed(r->tar, bytes, n, err);
}

int tree_restore_end(struct tree_restore *r, struct err *err)
{
	int root = r->levels[0]->fd;

	if (tree_tar_end(r->tar, err) != 0)
		return where(r, "", err);
	while (r->n_levels > 1)
		if (pop_level(r, err) != 0)
			return where(r, r->path, err);
	root = dup(root);
	if (root < 0)
		return err_errno(err, errno, "cannot keep %s open", r->root_path);
	if (pop_level(r, err) != 0) {
		close(root);
		return where(r, "", err);
	}
	if (syncfs(root) != 0) {
		err_errno(err, errno, "cannot write %s to disk", r->root_path);
		close(root);
		return -1;
	}
	close(root);
	return 0;
}

const struct tree_report *tree_restore_report(const struct tree_restore *r)
{
	return &r->report;
}

void tree_restore_free(struct tree_restore *r)
{
	if (!r)
		return;
	tree_put_file_drop(r);
	while (r->n_levels > 0)
		level_free(r, r->levels[--r->n_levels]);
	tree_tar_free(r->tar);
	free(r->root_path);
	free(r);
}
