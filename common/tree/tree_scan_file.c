/* Sends one regular file: known chunks where the cache has it as it is, else its bytes. */
#include "common/base/file.h"
#include "common/tree/tree_path.h"
#include "common/tree/tree_scan_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512u

/* --- a file that is read --- */

/* Gives the stored bytes out; the first ones, when they are few, are kept in t->room. */
static int give_contents(struct tree_scan *t, struct tree_contents *c, struct err *err)
{
	for (uint64_t at = 0; at < c->stored;) {
		size_t n = (size_t)min_u64(sizeof(t->room), c->stored - at);

		if (tree_contents_read(c, at, t->room, n, err) != 0 ||
			tree_scan_give(t, t->room, n, err) != 0)
			return -1;
		at += n;
	}
	t->report.files_read++;
	t->report.bytes_read += c->stored;
	return 0;
}

static int64_t nanoseconds(const struct timespec *at)
{
	return at->tv_sec * INT64_C(1000000000) + at->tv_nsec;
}

/* May it have changed after the look without looking changed? */
static bool is_racy(const struct stat *st, int64_t look_at)
{
	return nanoseconds(&st->st_mtim) > look_at - TREE_RACY_NS ||
	       nanoseconds(&st->st_ctim) > look_at - TREE_RACY_NS;
}

static bool changed_since(int fd, const struct stat *before)
{
	struct stat now;

	return fstat(fd, &now) != 0 || now.st_size != before->st_size ||
	       nanoseconds(&now.st_mtim) != nanoseconds(&before->st_mtim) ||
	       nanoseconds(&now.st_ctim) != nanoseconds(&before->st_ctim);
}

static int read_file(struct tree_scan *t, struct tree_contents *c, const struct tree_entry *e,
	int64_t look_at, struct err *err)
{
	struct tree_look look = tree_look_of(&e->st, c);
	bool keep = t->writer && !is_racy(&e->st, look_at);
	int r;

	if (keep)
		tree_cache_begin(t->writer, e->path, &look);
	t->keeping = keep;
	r = give_contents(t, c, err);
	t->keeping = false;
	if (r != 0)
		return -1;
	if (c->changed || changed_since(c->fd, &e->st)) {
		tree_note(&t->report, TREE_CHANGED, e->path);
		c->changed = true;
	}
	if (keep && c->stored <= INLINE_FILE_MAX)
		tree_cache_put_inline(t->writer, t->room, (size_t)c->stored);
	if (keep)
		tree_cache_end(t->writer, !c->changed);
	return 0;
}

/* --- a file that is known --- */

static int give_known_bytes(struct tree_scan *t, const struct tree_look *look, struct err *err)
{
	size_t n = (size_t)look->stored;

	if (tree_cache_inline(t->cache, t->room, n, err) != 0 ||
		tree_scan_give(t, t->room, n, err) != 0)
		return -1;
	if (t->writer)
		tree_cache_put_inline(t->writer, t->room, n);
	return 0;
}

static int give_known_chunks(
	struct tree_scan *t, const struct tree_look *look, uint64_t place, struct err *err)
{
	struct tree_chunk chunk;
	uint64_t at = 0;
	bool more = true;

	while (tree_cache_chunk(t->cache, &chunk, &more, err) == 0 && more) {
		/* The splitter tells of it, and so it gets into the new cache. */
		if (splitter_known(t->splitter, &chunk.name, chunk.len, place, at, err) != 0) {
			t->out_failed = true;
			return -1;
		}
		at += chunk.len;
	}
	if (more)
		return -1;
	t->report.bytes += at;
	return at == look->stored ? 0 : err_set(err, ERR_CORRUPT, "its cache is damaged");
}

