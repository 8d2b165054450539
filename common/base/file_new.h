/*
 * A file that is written under a temporary name beside its own and gets that name when it is whole.
 * Blocking; one owner. What is dropped before leaves nothing.
 */
#pragma once

#include "common/base/err.h"

struct file_new {
	char *path, *temporary; /* the latter NULL once it has its name */
	int fd;
};

/* Mode 0600. For file_new_drop, even on failure. */
int file_new_open(struct file_new *f, const char *path, struct err *err) MUST_CHECK;

/* Gives it its name, in place of what has it; or, without `replace`, fails with ERR_REFUSED when
 * something has. With `durable` it is on the disk, name and all, when this returns. */
int file_new_keep(struct file_new *f, bool replace, bool durable, struct err *err) MUST_CHECK;

/* Closes it, and removes it unless it was kept. Zeros with fd -1 are fine, and so is a second call.
 */
void file_new_drop(struct file_new *f);
