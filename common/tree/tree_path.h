/* Paths below a tree's root: "" is the root, "a/b" a name in a directory. */
#pragma once

#include "common/base/base.h"

#include <linux/openat2.h>

/* How everything in a tree is opened whose path comes from elsewhere. */
#define TREE_BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

/* In the order in which a tree is walked: a directory, then what is in it, names in the order of
 * their bytes. */
int tree_path_compare(const char *a, const char *b);
