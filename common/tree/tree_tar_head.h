/* One header of a tar, and the extended one before it, made an entry. Only for tree_tar.c. */
#pragma once

#include "common/tree/tree_tar.h"

/* What an extended header said, bit by bit, so that nothing is said twice. */
struct tree_pax {
	unsigned said;
	uint64_t stored;   /* "size" */
	uint64_t realsize; /* GNU.sparse. */
	unsigned sparse_major, sparse_minor;
};

/* The body of an extended header: fills in what it says. */
int tree_tar_take_pax(struct tree_tar_entry *e, struct tree_pax *p, const uint8_t *bytes, size_t n,
	struct err *err) MUST_CHECK;

/* The header block itself, of the types in enum tree_type: fills in the rest. *ret_stored: bytes of
 * contents in the tar. */
int tree_tar_take_head(struct tree_tar_entry *e, const struct tree_pax *p, const uint8_t *block,
	uint64_t *ret_stored, struct err *err) MUST_CHECK;
