#include "common/engine/save_archive.h"

#include "common/base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int failed(struct save_archive *a, struct err *err)
{
	const char *why = archive_error_string(a->archive);
	char shown[200];

	if (a->read_err.code)
		return err_set(err, a->read_err.code, "%s", a->read_err.text);
	if (!why)
		why = "no reason given";
	return err_set(err, ERR_ENGINE, "the engine's archive of the image cannot be read: %s",
		text_escape(shown, sizeof(shown), why, strlen(why)));
}

static la_ssize_t on_read(struct archive *archive, void *ctx, const void **ret)
{
	struct save_archive *a = ctx;
	size_t n;

	if (a->read(a->read_ctx, ret, &n, &a->read_err) != 0) {
		archive_set_error(archive, EIO, "%s", a->read_err.text);
		return -1;
	}
	return (la_ssize_t)n;
}

int save_archive_open(struct save_archive *a, save_read_fn *read, void *read_ctx, struct err *err)
{
	*a = (struct save_archive){ .read = read, .read_ctx = read_ctx };
	a->archive = archive_read_new();
	if (!a->archive)
		return err_nomem(err);
	if (archive_read_support_format_tar(a->archive) != ARCHIVE_OK ||
		archive_read_open(a->archive, a, NULL, on_read, NULL) != ARCHIVE_OK)
		return failed(a, err);
	return 0;
}

void save_archive_close(struct save_archive *a)
{
	archive_read_free(a->archive);
	a->archive = NULL;
}

static int read_rest(struct save_archive *a, struct err *err)
{
	const void *rest;
	size_t n;

	do {
		if (a->read(a->read_ctx, &rest, &n, err) != 0)
			return -1;
	} while (n > 0);
	return 0;
}

static bool is_file(struct archive_entry *e)
{
	return archive_entry_pathname(e) && archive_entry_filetype(e) == S_IFREG &&
	       !archive_entry_hardlink(e) && archive_entry_size(e) >= 0;
}

int save_archive_next(struct save_archive *a, struct archive_entry **ret, struct err *err)
{
	int got;

	a->at = 0;
	while ((got = archive_read_next_header(a->archive, ret)) == ARCHIVE_OK ||
		got == ARCHIVE_WARN)
		if (is_file(*ret))
			return 0;
	if (got != ARCHIVE_EOF)
		return failed(a, err);
	*ret = NULL;
	return read_rest(a, err);
}

int save_archive_block(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	struct save_archive *a = ctx;
	int64_t at;
	int got;

	do {
		got = archive_read_data_block(a->archive, ret, ret_n, &at);
		if (got == ARCHIVE_EOF) {
			*ret_n = 0;
			return 0;
		}
		if (got != ARCHIVE_OK)
			return failed(a, err);
		if (*ret_n > 0 && (at < 0 || (uint64_t)at != a->at))
			return err_set(err, ERR_ENGINE, "the engine's archive has a sparse entry");
	} while (*ret_n == 0);
	a->at += *ret_n;
	return 0;
}

int save_archive_whole(struct save_archive *a, struct buf *ret, struct err *err)
{
	const void *bytes;
	size_t n;

	for (;;) {
		if (save_archive_block(a, &bytes, &n, err) != 0)
			return -1;
		if (n == 0)
			return 0;
		buf_append(ret, bytes, n);
		if (ret->no_memory)
			return err_nomem(err);
		if (!buf_ok(ret))
			return err_set(err, ERR_LIMIT,
				"an entry of the engine's archive is over %zu bytes", ret->max);
	}
}
