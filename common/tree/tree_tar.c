#include "common/tree/tree_tar.h"

#include "common/chunk/limits.h"
#include "common/chunk/tar_block.h"
#include "common/tree/tree_tar_head.h"

#include <stdlib.h>
#include <string.h>

enum place { IN_HEAD, IN_PAX, IN_MAP, IN_FILE, IN_PADDING, IN_TAIL };

struct tree_tar {
	struct tree_tar_ops ops;
	void *ctx;
	enum place place;
	uint8_t block[TAR_BLOCK];
	size_t have;	  /* bytes in block */
	uint64_t left;	  /* bytes until the place ends */
	uint32_t padding; /* behind it */
	bool had_pax, ended;
	uint64_t zeros; /* behind the end, or a block of them before it */
	struct buf pax_bytes;
	struct tree_pax pax;
	struct tree_tar_entry entry;

	/* Of a file: where the next byte goes, and how many until the next extent begins. */
	uint64_t at, run;
	/* Of a sparse one: its map is numbers, a line each. */
	uint64_t number, from, map_bytes;
	bool digits;
	uint64_t to_come;	       /* numbers of the map; UINT64_MAX: how many is the first */
	size_t n_extents, next_extent; /* of these, with lengths that are not 0: */
	struct {
		uint64_t at, len;
	} extents[TREE_EXTENTS_MAX];
};

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTOCOL, "the tar is not one that a tree is taken from: %s", what);
}

struct tree_tar *tree_tar_new(const struct tree_tar_ops *ops, void *ctx)
{
	/* Not calloc: pages of `extents` that are never used shall cost nothing. */
	struct tree_tar *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	memset(t, 0, offsetof(struct tree_tar, extents));
	t->ops = *ops;
	t->ctx = ctx;
	buf_init(&t->pax_bytes, TREE_PAX_MAX);
	tree_xattrs_init(&t->entry.xattrs);
	return t;
}

void tree_tar_free(struct tree_tar *t)
{
	if (!t)
		return;
	buf_done(&t->pax_bytes);
	tree_xattrs_done(&t->entry.xattrs);
	free(t);
}

/* --- between places --- */

static void forget_entry(struct tree_tar *t)
{
	struct tree_tar_entry *e = &t->entry;

	tree_xattrs_clear(&e->xattrs);
	e->path[0] = e->link[0] = '\0';
	e->uid = 0;
	e->gid = 0;
	e->major = e->minor = 0;
	e->acl_lost = e->sparse = false;
	t->pax = (struct tree_pax){ 0 };
	t->had_pax = false;
	t->at = t->run = 0;
	t->number = t->map_bytes = 0;
	t->digits = false;
	t->to_come = UINT64_MAX;
	t->n_extents = t->next_extent = 0;
}

static void enter(struct tree_tar *t, enum place place, uint64_t size)
{
	t->place = place;
	t->left = size;
	t->padding = (uint32_t)(-size & (TAR_BLOCK - 1));
}

/* Goes on behind what is over, and its padding. */
static void leave(struct tree_tar *t)
{
	t->left = t->place == IN_PADDING ? 0 : t->padding;
	t->place = t->left > 0 ? IN_PADDING : IN_HEAD;
}

static int end_entry(struct tree_tar *t, struct err *err)
{
	leave(t);
	return t->ops.end(t->ctx, &t->entry, err);
}

/* --- headers --- */

static int take_entry(struct tree_tar *t, struct err *err)
{
	struct tree_tar_entry *e = &t->entry;
	uint64_t stored;

	if (!t->had_pax)
		forget_entry(t);
	if (tree_tar_take_head(e, &t->pax, t->block, &stored, err) != 0 ||
		t->ops.entry(t->ctx, e, err) != 0)
		return -1;
	t->had_pax = false;
	enter(t, e->sparse ? IN_MAP : IN_FILE, stored);
	t->run = e->sparse ? 0 : stored;
	if (stored > 0)
		return 0;
	if (e->sparse)
		return bad(err, "a sparse file without a map");
	return end_entry(t, err);
}

static int begin_pax(struct tree_tar *t, struct err *err)
{
	uint64_t size;

	if (t->had_pax)
		return bad(err, "two extended headers for one file");
	if (!tar_block_number(t->block + TAR_SIZE_AT, TAR_SIZE_LEN, &size) || size == 0)
		return bad(err, "an extended header's size");
	if (size > TREE_PAX_MAX)
		return err_set(
			err, ERR_LIMIT, "an extended header is longer than %u bytes", TREE_PAX_MAX);
	forget_entry(t);
	t->had_pax = true;
	buf_clear(&t->pax_bytes);
	enter(t, IN_PAX, size);
	return 0;
}

static int take_block(struct tree_tar *t, struct err *err)
{
	if (tar_block_is_zero(t->block)) {
		if (t->had_pax)
			return bad(err, "an extended header for nothing");
		t->zeros += TAR_BLOCK;
		t->ended = t->zeros == 2 * TAR_BLOCK;
		if (t->ended)
			t->place = IN_TAIL;
		return 0;
	}
	if (t->zeros > 0)
		return bad(err, "a header behind a block of zeros");
	if (!tar_block_sum_is_right(t->block))
		return bad(err, "a header's checksum is wrong");
	return t->block[TAR_TYPE_AT] == 'x' ? begin_pax(t, err) : take_entry(t, err);
}

static int end_pax(struct tree_tar *t, struct err *err)
{
	if (!buf_ok(&t->pax_bytes))
		return err_nomem(err);
	leave(t);
	return tree_tar_take_pax(
		&t->entry, &t->pax, buf_bytes(&t->pax_bytes), buf_len(&t->pax_bytes), err);
}

