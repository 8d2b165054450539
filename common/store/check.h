/*
 * Checks a store: that its packs are what they say and that its index says what is in them. Works
 * in short steps, so that a serving receiver does it between two other calls; only an index that
 * has to be made anew is one long step. The store's thread. Rules: common/store/README.md, "Check".
 */
#pragma once

#include "common/store/store.h"

struct store_check;

struct store_check_report {
	uint64_t packs, segments, chunks, blobs; /* looked at */
	uint64_t bytes;				 /* of packs read */
	uint64_t bytes_total;			 /* to be read in all, for progress */
	uint64_t damaged_segments;
	uint64_t damaged_chunks; /* count as missing from now on: the next push sends them again */
	uint64_t damaged_blobs;	 /* cannot be rebuilt until then */
	uint64_t snapshots;	 /* looked at */
	uint64_t damaged_snapshots; /* lack something, whenever it was found damaged */
};

/* `read_data`: reads every pack and hashes every chunk; else heads, places and blobs only. */
/* The store must not be closed before store_check_free (which takes NULL, too). */
struct store_check *store_check_new(struct store *s, bool read_data, struct err *err);
void store_check_free(struct store_check *c);

/* Goes on for about 50 ms. `problem` is called for each damage found, with a line for people. */
int store_check_step(struct store_check *c, store_problem_fn *problem, void *ctx, bool *ret_done,
	struct err *err) MUST_CHECK;

const struct store_check_report *store_check_report(const struct store_check *c);
