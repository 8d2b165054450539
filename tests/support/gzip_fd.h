/* A file in memory with these bytes, gzip'd: a descriptor at its start, to be closed. */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void gzip_write(int fd, const void *bytes, size_t n)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_pathname(e, "content");
	if (archive_write_set_format_raw(a) != ARCHIVE_OK ||
		archive_write_add_filter_gzip(a) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
		archive_write_open_fd(a, fd) != ARCHIVE_OK ||
		archive_write_header(a, e) != ARCHIVE_OK ||
		archive_write_data(a, bytes, n) != (la_ssize_t)n ||
		archive_write_close(a) != ARCHIVE_OK)
		abort();
	archive_entry_free(e);
	archive_write_free(a);
}

static inline int gzip_fd(const void *bytes, size_t n)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	gzip_write(fd, bytes, n);
	if (lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}
