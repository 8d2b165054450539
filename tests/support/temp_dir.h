/* A directory of a test's own, removed with everything in it. */
#pragma once

#include "common/base/base.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int temp_dir_drop_one(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

/* A fresh directory's path, to be given to temp_dir_remove. */
static inline char *temp_dir_make(void)
{
	char *path = strdup("/tmp/dray-test-XXXXXX");

	if (!path || !mkdtemp(path))
		abort();
	return path;
}

static inline void temp_dir_remove(char *path)
{
	nftw(path, temp_dir_drop_one, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

/* cmocka fixtures for tests whose whole state is such a directory. */
static inline int temp_dir_setup(void **state)
{
	*state = temp_dir_make();
	return 0;
}

static inline int temp_dir_teardown(void **state)
{
	temp_dir_remove(*state);
	return 0;
}
