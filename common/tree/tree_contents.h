/*
 * The contents of a regular file as a tar has them: its bytes, or, when it has holes, a map of what
 * is not holes (GNU sparse 1.0) and then that. Read by position; one thread at a time.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

#include <sys/stat.h>

struct tree_extent {
	uint64_t at, len;
};

struct tree_contents {
	int fd;
	uint64_t size;		     /* of the file */
	uint64_t stored;	     /* bytes in the tar */
	struct tree_extent *extents; /* of a sparse file; the last one ends where the file does */
	size_t n_extents;	     /* 0: it has no holes */
	struct buf map;		     /* padded to whole blocks */
	uint64_t layout;	     /* 0, or a hash of the map */
	size_t hint;		     /* where in extents the last read ended, and: */
	uint64_t hint_at;	     /* the position of that extent in the tar's bytes */
	bool changed;		     /* the file ended earlier than it said */
};

/* Looks where the holes are. The descriptor stays the caller's. For tree_contents_done, even on
 * failure. */
int tree_contents_open(
	struct tree_contents *c, int fd, const struct stat *st, struct err *err) MUST_CHECK;
void tree_contents_done(struct tree_contents *c);

/* Bytes [at, at + n) of `stored`. What the file does not have any more is zeros, and `changed`. */
int tree_contents_read(
	struct tree_contents *c, uint64_t at, uint8_t *to, size_t n, struct err *err) MUST_CHECK;
