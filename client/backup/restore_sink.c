#include "client/backup/restore_sink.h"

#include "common/base/file.h"
#include "common/base/file_new.h"

#include <stdlib.h>
#include <unistd.h>

struct restore_sink {
	struct tree_restore *tree; /* NULL: a file */
	struct file_new file;
	bool overwrite;
	uint64_t at;
};

static struct restore_sink *sink_new(struct err *err)
{
	struct restore_sink *s = calloc(1, sizeof(*s));

	if (s)
		s->file.fd = -1;
	else
		err_nomem(err);
	return s;
}

void restore_sink_free(struct restore_sink *s)
{
	if (!s)
		return;
	tree_restore_free(s->tree);
	file_new_drop(&s->file);
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
	s->overwrite = overwrite;
	return file_new_open(&s->file, path, err);
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
	if (file_write_at(s->file.fd, bytes, n, s->at, err) != 0)
		return err_wrap(err, "%s", s->file.path);
	s->at += n;
	return 0;
}

int restore_sink_end(void *sink, struct err *err)
{
	struct restore_sink *s = sink;

	if (s->tree)
		return tree_restore_end(s->tree, err);
	return file_new_keep(&s->file, s->overwrite, true, err);
}

const struct tree_report *restore_sink_report(const struct restore_sink *s)
{
	return s->tree ? tree_restore_report(s->tree) : NULL;
}
