/* What a store remembers of its packs while it is open: lengths, and when each was used last. One
 * thread. */
#pragma once

#include "common/store/index.h"

struct pack_row {
	uint32_t number;
	uint64_t bytes;
	uint64_t used; /* ms since 1970 */
	bool held;     /* a snapshot may need something in it */
	bool changed;  /* `used` or `held` is not in the index yet */
};

struct pack_table {
	struct pack_row *rows; /* by number */
	size_t n, cap;
	uint64_t bytes; /* of all packs */
	bool hold_new;	/* packs to come are held, too: see store_hold_all */
};

void pack_table_done(struct pack_table *t);

/* Reads it from the index anew. A pack whose use is not known counts as used when its file was
 * last written. */
int pack_table_load(struct pack_table *t, const char *packs_dir, struct index *ix, uint64_t now_ms,
	struct err *err) MUST_CHECK;

/* NULL when it is not there. Valid until a pack is added or removed. */
struct pack_row *pack_table_find(const struct pack_table *t, uint32_t number);

/* Adds a pack, unless it is there. */
int pack_table_add(
	struct pack_table *t, uint32_t number, uint64_t now_ms, struct err *err) MUST_CHECK;
void pack_table_remove(struct pack_table *t, uint32_t number);

/* Of a pack that is there. */
void pack_table_set_bytes(struct pack_table *t, uint32_t number, uint64_t bytes);

void pack_table_use(struct pack_table *t, uint32_t number, uint64_t now_ms);

/* Of a pack that is there. */
void pack_table_hold(struct pack_table *t, uint32_t number, bool held);

/* Puts what changed into the index, uncommitted; or says that the index lost it. */
int pack_table_write(struct pack_table *t, struct index *ix, struct err *err) MUST_CHECK;
void pack_table_lost(struct pack_table *t);
