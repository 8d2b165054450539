/* What the store's source files share; nobody else includes it. */
#pragma once

#include "common/store/evict.h"
#include "common/store/index.h"
#include "common/store/pack.h"
#include "common/store/pack_table.h"
#include "common/store/pin.h"
#include "common/store/store.h"

#define STORE_COMPLETE_MAX 4096u

/* Recipe chunks found to be there with all that they name, so that a question asked again is not
 * walked again. Emptied when anything is taken out of the index, and when it is read anew. A place
 * holds the last name that hashed to it. */
struct store_complete {
	bool used[STORE_COMPLETE_MAX];
	struct digest names[STORE_COMPLETE_MAX];
	uint64_t pinned[STORE_COMPLETE_MAX]; /* serial of the pin that has the tree's packs; 0 */
};

/* Told of the damage that is found while it is the store's. */
struct store_watch {
	store_problem_fn *problem;
	void *ctx;
	uint64_t records, chunks; /* taken out */
	uint64_t blobs;		  /* cannot be rebuilt */
	struct digest *hurt;	  /* blobs that need a pack which lost something */
	size_t n_hurt, cap_hurt;
};

struct store_prune;

struct store {
	char *dir, *packs_dir, *index_path;
	int lock;
	struct index *ix;
	struct pack pack;     /* the one being appended to; path NULL: none */
	uint32_t next_number; /* of the next pack */
	uint64_t synced_end;  /* durable length of `pack` */
	uint64_t unsynced;
	bool broken; /* a sync failed: nothing more is written */
	bool behind; /* the index lost rows of records that are in the packs */
	struct pack_table table;
	struct store_limits limits;
	uint64_t room; /* bytes that can be appended before the free space is looked at again */
	struct store_pin *pins;
	uint64_t last_serial; /* of a pin */
	unsigned checks;      /* under way */
	struct store_reader *reader;
	store_problem_fn *on_damage;
	void *on_damage_ctx;
	struct store_watch *watch;	   /* of a check that goes a step; else NULL */
	uint64_t changes;		   /* how often the index lost something to damage */
	uint64_t given_up;		   /* packs */
	uint64_t rebuilds;		   /* how often the index was made anew */
	struct store_prune *prune;	   /* under way; NULL */
	struct store_complete complete[2]; /* by enum recipe_stream */
	struct recipe_op ops[RECIPE_OPS_MAX];
};

uint64_t store_now_ms(void); /* since 1970 */

/* Opens the index, or makes it anew, and brings it up to the packs. */
int store_open_index(struct store *s, struct err *err) MUST_CHECK;

/* To be called when something was taken out of the index, or all of it was made anew: what the
 * store remembers of it is read again, and pins are written again with the next sync. */
int store_reload(struct store *s, struct err *err) MUST_CHECK;

/* To be called after a failed write to the index: SQLite may have thrown the transaction away. */
void store_rows_lost(struct store *s);

/* store_sync, but nothing is given up. */
int store_commit(struct store *s, struct err *err) MUST_CHECK;

/* Appends and indexes the record; one whose chunks are all known is passed over, unless `always`.
 * `raw` as for catalogue_add. */
int store_put_record(struct store *s, const struct segment *seg, const uint8_t *record,
	const uint8_t *raw, bool always, struct store_pin *pin, struct err *err) MUST_CHECK;

/* store_put_chunks with a pin. */
int store_put_own(struct store *s, const struct store_chunk *chunks, size_t n,
	struct store_pin *pin, struct err *err) MUST_CHECK;

/* Chunks that snapshots need may from now on come to lie in any pack, for some were lost: all packs
 * are held, until a prune has found out which need to be. Commits nothing. */
int store_hold_all(struct store *s, struct err *err) MUST_CHECK;

/* The chunk's place and bytes, these valid until the next call; *ret_found false when there is no
 * such chunk, or when it turned out to be damaged, which takes it out of the index. */
int store_read(struct store *s, const struct digest *name, struct store_place *ret_at,
	const uint8_t **ret, bool *ret_found, struct err *err) MUST_CHECK;

/* Is everything there that the blob's record names, down to the last chunk? Adds the packs that it
 * lies in to `packs` (NULL is fine). */
int store_has_blob(struct store *s, const struct blob_record *record, struct pack_set *packs,
	bool *ret, struct err *err) MUST_CHECK;

/* Looks at the record past all caches: its place, length and head; `whole`: also its bytes and
 * every chunk's name. ERR_CORRUPT when it is not what the index says. Caller segment_done. */
int store_reader_record(struct store_reader *r, const struct store_place *at, bool whole,
	struct segment *ret, struct err *err) MUST_CHECK;

/* What store_reader_record read last, when it was `whole`: the record, and its raw bytes. */
void store_reader_bytes(
	const struct store_reader *r, const uint8_t **ret_record, const uint8_t **ret_raw);

/* Lets go of a pack that is not what it was, or no more. */
void store_reader_forget(struct store_reader *r, uint32_t pack);

/* --- repairs: a failure of these is one of a write to the index, see store_rows_lost --- */

/* Looks at one record, as store_reader_record, and takes one that is not what the index says out of
 * the index; *ret_good says which. *ret_places: how many chunks have their place in it. Commits
 * nothing. */
int store_look_at(struct store *s, const struct store_place *at, bool whole, bool *ret_good,
	uint64_t *ret_places, struct err *err) MUST_CHECK;

/* Takes out all records of a pack whose file is gone. Commits nothing. */
int store_drop_lost_pack(struct store *s, uint32_t number, struct err *err) MUST_CHECK;

/* A file that is shorter than the index says, or is not the one that is being written to: from now
 * on it ends where it ends. */
int store_fit_pack(struct store *s, uint32_t number, struct err *err) MUST_CHECK;

/* For a format. */
static inline unsigned long long store_number(uint64_t n)
{
	return n;
}

/* Says what is wrong to whoever wants to know. */
void store_tell(struct store *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
