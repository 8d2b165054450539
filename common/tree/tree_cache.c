#include "common/tree/tree_cache_impl.h"

#include "common/base/cursor.h"
#include "common/base/file.h"
#include "common/tree/tree_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_MAX (128u << 10)

/* The entry under the reader's eyes. */
struct entry {
	bool there;
	uint64_t place, body, body_len;
	struct tree_look look;
	char path[TREE_PATH_MAX + 1];
};

struct tree_cache {
	int fd;
	uint64_t end; /* of the entries */
	struct entry entry;
	uint64_t taken; /* of its body */
	uint64_t from;	/* what `in` holds of the file: [from, from + have) */
	size_t have;
	uint8_t in[IN_MAX];
};

struct tree_look tree_look_of(const struct stat *st, const struct tree_contents *c)
{
	return (struct tree_look){ .ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime = st->st_ctim.tv_sec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
		.layout = c->layout,
		.stored = c->stored };
}

bool tree_look_equal(const struct tree_look *a, const struct tree_look *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
	       a->mtime_ns == b->mtime_ns && a->ctime == b->ctime && a->ctime_ns == b->ctime_ns &&
	       a->layout == b->layout && a->stored == b->stored;
}

int tree_cache_hash(int fd, uint64_t n, struct digest *ret, struct err *err)
{
	struct hasher *h = hasher_new();
	CLEANUP(cleanup_free) uint8_t *room = malloc(IN_MAX);
	uint64_t at = 0;
	int r = h && room ? 0 : err_nomem(err);

	while (r == 0 && at < n) {
		size_t k = (size_t)min_u64(IN_MAX, n - at);

		r = file_read_at(fd, room, k, at, err);
		if (r == 0)
			hasher_update(h, room, k);
		at += k;
	}
	if (r == 0)
		*ret = hasher_end(h);
	hasher_free(h);
	return r;
}

/* --- opening --- */

/* Is it whole, of this version, and of this tree? Finds where its entries end. */
static bool check(struct tree_cache *c, const struct stat *root, struct err *err)
{
	uint8_t head[CACHE_HEAD_LEN], tail[1 + DIGEST_LEN];
	struct cursor at = cursor_over(head, sizeof(head));
	struct digest sum;
	struct stat st;

	if (fstat(c->fd, &st) != 0 || (uint64_t)st.st_size < sizeof(head) + sizeof(tail))
		return false;
	c->end = (uint64_t)st.st_size - sizeof(tail);
	if (file_read_at(c->fd, head, sizeof(head), 0, err) != 0 ||
		file_read_at(c->fd, tail, sizeof(tail), c->end, err) != 0 ||
		memcmp(cursor_bytes(&at, 4), CACHE_MAGIC, 4) != 0 ||
		cursor_u64(&at) != root->st_dev || cursor_u64(&at) != root->st_ino ||
		tail[0] != ENTRY_END)
		return false;
	return tree_cache_hash(c->fd, c->end, &sum, err) == 0 &&
	       memcmp(sum.bytes, tail + 1, DIGEST_LEN) == 0;
}

static int take_entry(struct tree_cache *c, uint64_t place, struct err *err);

int tree_cache_open(const char *path, const struct stat *root, struct tree_cache **ret,
	bool *ret_damaged, struct err *err)
{
	struct tree_cache *c;
	struct err why; /* it cannot be used, whatever it is */

	*ret = NULL;
	*ret_damaged = false;
	c = malloc(sizeof(*c));
	if (!c)
		return err_nomem(err);
	memset(c, 0, offsetof(struct tree_cache, in));
	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	*ret_damaged = c->fd >= 0 || errno != ENOENT;
	if (c->fd < 0 || !check(c, root, &why) || take_entry(c, CACHE_HEAD_LEN, &why) != 0) {
		tree_cache_free(c);
		return 0;
	}
	*ret_damaged = false;
	*ret = c;
	return 0;
}

