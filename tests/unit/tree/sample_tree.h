/* Trees for the tests of this folder, and a strict list of what is in one. */
#pragma once

#include "common/base/buf.h"

/* Is this root, who may make all that a tree can have? */
bool sample_is_root(void);

/* Makes a tree with one of everything in an empty directory: with what only root can make, when it
 * is root. */
void sample_tree_make(const char *root);

/* A line for everything in the tree: kind, mode, owner, times, attributes, contents, holes, which
 * names are one file. NUL-terminated text. */
void sample_tree_list(const char *root, struct buf *ret);

/* Fails, and shows the first line that differs, unless both trees have the same list. */
void sample_trees_equal(const char *a, const char *b);

/* "root/fmt" in one of a few buffers that are used in turn. */
const char *sample_path(const char *root, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Makes a directory and returns its path, to be freed. */
char *sample_dir(const char *in, const char *name);

/* Runs a program, which must succeed. `argv` ends with NULL. */
void sample_run(const char *const *argv);

/* Writes a file of these bytes, or adds to it at `at`. */
void sample_file(const char *root, const char *name, const void *bytes, size_t n);
void sample_write_at(const char *path, const void *bytes, size_t n, uint64_t at);

/* Sets the time of change of anything, nanoseconds and all. */
void sample_mtime(const char *path, int64_t seconds, long nanoseconds);
