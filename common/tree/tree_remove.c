#include "common/base/file.h"
#include "common/tree/tree_restore_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int remove_at(
	struct tree_restore *r, int dir, const char *name, unsigned depth, struct err *err);

static int empty_dir(struct tree_restore *r, int dir, unsigned depth, struct err *err)
{
	struct tree_names names;
	int result = tree_names_read(&names, dir, &r->names_used, err);

	for (size_t i = 0; result == 0 && i < names.n; i++)
		result = remove_at(r, dir, tree_names_get(&names, i), depth, err);
	tree_names_done(&names);
	return result;
}

static int remove_dir(
	struct tree_restore *r, int dir, const char *name, unsigned depth, struct err *err)
{
	int fd, result;

	if (depth == TREE_DEPTH_MAX)
		return err_set(
			err, ERR_LIMIT, "more than %u directories in each other", TREE_DEPTH_MAX);
	fd = file_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, TREE_RESOLVE);
	if (fd < 0)
		return err_errno(err, errno, "cannot empty an old directory");
	result = empty_dir(r, fd, depth + 1, err);
	close(fd);
	if (result == 0 && unlinkat(dir, name, AT_REMOVEDIR) != 0)
		return err_errno(err, errno, "cannot remove an old directory");
	return result;
}

static int remove_at(
	struct tree_restore *r, int dir, const char *name, unsigned depth, struct err *err)
{
	if (r->c.stop && atomic_load(r->c.stop))
		return err_set(err, ERR_INTERRUPTED, "stopped");
	if (unlinkat(dir, name, 0) != 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EISDIR && errno != EPERM)
			return err_errno(err, errno, "cannot remove an old file");
		if (remove_dir(r, dir, name, depth, err) != 0)
			return -1;
	}
	r->report.deleted++;
	return 0;
}

int tree_remove(struct tree_restore *r, int dir, const char *name, struct err *err)
{
	return remove_at(r, dir, name, 0, err);
}
