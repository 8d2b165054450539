/*
 * Writes what is needed of some packs into new ones. A new pack is written under a name that is no
 * pack's, synced, and given its name; then, pack by pack, the index takes its chunks' new places
 * for the old ones in one transaction, and the old file is removed. A crash in between leaves
 * copies of chunks, or a pack that is taken in again: never less than there was. The store's
 * thread.
 */
#pragma once

#include "common/store/mark.h"

#define REWRITE_PACKS_MAX 16u /* packs that are written anew together */

struct rewrite;

struct rewrite *rewrite_new(struct store *s, struct mark *m, struct err *err);
void rewrite_free(struct rewrite *r); /* NULL is fine; removes what is not finished */

/* Takes one more pack, which is not being written to; `live`: bytes of it that are needed. */
int rewrite_add(struct rewrite *r, uint32_t pack, struct err *err) MUST_CHECK;

/* Enough is gathered: go on with rewrite_finish. */
bool rewrite_is_full(const struct rewrite *r);

/* One record more of the pack added last; *ret_done: it was copied. */
int rewrite_copy(struct rewrite *r, bool *ret_done, struct err *err) MUST_CHECK;

/* Makes the new packs durable, then replaces one old pack a call. A pack that a job pins by now, or
 * of which more is needed than was copied, stays beside the copy. *ret_done: there are no more, and
 * the next round can begin. *ret_bytes: of the pack that went, 0: none did. */
int rewrite_finish(
	struct rewrite *r, bool *ret_done, uint64_t *ret_bytes, struct err *err) MUST_CHECK;
