/*
 * Brings the index up to the packs: reads what lies behind each pack's checkpoint. Records are
 * taken over when head, checksum and stored hash are right. Blocking; the store's thread. Rules:
 * common/store/README.md, "Replay".
 */
#pragma once

#include "common/store/index.h"
#include "common/store/pack.h"

/* At the opening of a store: cuts a torn tail off the last pack, makes durable what was not known
 * to be, and commits. *ret_ahead (then nothing was done) says that the index knows of bytes
 * that are not in a pack, and must be made anew. */
int replay_at_open(
	const char *packs_dir, struct index *ix, bool *ret_ahead, struct err *err) MUST_CHECK;

/* In a running store, after the index lost rows that were not committed: changes no pack and
 * commits nothing. `last` is the pack that is being written (NULL: none); nothing behind its end is
 * read. */
int replay_catch_up(const char *packs_dir, struct index *ix, const struct pack *last,
	struct err *err) MUST_CHECK;
