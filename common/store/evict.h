/*
 * Gives packs up, the longest unused first, so that a store stays within its limits. The order is:
 * rows out of the index and committed, then the file removed; what a crash between the two leaves
 * is taken in again by the next opening. The store's thread. Rules: common/store/README.md,
 * "Keeping and giving up".
 */
#pragma once

#include "common/store/store.h"

/* Before `len` bytes are appended: gives up what it takes to stay above the floor. ERR_FULL with
 * the numbers when that does not do. */
int evict_make_room(struct store *s, uint64_t len, struct err *err) MUST_CHECK;

/* Takes a pack's rows out; commits nothing. */
int evict_drop_rows(struct store *s, uint32_t number, struct err *err) MUST_CHECK;

/* Removes the file of a pack whose rows are gone, and committed so. */
int evict_remove(struct store *s, uint32_t number, struct err *err) MUST_CHECK;

/* Gives one pack up; nothing of the index may be uncommitted. */
int evict_give_up(struct store *s, uint32_t number, struct err *err) MUST_CHECK;

/* Nothing is uncommitted afterwards: for want of room, rows may have been dropped. */
int evict_make_clean(struct store *s, struct err *err) MUST_CHECK;

/* After a sync: down to cache_max, as far as pins let it. */
int evict_to_limit(struct store *s, struct err *err) MUST_CHECK;
