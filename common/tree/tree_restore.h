/*
 * Makes a directory tree of a tar that comes from a peer, which may be hostile. Blocking, for a
 * worker thread: it is fed the tar's bytes. Nothing outside of the root can be reached: names are
 * checked, and everything is opened beneath its own directory without following a link.
 *
 * Taken is what tree_scan gives, and what an engine gives for GET of "/path/.": ustar and PAX,
 * directories before what is in them, names in each directory in the order of their bytes, each
 * once. Refused (ERR_PROTOCOL, or ERR_LIMIT) is everything else.
 *
 * A file is made under a temporary name, gets its owner, mode, attributes and times, and is then
 * renamed. A directory gets them when it is left.
 */
#pragma once

#include "common/base/err.h"
#include "common/tree/tree_report.h"

#include <stdatomic.h>

struct tree_restore_config {
	const char *root;	 /* an existing directory */
	bool update;		 /* else it must be empty: ERR_REFUSED when it is not. With update,
				  * what the tar does not have is deleted. A regular file that has
				  * the same bytes already, found by comparing, is not written. */
	bool devices;		 /* make device nodes; else they are left out with a note */
	uint64_t bytes_max;	 /* contents of all files, without holes; more is ERR_LIMIT */
	uint64_t entries_max;	 /* likewise */
	const atomic_bool *stop; /* looked at now and then: ERR_INTERRUPTED; NULL: none */
};

struct tree_restore;

int tree_restore_open(const struct tree_restore_config *config, struct tree_restore **ret,
	struct err *err) MUST_CHECK;

/* The tar's next bytes. After a failure only tree_restore_free is allowed. */
int tree_restore_feed(
	struct tree_restore *r, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* The tar is over: ERR_CORRUPT when it is not whole. All that was made is on the disk (syncfs)
 * after it. */
int tree_restore_end(struct tree_restore *r, struct err *err) MUST_CHECK;

const struct tree_report *tree_restore_report(const struct tree_restore *r);

/* Removes a file that is in the making; all that has its name stays. NULL is fine. */
void tree_restore_free(struct tree_restore *r);
