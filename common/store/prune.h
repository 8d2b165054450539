/*
 * Gives up what no snapshot needs and no job pins, beside everything else that the store does:
 * marks what snapshots need (mark.h), removes packs without any of it, and writes anew packs that
 * hold little of it. Short steps; killed at any instant, nothing is lost. The store's thread.
 * Rules: common/store/README.md, "Prune".
 */
#pragma once

#include "common/store/catalogue_snapshot.h"
#include "common/store/store.h"

#define PRUNE_LIVE_PERCENT 75u /* packs of which less is needed are written anew */

struct store_prune;

/* ERR_REFUSED: one is under way already. The store must not be closed before store_prune_free
 * (which takes NULL, too). `dry_run` only counts. */
int store_prune_new(
	struct store *s, bool dry_run, struct store_prune **ret, struct err *err) MUST_CHECK;
void store_prune_free(struct store_prune *p);

/* Goes on for about 50 ms. ERR_CORRUPT: a snapshot's lists are damaged, so that nobody knows what
 * may go; nothing more is given up. After an error there is only store_prune_free. */
int store_prune_step(struct store_prune *p, bool *ret_done, struct err *err) MUST_CHECK;

/* So far; and how far the marking is, for people: lists looked at. */
const struct store_pruned *store_prune_report(const struct store_prune *p);

/* A snapshot was put: what it needs is needed from now on. */
int prune_learn(struct store *s, const struct snapshot_record *r, struct err *err) MUST_CHECK;
