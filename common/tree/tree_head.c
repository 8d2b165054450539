/*
 * libarchive writes the headers, each with an archive of its own, whose output fails when it would
 * go on with the contents: these go past it, read or not. Whole PAX, not the restricted kind, so
 * that the nanoseconds are always there.
 */
#include "common/tree/tree_head.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>

struct writing {
	struct archive *archive;
	struct archive_entry *entry;
	struct buf *to; /* NULL: no more */
};

static void cleanup_writing(struct writing *w)
{
	w->to = NULL;
	archive_entry_free(w->entry);
	archive_write_free(w->archive);
}

static la_ssize_t on_bytes(struct archive *a, void *ctx, const void *bytes, size_t n)
{
	struct writing *w = ctx;

	(void)a;
	if (!w->to)
		return -1;
	buf_append(w->to, bytes, n);
	return buf_ok(w->to) ? (la_ssize_t)n : -1;
}

static bool is_ascii(const char *s)
{
	while (*s && (uint8_t)*s < 0x80)
		s++;
	return *s == '\0';
}

/* Names are bytes, whatever the locale; said only where it matters, for not all know the word. */
static int open_archive(struct writing *w, const struct tree_entry *e)
{
	bool plain = is_ascii(e->path) && (!e->hard_link || is_ascii(e->hard_link)) &&
		     (!e->target || is_ascii(e->target));
	int r = archive_write_set_format_pax(w->archive);

	if (r == ARCHIVE_OK)
		r = archive_write_set_options(w->archive, "pax:xattrheader=SCHILY");
	if (r == ARCHIVE_OK && !plain)
		r = archive_write_set_options(w->archive, "pax:hdrcharset=BINARY");
	if (r == ARCHIVE_OK)
		r = archive_write_set_bytes_per_block(w->archive, 0);
	if (r == ARCHIVE_OK)
		r = archive_write_open(w->archive, w, NULL, on_bytes, NULL);
	return r;
}

static void fill_file(struct archive_entry *to, const struct tree_contents *file)
{
	archive_entry_set_size(to, (la_int64_t)file->size);
	for (size_t i = 0; i < file->n_extents; i++)
		archive_entry_sparse_add_entry(
			to, (la_int64_t)file->extents[i].at, (la_int64_t)file->extents[i].len);
}

/* Before 1970 libarchive writes seconds and nanoseconds behind each other as if both went
 * backwards, so they are made to. The last second before it can only be whole. */
static void fill_mtime(struct archive_entry *to, const struct timespec *at)
{
	if (at->tv_sec >= 0 || at->tv_nsec == 0)
		archive_entry_set_mtime(to, at->tv_sec, at->tv_nsec);
	else if (at->tv_sec == -1)
		archive_entry_set_mtime(to, -1, 0);
	else
		archive_entry_set_mtime(to, at->tv_sec + 1, 1000000000 - at->tv_nsec);
}

static void fill(struct archive_entry *to, const struct tree_entry *e)
{
	archive_entry_copy_pathname(to, e->path[0] ? e->path : "./");
	archive_entry_set_mode(to, e->st.st_mode);
	archive_entry_set_uid(to, e->st.st_uid);
	archive_entry_set_gid(to, e->st.st_gid);
	fill_mtime(to, &e->st.st_mtim);
	if (e->hard_link)
		archive_entry_copy_hardlink(to, e->hard_link);
	else if (e->target)
		archive_entry_copy_symlink(to, e->target);
	else if (e->file)
		fill_file(to, e->file);
	if (S_ISCHR(e->st.st_mode) || S_ISBLK(e->st.st_mode))
		archive_entry_set_rdev(to, e->st.st_rdev);
	for (size_t i = 0; e->xattrs && i < e->xattrs->n; i++)
		archive_entry_xattr_add_entry(to, tree_xattr_name(e->xattrs, i),
			tree_xattr_value(e->xattrs, i), e->xattrs->at[i].len);
}

int tree_head_put(struct buf *to, const struct tree_entry *e, struct err *err)
{
	CLEANUP(cleanup_writing)
	struct writing w = { archive_write_new(), archive_entry_new(), to };

	if (!w.archive || !w.entry)
		return err_nomem(err);
	fill(w.entry, e);
	if (open_archive(&w, e) != ARCHIVE_OK ||
		archive_write_header(w.archive, w.entry) != ARCHIVE_OK) {
		const char *why = archive_error_string(w.archive);

		return err_set(err, ERR_FAILED, "cannot be put into a tar: %s",
			why ? why : "too long a header");
	}
	return 0;
}
