/*
 * Reads a directory tree as a tar: the same tree gives the same bytes. Blocking, for a worker
 * thread. The root comes first, as "./"; below it names are in the order of their bytes, each
 * directory before what is in it. Numeric owners, modes, mtimes in nanoseconds, extended attributes
 * and ACLs (as "SCHILY.xattr." records), hard links, sparse files (GNU 1.0), all in PAX form, which
 * an engine's PUT of an archive takes too.
 *
 * With a cache, files that are as they were at the last look are not read: their chunks pass by
 * name. Format: README.md.
 */
#pragma once

#include "common/chunk/splitter.h"
#include "common/tree/tree_report.h"

#include <stdatomic.h>

struct tree_scan_config {
	const char *root;	 /* a directory; links in this path are followed */
	const char *cache;	 /* a file, made when it is not there; NULL: none */
	bool reread;		 /* read everything, whatever the cache says (it is written anew) */
	const atomic_bool *stop; /* looked at now and then: ERR_INTERRUPTED; NULL: none */
};

struct tree_scan;

/* Opens root and cache (a damaged one is as none, and the report says so); copies the config.
 * ERR_NOT_FOUND: there is no such directory. */
int tree_scan_open(
	const struct tree_scan_config *config, struct tree_scan **ret, struct err *err) MUST_CHECK;

/* Not while a batch of it is around. NULL is fine. */
void tree_scan_free(struct tree_scan *t);

/*
 * Goes through the tree, once. `fn` and `ctx` as for splitter_new; digest and size are those of a
 * blob that is named by its operations (common/chunk/README.md). Batches may have chunks without
 * bytes: batch_chunk_bytes gets them. When all went well the cache is replaced.
 *
 * A file that changes while it is read is padded or cut to the size that was announced, so that the
 * tar is well formed, and counted in notes[TREE_CHANGED]; the next scan reads it again.
 */
int tree_scan_split(struct tree_scan *t, splitter_batch_fn *fn, void *ctx,
	struct digest *ret_digest, uint64_t *ret_size, struct err *err) MUST_CHECK;

/* Goes through the tree, once, and gives the tar's bytes to `fn` (which may wait; -1 stops it). The
 * cache is neither used nor written. */
typedef int tree_bytes_fn(void *ctx, const void *bytes, size_t n, struct err *err);
int tree_scan_tar(struct tree_scan *t, tree_bytes_fn *fn, void *ctx, struct err *err) MUST_CHECK;

/* Counts so far; of the thread that scans, or when it is done. */
const struct tree_report *tree_scan_report(const struct tree_scan *t);
