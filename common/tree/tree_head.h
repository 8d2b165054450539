/* The header blocks of one entry of a tar. */
#pragma once

#include "common/tree/tree_contents.h"
#include "common/tree/tree_xattr.h"

struct tree_entry {
	const char *path; /* below the root; "" is the root */
	struct stat st;
	const char *hard_link;		  /* the path of its first name, or NULL */
	const char *target;		  /* of a symbolic link */
	const struct tree_contents *file; /* of a regular file that is no hard link */
	const struct tree_xattrs *xattrs; /* NULL: none */
};

/* Appends the blocks: an extended header where one is needed, and the header. */
int tree_head_put(struct buf *to, const struct tree_entry *e, struct err *err) MUST_CHECK;
