/*
 * The flat list of chunk names that a blob needs, in list chunks: the names in the order of its
 * streams, cut by content into lists, whose names are in lists again, up to one: the root. A blob
 * that changed a little shares most lists with the one before. Format: common/store/README.md,
 * "Snapshots".
 */
#pragma once

#include "common/chunk/digest.h"
#include "common/chunk/limits.h"

#define NEED_LIST_MIN 32u   /* names: a list is not cut earlier, but at the end */
#define NEED_LIST_CUT 0x3fu /* cut behind a name whose last byte has these bits zero */
#define NEED_DEPTH_MAX 6u   /* 32^7 names and more */

struct need_root {
	struct digest list; /* name of the root */
	uint32_t depth;	    /* 0: the root names chunks; 1: it names lists of chunks; … */
};

struct need_writer;
struct store;
struct store_pin;

/* Lists are put as they become full, pinned by `pin`. */
struct need_writer *need_writer_new(struct store *s, struct store_pin *pin); /* NULL: no memory */
void need_writer_free(struct need_writer *w);

/* A name that was there not long ago is passed over. */
int need_writer_add(struct need_writer *w, const struct digest *name, struct err *err) MUST_CHECK;

/* At least one name was added. */
int need_writer_end(struct need_writer *w, struct need_root *ret, struct err *err) MUST_CHECK;
