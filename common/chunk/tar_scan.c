#include "common/chunk/tar_scan.h"

#include "common/chunk/limits.h"
#include "common/chunk/tar_block.h"
#include "common/chunk/tar_pax.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SPARSE_MORE_AT 482    /* GNU 'S': an extension block follows */
#define EXTENSION_MORE_AT 504 /* in an extension block: one more follows */

enum place {
	IN_HEADER,    /* gathering a header block */
	IN_EXTENSION, /* gathering a block of a sparse file's map */
	IN_BODY,      /* of 'x', 'g', 'L', 'K' */
	IN_SMALL,     /* contents that stay in the skeleton */
	IN_FILE,
	IN_PADDING,
	IN_OPAQUE, /* not understood; to the end */
};

struct tar_scan {
	enum place place;
	uint8_t block[TAR_BLOCK];
	size_t have;	  /* bytes in block */
	uint64_t left;	  /* bytes until the place ends; not of a block */
	uint32_t padding; /* after the body or the contents */
	bool is_pax;	  /* the body is that of an 'x' */
	struct tar_pax pax;
	bool has_size; /* an 'x' gave the next file's size */
	uint64_t size;
};

struct tar_scan *tar_scan_new(void)
{
	return calloc(1, sizeof(struct tar_scan));
}

void tar_scan_free(struct tar_scan *t)
{
	free(t);
}

/* Goes on with `size` bytes and their padding, or what follows when there are none. */
static void enter(struct tar_scan *t, enum place place, uint64_t size)
{
	t->padding = (uint32_t)(-size & (TAR_BLOCK - 1));
	t->left = size;
	t->place = size > 0 ? place : IN_HEADER;
}

static void enter_contents(struct tar_scan *t, uint64_t size)
{
	t->has_size = false;
	t->size = 0;
	enter(t, size <= INLINE_FILE_MAX ? IN_SMALL : IN_FILE, size);
}

/* Acts on a whole header block. */
static void take_header(struct tar_scan *t)
{
	uint8_t type = t->block[TAR_TYPE_AT];
	uint64_t size;

	if (tar_block_is_zero(t->block))
		return;
	if (!tar_block_sum_is_right(t->block) ||
		!tar_block_number(t->block + TAR_SIZE_AT, TAR_SIZE_LEN, &size)) {
		t->place = IN_OPAQUE;
		return;
	}
	switch (type) {
	case 'x':
	case 'g':
	case 'L':
	case 'K':
		t->is_pax = type == 'x';
		t->pax = (struct tar_pax){ 0 };
		enter(t, IN_BODY, size);
		return;
	case '1': /* links, devices, directories, pipes: some tars state a size, none has bytes */
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
		enter_contents(t, 0);
		return;
	default:
		break;
	}
	if (t->has_size)
		size = t->size;
	if (type == 'S' && t->block[SPARSE_MORE_AT]) {
		t->size = size;
		t->place = IN_EXTENSION;
		return;
	}
	enter_contents(t, size);
}

static size_t gather_block(struct tar_scan *t, const uint8_t *bytes, size_t n)
{
	size_t k = min_size(n, TAR_BLOCK - t->have);

	memcpy(t->block + t->have, bytes, k);
	t->have += k;
	if (t->have < TAR_BLOCK)
		return k;
	t->have = 0;
	if (t->place == IN_HEADER)
		take_header(t);
	else if (!t->block[EXTENSION_MORE_AT])
		enter_contents(t, t->size);
	return k;
}

/* After the last byte of a body, of contents or of padding. */
static void leave(struct tar_scan *t)
{
	if (t->place == IN_BODY && t->is_pax && t->pax.found) {
		t->has_size = true;
		t->size = t->pax.size;
	}
	t->left = t->place == IN_PADDING ? 0 : t->padding;
	t->place = t->left > 0 ? IN_PADDING : IN_HEADER;
}

uint64_t tar_scan_file_left(const struct tar_scan *t)
{
	return t->place == IN_FILE ? t->left : 0;
}

void tar_scan_skip(struct tar_scan *t, uint64_t n)
{
	assert(t->place == IN_FILE && n <= t->left);
	t->left -= n;
	if (t->left == 0)
		leave(t);
}

size_t tar_scan_next(
	struct tar_scan *t, const uint8_t *bytes, size_t n, enum tar_part *ret_part, bool *ret_ends)
{
	size_t k;

	*ret_part = t->place == IN_FILE || t->place == IN_OPAQUE ? TAR_FILE : TAR_SKELETON;
	*ret_ends = false;
	if (t->place == IN_OPAQUE)
		return n;
	if (t->place == IN_HEADER || t->place == IN_EXTENSION)
		return gather_block(t, bytes, n);
	k = (size_t)min_u64(n, t->left);
	if (t->place == IN_BODY && t->is_pax)
		tar_pax_feed(&t->pax, bytes, k);
	t->left -= k;
	if (t->left == 0) {
		*ret_ends = t->place == IN_FILE;
		leave(t);
	}
	return k;
}