void tree_cache_free(struct tree_cache *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* --- entries --- */

static int damaged(struct err *err)
{
	return err_set(err, ERR_CORRUPT, "the cache of the tree is damaged");
}

/* Parses the entry whose head these bytes are; its path follows in the file. */
static int parse_head(struct cursor at, uint64_t place, uint64_t end, struct entry *ret,
	size_t *ret_path_len, struct err *err)
{
	struct tree_look *l = &ret->look;
	uint8_t kind = cursor_u8(&at);

	*ret_path_len = cursor_u16(&at);
	l->ino = cursor_u64(&at);
	l->size = cursor_u64(&at);
	l->mtime = (int64_t)cursor_u64(&at);
	l->mtime_ns = cursor_u32(&at);
	l->ctime = (int64_t)cursor_u64(&at);
	l->ctime_ns = cursor_u32(&at);
	l->layout = cursor_u64(&at);
	l->stored = cursor_u64(&at);
	ret->body_len = cursor_u64(&at);
	ret->place = place;
	ret->body = place + ENTRY_HEAD_LEN + *ret_path_len;
	ret->there = true;
	if (kind != ENTRY_FILE || at.bad || *ret_path_len > TREE_PATH_MAX || ret->body > end ||
		ret->body_len > end - ret->body)
		return damaged(err);
	return 0;
}

static int read_entry(
	const struct tree_cache *c, uint64_t place, struct entry *ret, struct err *err)
{
	uint8_t head[ENTRY_HEAD_LEN];
	size_t n;

	if (place > c->end || c->end - place < sizeof(head))
		return damaged(err);
	if (file_read_at(c->fd, head, sizeof(head), place, err) != 0 ||
		parse_head(cursor_over(head, sizeof(head)), place, c->end, ret, &n, err) != 0 ||
		file_read_at(c->fd, ret->path, n, place + sizeof(head), err) != 0)
		return -1;
	ret->path[n] = '\0';
	return 0;
}

/* Bytes of the file through the buffer. */
static int read_in(struct tree_cache *c, uint64_t at, void *to, size_t n, struct err *err)
{
	if (n > c->end || at > c->end - n)
		return damaged(err);
	if (at < c->from || at - c->from > c->have || c->have - (at - c->from) < n) {
		size_t k = (size_t)min_u64(IN_MAX, c->end - at);

		c->have = 0;
		if (file_read_at(c->fd, c->in, k, at, err) != 0)
			return -1;
		c->from = at;
		c->have = k;
	}
	memcpy(to, c->in + (at - c->from), n);
	return 0;
}

/* Makes the entry at `place` the one that is looked at; none at the end. */
static int take_entry(struct tree_cache *c, uint64_t place, struct err *err)
{
	struct entry *e = &c->entry;
	uint8_t head[ENTRY_HEAD_LEN];
	size_t n;

	c->taken = 0;
	e->there = false;
	if (place == c->end)
		return 0;
	if (read_in(c, place, head, sizeof(head), err) != 0 ||
		parse_head(cursor_over(head, sizeof(head)), place, c->end, e, &n, err) != 0 ||
		read_in(c, place + sizeof(head), e->path, n, err) != 0) {
		e->there = false;
		return -1;
	}
	e->path[n] = '\0';
	return 0;
}

int tree_cache_find(struct tree_cache *c, const char *path, const struct tree_look *look,
	bool *ret_found, uint64_t *ret_place, struct err *err)
{
	int order = 1;

	while (c->entry.there && (order = tree_path_compare(c->entry.path, path)) < 0)
		if (take_entry(c, c->entry.body + c->entry.body_len, err) != 0)
			return -1;
	*ret_found = c->entry.there && order == 0 && tree_look_equal(&c->entry.look, look);
	*ret_place = c->entry.place;
	return 0;
}

int tree_cache_inline(struct tree_cache *c, uint8_t *ret, size_t n, struct err *err)
{
	return c->entry.body_len == n ? read_in(c, c->entry.body, ret, n, err) : damaged(err);
}

int tree_cache_chunk(struct tree_cache *c, struct tree_chunk *ret, bool *ret_more, struct err *err)
{
	uint8_t row[CHUNK_ROW_LEN];
	struct cursor at = cursor_over(row, sizeof(row));

	*ret_more = c->taken < c->entry.body_len;
	if (!*ret_more)
		return 0;
	if (c->entry.body_len - c->taken < sizeof(row))
		return damaged(err);
	if (read_in(c, c->entry.body + c->taken, row, sizeof(row), err) != 0)
		return -1;
	cursor_copy(&at, ret->name.bytes, DIGEST_LEN);
	ret->len = cursor_u32(&at);
	c->taken += sizeof(row);
	return 0;
}

int tree_cache_file(const struct tree_cache *c, uint64_t place, char path[TREE_PATH_MAX + 1],
	struct tree_look *ret, struct err *err)
{
	struct entry e;

	if (read_entry(c, place, &e, err) != 0)
		return -1;
	*ret = e.look;
	memcpy(path, e.path, sizeof(e.path));
	return 0;
}
