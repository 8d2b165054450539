/*
 * Makes one regular file. Happy path: its bytes go into a new file under a temporary name, which
 * gets its attributes and then its name. Where there is a file of that size, the bytes are compared
 * with its own first; at the first that differs, what was equal is copied into a new one.
 */
#include "common/base/file.h"
#include "common/tree/tree_restore_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void tree_put_file_drop(struct tree_restore *r)
{
	struct tree_file *f = &r->file;

	close_fd(&f->fd);
	close_fd(&f->old);
	if (f->temporary[0] && r->n_levels > 0)
		unlinkat(tree_top(r)->fd, f->temporary, 0);
	f->temporary[0] = '\0';
}

static int make_new(struct tree_restore *r, struct err *err)
{
	struct tree_file *f = &r->file;

	tree_name_temporary(r, f->temporary);
	f->fd = file_openat2(tree_top(r)->fd, f->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
		0600, TREE_RESOLVE);
	if (f->fd >= 0)
		return 0;
	err_errno(err, errno, "cannot make a file");
	f->temporary[0] = '\0';
	return -1;
}

int tree_put_file(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	struct tree_file *f = &r->file;

	*f = (struct tree_file){ .fd = -1, .old = -1 };
	/* One that has other names is not changed under them. */
	if (r->exists && S_ISREG(r->old_st.st_mode) && r->old_st.st_nlink == 1 &&
		(uint64_t)r->old_st.st_size == e->size)
		f->old = file_openat2(tree_top(r)->fd, r->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, TREE_RESOLVE);
	return f->old >= 0 ? 0 : make_new(r, err);
}

/* --- comparing --- */

static bool is_hole(int fd, uint64_t from, uint64_t to)
{
	off_t data;

	if (from == to)
		return true;
	data = lseek(fd, (off_t)from, SEEK_DATA);
	return data < 0 ? errno == ENXIO : (uint64_t)data >= to;
}

/* Does the old file have these bytes, too, and not as a hole? */
static bool has_bytes(struct tree_restore *r, uint64_t at, const uint8_t *bytes, size_t n)
{
	off_t hole = lseek(r->file.old, (off_t)at, SEEK_HOLE);
	struct err ignored;

	if (hole >= 0 && (uint64_t)hole < at + n)
		return false;
	while (n > 0) {
		size_t k = min_size(n, sizeof(r->old_room));

		if (file_read_at(r->file.old, r->old_room, k, at, &ignored) != 0 ||
			memcmp(r->old_room, bytes, k) != 0)
			return false;
		at += k;
		bytes += k;
		n -= k;
	}
	return true;
}

static int copy_piece(struct tree_restore *r, uint64_t from, uint64_t to, struct err *err)
{
	struct tree_file *f = &r->file;

	while (from < to) {
		loff_t in = (loff_t)from, out = in;
		ssize_t got = copy_file_range(f->old, &in, f->fd, &out, (size_t)(to - from), 0);
		size_t k = (size_t)min_u64(to - from, sizeof(r->old_room));

		if (got > 0) {
			from += (uint64_t)got;
			continue;
		}
		/* Not every file system can. */
		if (file_read_at(f->old, r->old_room, k, from, err) != 0 ||
			file_write_at(f->fd, r->old_room, k, from, err) != 0)
			return -1;
		from += k;
	}
	return 0;
}

/* What was equal so far, holes left out, is the beginning of a new file. */
static int stop_comparing(struct tree_restore *r, struct err *err)
{
	struct tree_file *f = &r->file;
	uint64_t at = 0;
	int result = make_new(r, err);

	while (result == 0 && at < f->same) {
		off_t data = lseek(f->old, (off_t)at, SEEK_DATA), hole;

		if (data < 0 || (uint64_t)data >= f->same)
			break;
		hole = lseek(f->old, data, SEEK_HOLE);
		at = hole < 0 ? f->same : min_u64((uint64_t)hole, f->same);
		result = copy_piece(r, (uint64_t)data, at, err);
	}
	close_fd(&f->old);
	return result;
}

/* --- writing --- */

int tree_put_bytes(
	struct tree_restore *r, uint64_t at, const uint8_t *bytes, size_t n, struct err *err)
{
	struct tree_file *f = &r->file;

	if (n > r->c.bytes_max - r->bytes)
		return err_set(err, ERR_LIMIT, "more than the %llu bytes that are allowed",
			(unsigned long long)r->c.bytes_max);
	r->bytes += n;
	if (f->old >= 0) {
		if (is_hole(f->old, f->same, at) && has_bytes(r, at, bytes, n)) {
			f->same = at + n;
			return 0;
		}
		if (stop_comparing(r, err) != 0)
			return -1;
	}
	r->report.bytes_written += n;
	return file_write_at(f->fd, bytes, n, at, err);
}

/* The file that was there is the one that is wanted: only its attributes may be others. */
static int leave_old(struct tree_restore *r, const struct tree_attrs *attrs,
	const struct tree_tar_entry *e, struct err *err)
{
	int result = tree_set_attrs(r, r->file.old, attrs, false, e->path, err);

	close_fd(&r->file.old);
	r->report.files_left++;
	return result;
}

int tree_put_file_end(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err)
{
	struct tree_file *f = &r->file;
	struct tree_attrs attrs = tree_attrs_of(e);

	if (f->old >= 0 && is_hole(f->old, f->same, e->size))
		return leave_old(r, &attrs, e, err);
	if (f->old >= 0 && stop_comparing(r, err) != 0)
		return -1;
	if (e->sparse && ftruncate(f->fd, (off_t)e->size) != 0)
		return err_errno(
			err, errno, "cannot make it %llu bytes long", (unsigned long long)e->size);
	if (tree_set_attrs(r, f->fd, &attrs, false, e->path, err) != 0 ||
		tree_take_name(r, f->temporary, err) != 0)
		return -1;
	f->temporary[0] = '\0'; /* it has its name */
	close_fd(&f->fd);
	r->report.files_written++;
	return 0;
}
