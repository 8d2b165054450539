/*
 * Follows a tar as it streams by and says which bytes are file contents. Only a hint: it never
 * fails, and what it does not understand it calls contents (one run, without borders). Knows ustar
 * sizes (octal and base-256), PAX size records ('x'), GNU long names ('L', 'K') and sparse ('S')
 * headers. From the block after one that is neither a header nor zeros, everything is contents
 * without an end; so of a blob that is no tar at all the first 512 bytes count as skeleton. The
 * parts do not depend on how the bytes are fed.
 */
#pragma once

#include "common/base/base.h"

enum tar_part {
	TAR_SKELETON, /* headers, padding, trailers, contents of up to INLINE_FILE_MAX bytes */
	TAR_FILE,     /* contents of one file */
};

struct tar_scan;

struct tar_scan *tar_scan_new(void); /* NULL when out of memory */
void tar_scan_free(struct tar_scan *t);

/* Looks at the next n > 0 bytes and returns how many of them (at least 1, at most n) are of one
 * part, and which. *ret_ends says that a file's contents end with them. */
size_t tar_scan_next(struct tar_scan *t, const uint8_t *bytes, size_t n, enum tar_part *ret_part,
	bool *ret_ends);

/* How many bytes of a file's contents come next, all of them or what is left; 0 when something else
 * comes. Contents without an end are 0 too. */
uint64_t tar_scan_file_left(const struct tar_scan *t);

/* Passes over n of these. */
void tar_scan_skip(struct tar_scan *t, uint64_t n);
