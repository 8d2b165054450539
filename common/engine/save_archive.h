/*
 * The tar that an engine makes of an image, read as it comes: its entries, their contents, the
 * errors of both. Blocking; one thread.
 */
#pragma once

#include "common/base/buf.h"
#include "common/engine/engine.h"

#include <archive.h>
#include <archive_entry.h>

/* More bytes of the archive; *ret_n 0 at the end. What was given before may be overwritten. */
typedef int save_read_fn(void *ctx, const void **ret, size_t *ret_n, struct err *err);

struct save_archive {
	save_read_fn *read;
	void *read_ctx;
	struct archive *archive;
	struct err read_err; /* what `read` failed with */
	uint64_t at;	     /* bytes read of the entry */
};

/* save_archive_close afterwards, also when it failed. */
int save_archive_open(
	struct save_archive *a, save_read_fn *read, void *read_ctx, struct err *err) MUST_CHECK;
void save_archive_close(struct save_archive *a);

/* The next entry that is a file with contents of its own; a link stands for one that the archive
 * holds under another name. *ret NULL at the end, and then everything was read. */
int save_archive_next(
	struct save_archive *a, struct archive_entry **ret, struct err *err) MUST_CHECK;

/* The next run of the entry's bytes; *ret_n 0 at its end. Fit for stored_read_fn. */
int save_archive_block(void *ctx, const void **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* The rest of the entry; more than the max of `ret` is ERR_LIMIT. */
int save_archive_whole(struct save_archive *a, struct buf *ret, struct err *err) MUST_CHECK;
