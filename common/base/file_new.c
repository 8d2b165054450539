#include "common/base/file_new.h"

#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_new_open(struct file_new *f, const char *path, struct err *err)
{
	*f = (struct file_new){ .fd = -1, .path = strdup(path) };
	if (!f->path || asprintf(&f->temporary, "%s.tmp.XXXXXX", path) < 0) {
		f->temporary = NULL;
		return err_nomem(err);
	}
	f->fd = mkostemp(f->temporary, O_CLOEXEC);
	if (f->fd >= 0)
		return 0;
	free(f->temporary);
	f->temporary = NULL;
	return err_errno(err, errno, "cannot make a file beside %s", path);
}

/* A link, unlike a rename, does not replace what another process made meanwhile. */
static int take_free_name(struct file_new *f, struct err *err)
{
	if (link(f->temporary, f->path) == 0) {
		unlink(f->temporary);
		return 0;
	}
	if (errno == EEXIST)
		return err_set(err, ERR_REFUSED, "%s is there already", f->path);
	return err_errno(err, errno, "cannot make %s", f->path);
}

int file_new_keep(struct file_new *f, bool replace, bool durable, struct err *err)
{
	if (durable && fsync(f->fd) != 0)
		return err_errno(err, errno, "cannot write %s to disk", f->temporary);
	if (!replace && take_free_name(f, err) != 0)
		return -1;
	if (replace && rename(f->temporary, f->path) != 0)
		return err_errno(err, errno, "cannot replace %s", f->path);
	free(f->temporary);
	f->temporary = NULL;
	return durable ? file_sync_parent(f->path, err) : 0;
}

void file_new_drop(struct file_new *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->temporary)
		unlink(f->temporary);
	free(f->temporary);
	free(f->path);
	*f = (struct file_new){ .fd = -1 };
}
