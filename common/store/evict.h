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

/* After a sync: down to cache_max, as far as pins let it. */
int evict_to_limit(struct store *s, struct err *err) MUST_CHECK;
