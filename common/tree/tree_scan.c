/*
 * Owns a scan: the root, the cache, the way out. Happy path: the walk gives headers and contents to
 * the splitter (or to `fn`), the two blocks of zeros end the tar, the new cache takes the place of
 * the old one. Failure modes: what cannot be read ends the scan; what went away while it was read
 * is passed over and counted.
 */
#include "common/tree/tree_scan_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 512u

static int64_t real_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct tree_scan *scan_new(const struct tree_scan_config *config)
{
	struct tree_scan *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->root = t->again_fd = -1;
	t->reread = config->reread;
	t->stop = config->stop;
	t->now = real_time;
	tree_xattrs_init(&t->xattrs);
	buf_init(&t->head, TREE_PAX_MAX + TREE_PATH_MAX * 4);
	pthread_mutex_init(&t->again_lock, NULL);
	t->links = tree_links_new();
	t->root_path = strdup(config->root);
	t->cache_path = config->cache ? strdup(config->cache) : NULL;
	if (t->links && t->root_path && (t->cache_path || !config->cache))
		return t;
	tree_scan_free(t);
	return NULL;
}

static int open_root(struct tree_scan *t, struct err *err)
{
	t->root = open(t->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "there is no directory %s", t->root_path);
	if (t->root < 0 || fstat(t->root, &t->root_st) != 0)
		return err_errno(err, errno, "cannot open %s", t->root_path);
	return 0;
}

int tree_scan_open(const struct tree_scan_config *config, struct tree_scan **ret, struct err *err)
{
	struct tree_scan *t = scan_new(config);

	if (!t)
		return err_nomem(err);
	if (open_root(t, err) != 0 || (t->cache_path && !t->reread &&
					      tree_cache_open(t->cache_path, &t->root_st, &t->cache,
						      &t->report.cache_damaged, err) != 0)) {
		tree_scan_free(t);
		return -1;
	}
	*ret = t;
	return 0;
}

void tree_scan_free(struct tree_scan *t)
{
	if (!t)
		return;
	if (t->root >= 0)
		close(t->root);
	if (t->again_fd >= 0) {
		tree_contents_done(&t->again);
		close(t->again_fd);
	}
	pthread_mutex_destroy(&t->again_lock);
	tree_cache_free(t->cache);
	tree_cache_writer_free(t->writer);
	tree_links_free(t->links);
	tree_xattrs_done(&t->xattrs);
	buf_done(&t->head);
	splitter_free(t->splitter);
	free(t->root_path);
	free(t->cache_path);
	free(t);
}

const struct tree_report *tree_scan_report(const struct tree_scan *t)
{
	return &t->report;
}

int tree_scan_give(struct tree_scan *t, const void *bytes, size_t n, struct err *err)
{
	int r;

	if (t->stop && atomic_load(t->stop))
		r = err_set(err, ERR_INTERRUPTED, "stopped");
	else
		r = t->splitter ? splitter_feed(t->splitter, bytes, n, err)
				: t->fn(t->ctx, bytes, n, err);
	t->report.bytes += n;
	t->out_failed = r != 0;
	return r;
}

int tree_scan_head(struct tree_scan *t, const struct tree_entry *e, struct err *err)
{
	buf_clear(&t->head);
	if (tree_head_put(&t->head, e, err) != 0)
		return -1;
	t->report.entries++;
	return tree_scan_give(t, buf_bytes(&t->head), buf_len(&t->head), err);
}

static int give_all(struct tree_scan *t, struct err *err)
{
	static const uint8_t end[2 * BLOCK];

	if (tree_scan_walk(t, err) != 0)
		return -1;
	return tree_scan_give(t, end, sizeof(end), err);
}

int tree_scan_tar(struct tree_scan *t, tree_bytes_fn *fn, void *ctx, struct err *err)
{
	t->fn = fn;
	t->ctx = ctx;
	tree_cache_free(t->cache);
	t->cache = NULL;
	return give_all(t, err);
}

static void on_chunk(void *ctx, const struct digest *name, uint32_t len)
{
	struct tree_scan *t = ctx;
	struct tree_chunk chunk = { *name, len };

	if (t->keeping)
		tree_cache_put_chunk(t->writer, &chunk);
}

/* A cache that cannot be written costs time and nothing else. */
static void keep_cache(struct tree_scan *t)
{
	struct err why;

	if (!t->writer)
		return;
	if (tree_cache_keep(t->writer, &why) != 0)
		t->report.cache_lost = true;
	tree_cache_writer_free(t->writer);
	t->writer = NULL;
	if (atomic_load(&t->cache_wrong))
		unlink(t->cache_path);
}

int tree_scan_split(struct tree_scan *t, splitter_batch_fn *fn, void *ctx,
	struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	const struct batch_reader reader = { tree_scan_again, t };
	struct err why;

	t->splitter = splitter_new_tree(fn, ctx, &reader);
	if (!t->splitter)
		return err_nomem(err);
	splitter_watch(t->splitter, on_chunk, t);
	if (t->cache_path &&
		tree_cache_writer_open(t->cache_path, &t->root_st, &t->writer, &why) != 0)
		t->report.cache_lost = true;
	if (give_all(t, err) != 0 || splitter_end(t->splitter, ret_digest, ret_size, err) != 0)
		return -1;
	keep_cache(t);
	return 0;
}
