/*
 * Which chunks do snapshots need? A bit for each chunk that was there when the marking began, found
 * by its segment's number and its row in it: 10 million chunks take 4 MB. What is put meanwhile is
 * not known here, and counts as needed. Goes on piece by piece, each a few ms. The store's thread.
 */
#pragma once

#include "common/store/need_list.h"
#include "common/store/store.h"

struct mark;

/* Nothing of the index may be uncommitted. */
struct mark *mark_new(struct store *s, struct err *err);
void mark_free(struct mark *m); /* NULL is fine */

/* Reads a part of the table of segments; *ret_done: all of it is read, and the rest may be called.
 */
int mark_read_table(struct mark *m, bool *ret_done, struct err *err) MUST_CHECK;

/* A chunk is needed, or a root with all that it names, which mark_piece looks at. */
int mark_add_chunk(struct mark *m, const struct digest *name, struct err *err) MUST_CHECK;
int mark_add_root(struct mark *m, const struct need_root *root, struct err *err) MUST_CHECK;

/* One list more; *ret_idle: there was none to look at. */
int mark_piece(struct mark *m, bool *ret_idle, struct err *err) MUST_CHECK;

/* What was needed and is not there. A list that is not there hides what it names. */
uint64_t mark_missing(const struct mark *m);
uint64_t mark_missing_lists(const struct mark *m);

/* Does the root name something, at whatever depth, that is not there? Once all is marked. */
int mark_root_lacks(
	struct mark *m, const struct need_root *root, bool *ret, struct err *err) MUST_CHECK;

/* Raw bytes of the segment's needed chunks; *ret_known false: it came later. */
uint32_t mark_live(const struct mark *m, uint64_t segment, bool *ret_known);

/* Is the chunk in this row of the segment, which is known, needed? */
bool mark_row(const struct mark *m, uint64_t segment, uint32_t row);
