#include "client/backup/restore_sink.h"

#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct restore_sink {
	struct tree_restore *tree; /* NULL: a file */
	char *path, *temporary;
	int fd;
	uint64_t at;
};

static struct restore_sink *sink_new(struct err *err)
{
	struct restore_sink *s = calloc(1, sizeof(*s));

	if (s)
		s->fd = -1;
	else
		err_nomem(err);
	return s;
}

void restore_sink_free(struct restore_sink *s)
{
	if (!s)
		return;
	tree_restore_free(s->tree);
	if (s->fd >= 0) {
		close(s->fd);
		unlink(s->temporary);
	}
	free(s->path);
	free(s->temporary);
	free(s);
}

int restore_sink_directory(const char *root, bool overwrite, const atomic_bool *stop,
	struct restore_sink **ret, struct err *err)
{
	const struct tree_restore_config config = { .root = root,
		.update = overwrite,
		.devices = false,
		.bytes_max = UINT64_MAX,
		.entries_max = UINT64_MAX,
		.stop = stop };
	struct restore_sink *s = sink_new(err);

	if (!s)
		return -1;
	if (tree_restore_open(&config, &s->tree, err) != 0) {
		restore_sink_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

static int open_file(struct restore_sink *s, const char *path, bool overwrite, struct err *err)
{
	if (!overwrite && access(path, F_OK) == 0)
		return err_set(err, ERR_REFUSED,
			"%s is there already (another name, or --overwrite)", path);
	s->path = strdup(path);
	if (!s->path || asprintf(&s->temporary, "%s.dray-XXXXXX", path) < 0)
		return err_nomem(err);
	s->fd = mkostemp(s->temporary, O_CLOEXEC);
	return s->fd >= 0 ? 0 : err_errno(err, errno, "cannot make %s", path);
}

int restore_sink_file(const char *path, bool overwrite, struct restore_sink **ret, struct err *err)
{
	struct restore_sink *s = sink_new(err);

	if (!s)
		return -1;
	if (open_file(s, path, overwrite, err) != 0) {
		restore_sink_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

int restore_sink_bytes(void *sink, const void *bytes, size_t n, struct err *err)
{
	struct restore_sink *s = sink;

	if (s->tree)
		return tree_restore_feed(s->tree, bytes, n, err);
	if (file_write_at(s->fd, bytes, n, s->at, err) != 0)
		return err_wrap(err, "%s", s->path);
	s->at += n;
	return 0;
}

int restore_sink_end(void *sink, struct err *err)
{
	struct restore_sink *s = sink;

	if (s->tree)
		return tree_restore_end(s->tree, err);
	if (fsync(s->fd) != 0 || rename(s->temporary, s->path) != 0)
		return err_errno(err, errno, "cannot write %s", s->path);
	close(s->fd);
	s->fd = -1;
	return file_sync_parent(s->path, err);
}

const struct tree_report *restore_sink_report(const struct restore_sink *s)
{
	return s->tree ? tree_restore_report(s->tree) : NULL;
}
