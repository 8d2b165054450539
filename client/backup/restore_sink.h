/*
 * Where the bytes of a restored volume go: into its directory, or into a tar that appears under its
 * name when it is whole. Blocking; one thread at a time.
 */
#pragma once

#include "common/tree/tree_restore.h"

struct restore_sink;

/* `root`: a directory, that must be empty unless `overwrite` (what it has and the tree has not is
 * then removed). `stop` as tree_restore's. */
int restore_sink_directory(const char *root, bool overwrite, const atomic_bool *stop,
	struct restore_sink **ret, struct err *err) MUST_CHECK;

/* `path` must not be there, unless `overwrite`. */
int restore_sink_file(
	const char *path, bool overwrite, struct restore_sink **ret, struct err *err) MUST_CHECK;

int restore_sink_bytes(void *sink, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* All is durable, and a file has its name, after it. */
int restore_sink_end(void *sink, struct err *err) MUST_CHECK;

/* Of a directory; NULL: it is none. */
const struct tree_report *restore_sink_report(const struct restore_sink *s);

/* A file that is not whole is removed. NULL is fine. */
void restore_sink_free(struct restore_sink *s);
