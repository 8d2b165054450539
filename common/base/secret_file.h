/*
 * A private file with one line of secret text (a key): read only when nobody else may touch it,
 * made once and never overwritten. Blocking; any thread.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

#include <sys/stat.h>

/* Reads the whole file into `ret` (initialised here; secret_file_wipe it even on failure) and tells
 * in *ret_stat which file that was. ERR_NOT_FOUND: no such file; ERR_REFUSED: group or others have
 * rights to it, or it belongs to another user; ERR_LIMIT: larger than `max` bytes. */
int secret_file_read(const char *path, size_t max, struct buf *ret, struct stat *ret_stat,
	struct err *err) MUST_CHECK;

/* As buf_done, but leaves zeros behind. */
void secret_file_wipe(struct buf *b);

/* Reads a file of one line (without its newline) into `ret`, which the caller wipes. Fails as
 * secret_file_read; ERR_CORRUPT: it holds no line or more than one, or one of `size` letters or
 * more. */
int secret_file_load(const char *path, char *ret, size_t size, struct err *err) MUST_CHECK;

/* Makes the file durably with mode 0600. *ret_made is false, and the file as it was, when it was
 * there already: two processes may race for it. */
int secret_file_make(
	const char *path, const char *line, bool *ret_made, struct err *err) MUST_CHECK;
