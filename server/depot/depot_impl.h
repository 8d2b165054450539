/* What the depot's source files share; nobody else includes it. */
#pragma once

#include "server/depot/uv_depot.h"

struct depot_domain {
	struct depot_domain *next; /* loop's thread */
	struct depot *depot;
	char *dir;
	/* the store's thread only: */
	struct store *store; /* NULL until first used */
	struct depot_domain *next_counted;
	bool counted;
	bool unusable;	     /* could not give anything up, which the log says */
	uint64_t skip_until; /* ms, monotonic: it has nothing to give up before */
	uint64_t bytes;	     /* of its packs, as counted */
	uint64_t oldest;     /* ms since 1970, while closed: when its next pack was used last */
	uint64_t opened_for; /* the number of the last call */
	char name[];
};

struct depot {
	struct uv_worker *worker;
	char *dir;	       /* <state>/domains */
	struct raw_cache *raw; /* what came in last, of all domains */
	struct depot_domain *domains;
	unsigned holders;
	bool stopping;
	void (*closed)(void *ctx);
	void *closed_ctx;
	struct store_limits limits; /* of all domains together */
	/* the store's thread only: */
	struct depot_domain *counted;
	unsigned n_open;    /* stores */
	uint64_t calls;	    /* numbers them */
	uint64_t bytes;	    /* of all packs */
	uint64_t looked_at; /* bytes when the free space was looked at; UINT64_MAX: never */
	uint64_t next_try;  /* ms, monotonic: when all was pinned, it is tried again then */
};

/* At the start: sets the limits (`cache` 0: the default) and counts the domains that are there. */
int depot_cache_start(struct depot *d, uint64_t cache, struct err *err) MUST_CHECK;

/* Opens the domain's store, unless it is open and of use. May close another one. */
int depot_cache_open(struct depot_domain *domain, struct err *err) MUST_CHECK;

/* After a call: counts what it did to the domain's store, and gives packs up if that is too much,
 * for which it may close the store. */
void depot_cache_fit(struct depot_domain *domain);
