/* Scans into memory and restores from it, for the tests of this folder. */
#pragma once

#include "common/tree/tree_restore.h"
#include "common/tree/tree_scan.h"
#include "tests/support/test.h"

#define TREE_TAR_MAX (64u << 20)

/* The tree's tar; returns what the scan says of it. */
struct tree_report tree_to_tar(const char *root, struct buf *ret);

/* A restore that allows much. */
struct tree_restore_config tree_config(const char *root, bool update);

/* Restores and ends; 0 or -1 with `err`. `step`: bytes fed at a time. `ret` may be NULL. */
int tree_from_tar(const struct tree_restore_config *config, const void *bytes, size_t n,
	size_t step, struct tree_report *ret, struct err *err);
