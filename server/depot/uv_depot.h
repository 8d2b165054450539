/*
 * The depot: drayd's stores and the one thread that owns them. A domain (common/store) is opened
 * when it is used, and stays open until others are used more. Work is posted as calls, which run
 * one after the other in the order of posting, whatever their domain. All domains together keep
 * within one size and leave a part of their file system free: the pack that was unused for longest
 * goes first, whoever's it is.
 */
#pragma once

#include "common/store/raw_cache.h"
#include "common/store/store.h"
#include "link/uv_worker.h"

struct depot;
struct depot_domain;

/* Embedded in what the call is about; owned by the poster until `done` (or depot_call_wait)
 * returns. */
struct depot_call {
	int (*run)(struct depot_call *c, struct store *s, struct err *err); /* store's thread */
	void (*done)(struct depot_call *c); /* loop's thread; NULL for depot_call_wait */
	int result;			    /* of run, or of opening the domain: 0 or -1 */
	struct err err;			    /* when result is -1 */

	/* the depot's own */
	struct uv_task task;
	struct depot_domain *domain;
	void *waiter;
};

/* `state_dir`/domains holds the domains. `cache`: bytes of all packs; 0: 10 GB or 10 % of the file
 * system, whichever is smaller. 5 % of the file system are left free. */
int depot_start(uv_loop_t *loop, const char *state_dir, uint64_t cache, struct depot **ret,
	struct err *err) MUST_CHECK;

/* What `cache` came to. */
const struct store_limits *depot_limits(const struct depot *d);

/* Once nobody holds it any more: runs what is queued, closes the stores, then calls `closed` from
 * the loop. */
void depot_stop(struct depot *d, void (*closed)(void *ctx), void *ctx);

/* The domain of that name (as from the keyring: letters, digits, "_.-"); lives as long as the
 * depot. NULL when out of memory. Loop's thread. */
struct depot_domain *depot_domain(struct depot *d, const char *name);

/* For one who has a thread that posts calls: the depot runs until it is let go of. Loop's thread.
 */
void depot_hold(struct depot_domain *domain);
void depot_let_go(struct depot_domain *domain);

/* Where it lies, for a store_reader of another thread. */
const char *depot_domain_dir(const struct depot_domain *domain);

/* What came in last, opened; lives as long as the depot. Any thread. */
struct raw_cache *depot_raw_cache(const struct depot_domain *domain);

/* Loop's thread, or any other for calls without `done`. */
void depot_post(struct depot_domain *domain, struct depot_call *c);

/* Posts and waits: for threads other than the loop's and the store's. Returns the call's result. */
int depot_call_wait(struct depot_domain *domain, struct depot_call *c, struct err *err) MUST_CHECK;
