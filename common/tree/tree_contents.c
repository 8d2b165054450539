#include "common/tree/tree_contents.h"

#include "common/chunk/digest.h"
#include "common/tree/tree_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512u
#define MAP_MAX (TREE_EXTENTS_MAX * 44u + 32u + BLOCK)

static int add_extent(struct tree_contents *c, uint64_t at, uint64_t len, struct err *err)
{
	if ((c->n_extents & (c->n_extents - 1)) == 0) { /* room for a power of two */
		size_t cap = c->n_extents ? c->n_extents * 2 : 1;
		struct tree_extent *bigger = reallocarray(c->extents, cap, sizeof(*bigger));

		if (!bigger)
			return err_nomem(err);
		c->extents = bigger;
	}
	c->extents[c->n_extents++] = (struct tree_extent){ at, len };
	return 0;
}

/* Where data (or a hole) begins, from `from` on; the file's size when it does not. */
static uint64_t seek(const struct tree_contents *c, uint64_t from, int whence)
{
	off_t at = lseek(c->fd, (off_t)from, whence);

	/* What a file system does not know about holes is data. */
	if (at < 0 && errno != ENXIO)
		return whence == SEEK_DATA ? from : c->size;
	return at < 0 ? c->size : min_u64((uint64_t)at, c->size);
}

static int find_extents(struct tree_contents *c, struct err *err)
{
	uint64_t at = 0;

	if (seek(c, 0, SEEK_HOLE) == c->size)
		return 0;
	while (at < c->size) {
		uint64_t from = seek(c, at, SEEK_DATA);
		/* The last one that is allowed takes all that is left, and the end is no extra. */
		bool last = c->n_extents == TREE_EXTENTS_MAX - 1;
		uint64_t to = from == c->size || last ? c->size : seek(c, from, SEEK_HOLE);

		if (add_extent(c, from, to - from, err) != 0)
			return -1;
		at = to;
	}
	/* A hole at the end is an extent of no bytes there: the loop's last round. */
	return 0;
}

static int write_map(struct tree_contents *c, struct err *err)
{
	static const uint8_t zeros[BLOCK];
	char line[48];
	struct digest name;

	snprintf(line, sizeof(line), "%zu\n", c->n_extents);
	buf_append(&c->map, line, strlen(line));
	for (size_t i = 0; i < c->n_extents; i++) {
		snprintf(line, sizeof(line), "%llu\n%llu\n", (unsigned long long)c->extents[i].at,
			(unsigned long long)c->extents[i].len);
		buf_append(&c->map, line, strlen(line));
	}
	buf_append(&c->map, zeros, -buf_len(&c->map) & (BLOCK - 1));
	if (!buf_ok(&c->map))
		return err_nomem(err);
	name = digest_of(buf_bytes(&c->map), buf_len(&c->map));
	c->layout = digest_short(&name);
	return 0;
}

int tree_contents_open(struct tree_contents *c, int fd, const struct stat *st, struct err *err)
{
	*c = (struct tree_contents){ .fd = fd, .size = (uint64_t)st->st_size };
	buf_init(&c->map, MAP_MAX);
	c->stored = c->size;
	/* A file that has all its blocks has no holes. */
	if ((uint64_t)st->st_blocks >= c->size / BLOCK + (c->size % BLOCK != 0))
		return 0;
	if (find_extents(c, err) != 0)
		return -1;
	if (c->n_extents == 0)
		return 0;
	if (write_map(c, err) != 0)
		return -1;
	c->stored = c->hint_at = buf_len(&c->map);
	for (size_t i = 0; i < c->n_extents; i++)
		c->stored += c->extents[i].len;
	return 0;
}

void tree_contents_done(struct tree_contents *c)
{
	free(c->extents);
	buf_done(&c->map);
	c->extents = NULL;
	c->n_extents = 0;
}

/* From the file; zeros from its end on. */
static int read_file(struct tree_contents *c, uint64_t at, uint8_t *to, size_t n, struct err *err)
{
	while (n > 0) {
		ssize_t got = pread(c->fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "cannot read it");
		if (got == 0) {
			memset(to, 0, n);
			c->changed = true;
			return 0;
		}
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* The extent that has the tar's byte `at`, which is behind the map. */
static const struct tree_extent *find_extent(struct tree_contents *c, uint64_t at)
{
	if (at < c->hint_at) {
		c->hint = 0;
		c->hint_at = buf_len(&c->map);
	}
	while (at - c->hint_at >= c->extents[c->hint].len)
		c->hint_at += c->extents[c->hint++].len;
	return &c->extents[c->hint];
}

int tree_contents_read(struct tree_contents *c, uint64_t at, uint8_t *to, size_t n, struct err *err)
{
	if (c->n_extents == 0)
		return read_file(c, at, to, n, err);
	while (n > 0) {
		size_t k;

		if (at < buf_len(&c->map)) {
			k = (size_t)min_u64(n, buf_len(&c->map) - at);
			memcpy(to, buf_bytes(&c->map) + at, k);
		} else {
			const struct tree_extent *e = find_extent(c, at);

			k = (size_t)min_u64(n, e->len - (at - c->hint_at));
			if (read_file(c, e->at + (at - c->hint_at), to, k, err) != 0)
				return -1;
		}
		at += k;
		to += k;
		n -= k;
	}
	return 0;
}