/* --- the map of a sparse file --- */

static int take_extent(struct tree_tar *t, uint64_t len, struct err *err)
{
	uint64_t size = t->entry.size;

	if (t->from > size || len > size - t->from || t->from < t->at)
		return bad(err, "the map of a sparse file");
	t->at = t->from + len;
	if (len > 0) {
		t->extents[t->n_extents].at = t->from;
		t->extents[t->n_extents++].len = len;
	}
	return 0;
}

/* A number of the map is whole. */
static int take_map_number(struct tree_tar *t, struct err *err)
{
	uint64_t v = t->number;

	t->number = 0;
	t->digits = false;
	if (t->to_come == UINT64_MAX) {
		if (v > TREE_EXTENTS_MAX)
			return err_set(err, ERR_LIMIT, "a sparse file of more than %u pieces",
				TREE_EXTENTS_MAX);
		t->to_come = 2 * v;
		return 0;
	}
	if (t->to_come-- % 2 == 0) {
		t->from = v;
		return 0;
	}
	return take_extent(t, v, err);
}

/* The map is over: what follows must be just as much as it says. */
static int end_map(struct tree_tar *t, struct err *err)
{
	uint64_t padding = -t->map_bytes & (TAR_BLOCK - 1), sum = 0;

	for (size_t i = 0; i < t->n_extents; i++)
		sum += t->extents[i].len;
	if (t->left < padding || t->left - padding != sum)
		return bad(err, "a sparse file that is longer or shorter than its map");
	t->map_bytes = padding; /* still to be passed over */
	t->at = 0;
	t->place = IN_FILE;
	if (t->left == 0)
		return end_entry(t, err);
	return 0;
}

static int take_map_byte(struct tree_tar *t, uint8_t c, struct err *err)
{
	bool digit = c >= '0' && c <= '9';

	t->left--;
	t->map_bytes++;
	if (digit ? t->number > BLOB_SIZE_MAX : c != '\n' || !t->digits)
		return bad(err, "the map of a sparse file");
	if (digit) {
		t->number = t->number * 10 + (uint64_t)(c - '0');
		t->digits = true;
	} else if (take_map_number(t, err) != 0) {
		return -1;
	}
	if (t->to_come == 0)
		return end_map(t, err);
	return t->left > 0 ? 0 : bad(err, "the map of a sparse file");
}

static int take_map(
	struct tree_tar *t, const uint8_t *bytes, size_t n, size_t *ret, struct err *err)
{
	size_t i = 0;

	while (i < n && t->place == IN_MAP)
		if (take_map_byte(t, bytes[i++], err) != 0)
			return -1;
	*ret = i;
	return 0;
}

/* --- contents --- */

/* Some of the next n > 0 bytes: *ret says how many. */
static int take_contents(
	struct tree_tar *t, const uint8_t *bytes, size_t n, size_t *ret, struct err *err)
{
	bool in_map = t->entry.sparse && t->map_bytes > 0;

	if (!in_map && t->run == 0) {
		t->at = t->extents[t->next_extent].at;
		t->run = t->extents[t->next_extent++].len;
	}
	n = (size_t)min_u64(n, in_map ? t->map_bytes : t->run);
	*ret = n;
	t->left -= n;
	if (in_map) {
		t->map_bytes -= n;
	} else {
		if (t->ops.bytes(t->ctx, &t->entry, t->at, bytes, n, err) != 0)
			return -1;
		t->at += n;
		t->run -= n;
	}
	return t->left == 0 ? end_entry(t, err) : 0;
}

static int take_tail(struct tree_tar *t, const uint8_t *bytes, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return bad(err, "something behind its end");
	t->zeros += n;
	if (t->zeros > TREE_TAIL_MAX)
		return err_set(
			err, ERR_LIMIT, "more than %u zeros behind the tar's end", TREE_TAIL_MAX);
	return 0;
}

static int gather(struct tree_tar *t, const uint8_t *bytes, size_t n, size_t *ret, struct err *err)
{
	*ret = min_size(n, TAR_BLOCK - t->have);
	memcpy(t->block + t->have, bytes, *ret);
	t->have += *ret;
	if (t->have < TAR_BLOCK)
		return 0;
	t->have = 0;
	return take_block(t, err);
}

/* Takes some of the next n > 0 bytes: *ret says how many. */
static int take(struct tree_tar *t, const uint8_t *bytes, size_t n, size_t *ret, struct err *err)
{
	switch (t->place) {
	case IN_HEAD:
		return gather(t, bytes, n, ret, err);
	case IN_MAP:
		return take_map(t, bytes, n, ret, err);
	case IN_FILE:
		return take_contents(t, bytes, n, ret, err);
	case IN_TAIL:
		*ret = n;
		return take_tail(t, bytes, n, err);
	case IN_PAX:
	case IN_PADDING:
		break;
	}
	*ret = (size_t)min_u64(n, t->left);
	t->left -= *ret;
	if (t->place == IN_PAX)
		buf_append(&t->pax_bytes, bytes, *ret);
	if (t->left > 0)
		return 0;
	if (t->place == IN_PAX)
		return end_pax(t, err);
	leave(t);
	return 0;
}

int tree_tar_feed(struct tree_tar *t, const void *bytes, size_t n, struct err *err)
{
	const uint8_t *at = bytes;

	while (n > 0) {
		size_t k = 0;

		if (take(t, at, n, &k, err) != 0)
			return -1;
		at += k;
		n -= k;
	}
	return 0;
}

int tree_tar_end(struct tree_tar *t, struct err *err)
{
	return t->ended ? 0 : err_set(err, ERR_CORRUPT, "the tar ends too early");
}
