/* Which files of a walk have several names, and under which they came first. Bounded: see
 * TREE_LINKS_MAX. */
#pragma once

#include "common/base/err.h"

#include <sys/stat.h>

struct tree_links;

/* NULL when out of memory. */
struct tree_links *tree_links_new(void);
void tree_links_free(struct tree_links *l);

/* A name of a file with several ones (st_nlink above 1). *ret_first: the path under which it came
 * first, valid until the next call, or NULL: this is the first. *ret_full: it is not remembered, so
 * that its other names will be first ones too. */
int tree_links_see(struct tree_links *l, const struct stat *st, const char *path,
	const char **ret_first, bool *ret_full, struct err *err) MUST_CHECK;