static int give_known(struct tree_scan *t, const struct tree_entry *e, const struct tree_look *look,
	uint64_t place, struct err *err)
{
	int r;

	if (t->stop && atomic_load(t->stop))
		return err_set(err, ERR_INTERRUPTED, "stopped");
	if (t->writer)
		tree_cache_begin(t->writer, e->path, look);
	t->keeping = t->writer != NULL;
	r = look->stored <= INLINE_FILE_MAX ? give_known_bytes(t, look, err)
					    : give_known_chunks(t, look, place, err);
	t->keeping = false;
	if (t->writer)
		tree_cache_end(t->writer, true);
	t->report.files_known++;
	t->report.bytes_known += look->stored;
	return r;
}

/* --- either --- */

static int give_either(struct tree_scan *t, struct tree_contents *c, const struct tree_entry *e,
	int64_t look_at, struct err *err)
{
	static const uint8_t zeros[BLOCK];
	struct tree_look look = tree_look_of(&e->st, c);
	bool known = false;
	uint64_t place = 0;
	int r;

	if (t->cache && tree_cache_find(t->cache, e->path, &look, &known, &place, err) != 0)
		return -1;
	if (tree_scan_head(t, e, err) != 0)
		return -1;
	if (c->stored == 0)
		return 0;
	r = known ? give_known(t, e, &look, place, err) : read_file(t, c, e, look_at, err);
	return r == 0 ? tree_scan_give(t, zeros, -c->stored & (BLOCK - 1), err) : -1;
}

int tree_scan_file(
	struct tree_scan *t, int fd, struct tree_entry *e, int64_t look_at, struct err *err)
{
	struct tree_contents c;
	int r = tree_contents_open(&c, fd, &e->st, err);

	e->file = &c;
	if (r == 0)
		r = give_either(t, &c, e, look_at, err);
	e->file = NULL;
	tree_contents_done(&c);
	return r;
}

/* --- once more --- */

static void close_again(struct tree_scan *t)
{
	if (t->again_fd < 0)
		return;
	tree_contents_done(&t->again);
	close(t->again_fd);
	t->again_fd = -1;
}

/* Under the lock. Opens the file of the entry at `place` if it is what it was. */
static int open_again(struct tree_scan *t, uint64_t place, struct err *err)
{
	char path[TREE_PATH_MAX + 1];
	struct tree_look look, now;
	struct stat st;

	close_again(t);
	if (tree_cache_file(t->cache, place, path, &look, err) != 0)
		return -1;
	t->again_fd = file_openat2(
		t->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, TREE_BENEATH);
	if (t->again_fd < 0 || fstat(t->again_fd, &st) != 0)
		return err_errno(err, errno, "cannot read it again");
	t->again_place = place;
	if (tree_contents_open(&t->again, t->again_fd, &st, err) != 0)
		return -1;
	now = tree_look_of(&st, &t->again);
	return tree_look_equal(&look, &now) ? 0 : err_set(err, ERR_AGAIN, "it changed");
}

static int read_again(
	struct tree_scan *t, const struct batch_chunk *c, uint8_t *ret, struct err *err)
{
	struct digest name;

	if ((t->again_fd < 0 || t->again_place != c->file) && open_again(t, c->file, err) != 0)
		return -1;
	if (c->len > t->again.stored || c->at > t->again.stored - c->len)
		return err_set(err, ERR_AGAIN, "it is shorter");
	if (tree_contents_read(&t->again, c->at, ret, c->len, err) != 0)
		return -1;
	name = digest_of(ret, c->len);
	if (digest_equal(&name, &c->name))
		return 0;
	/* Should it look as it did, the cache must not be believed again; what is lost is little.
	 */
	atomic_store(&t->cache_wrong, true);
	unlink(t->cache_path);
	return err_set(err, ERR_AGAIN, "it changed");
}

int tree_scan_again(void *ctx, const struct batch_chunk *c, uint8_t *ret, struct err *err)
{
	struct tree_scan *t = ctx;
	struct err why = { 0 };
	int r;

	pthread_mutex_lock(&t->again_lock);
	r = read_again(t, c, ret, &why);
	if (r != 0)
		close_again(t);
	pthread_mutex_unlock(&t->again_lock);
	if (r == 0)
		return 0;
	return err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : ERR_AGAIN,
		"a file that was not read is needed after all: %s", why.text);
}
