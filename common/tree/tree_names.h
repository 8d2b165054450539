/* The names in a directory, sorted by their bytes. */
#pragma once

#include "common/base/err.h"

/* What all listings that are held at a time take together: TREE_NAMES_MAX, TREE_NAME_BYTES_MAX. */
struct tree_names_used {
	size_t names, bytes;
};

struct tree_names {
	struct tree_names_used *used;
	char *text; /* name, zero, name, zero */
	size_t len, cap;
	uint32_t *at; /* where each name begins, sorted */
	size_t n, cap_at;
};

/* Reads the directory; "." and ".." are not in it. For tree_names_done, even on failure. */
int tree_names_read(
	struct tree_names *l, int dir, struct tree_names_used *used, struct err *err) MUST_CHECK;
void tree_names_done(struct tree_names *l);

static inline const char *tree_names_get(const struct tree_names *l, size_t i)
{
	return l->text + l->at[i];
}
