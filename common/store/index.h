/*
 * The SQLite index of a domain: where every chunk is, and which blobs and manifests there are. A
 * cache over the packs: it can be deleted at any time. Writes open a transaction that index_commit
 * ends; what it holds is seen at once by the same index, and lost by a crash or index_close. A
 * damaged database says ERR_CORRUPT, and index_close then deletes it so that the next opening makes
 * it anew. Blocking; one thread, one process.
 */
#pragma once

#include "common/store/pack_set.h"
#include "common/store/store.h"

struct index;

/* Opens or makes the database. One that is no database, or of another schema version, is deleted
 * and made anew, empty. */
int index_open(const char *path, struct index **ret, struct err *err) MUST_CHECK;

/* NULL is fine. */
void index_close(struct index *ix);

/* Deletes the database and its side files. It must be closed. */
int index_remove(const char *path, struct err *err) MUST_CHECK;

/* Whether a call found the database damaged. */
bool index_damaged(const struct index *ix);

/* --- questions --- */

int index_find(struct index *ix, const struct digest *name, struct store_place *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* *ret_pack (may be NULL): where the chunk is, if there is one. */
int index_has_short(struct index *ix, uint64_t short_name, bool *ret, uint32_t *ret_pack,
	struct err *err) MUST_CHECK;

/* The name of the chunk that holds the blob's record. */
int index_find_blob(struct index *ix, const struct digest *digest, struct digest *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* The digest of the first blob behind `after` (NULL: of the first of all), in the order of digests.
 */
int index_next_blob(struct index *ix, const struct digest *after, struct digest *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* How far a pack is indexed: the checkpoint from which it is replayed. */
struct index_pack {
	uint32_t number;
	uint64_t length;  /* bytes of the pack that are indexed */
	uint64_t damaged; /* damaged stretches that were passed over in them */
	uint64_t used;	  /* when it was used last, in ms since 1970; 0: not known */
	bool held;	  /* a snapshot may need something in it */
};

/* All packs known, by number. Caller frees. */
int index_packs(
	struct index *ix, struct index_pack **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* Where its records are, ascending. Caller frees. */
struct index_record {
	uint64_t offset;
	uint32_t length;
};
int index_records(struct index *ix, uint32_t pack, struct index_record **ret, size_t *ret_n,
	struct err *err) MUST_CHECK;

/* All but pinned_bytes. */
int index_totals(struct index *ix, struct store_stats *ret, struct err *err) MUST_CHECK;

/* --- writing --- */

/* What lies between begin and keep is taken over as a whole; on an error call drop. */
int index_record_begin(struct index *ix, struct err *err) MUST_CHECK;
int index_record_keep(struct index *ix, struct err *err) MUST_CHECK;

void index_record_drop(struct index *ix);

/* Is there anything uncommitted? False after a failed write, drop or commit says that SQLite threw
 * away the whole transaction (it may when the disk is full): the index is then as at the last
 * commit, and the packs must be replayed from there. */
bool index_pending(const struct index *ix);

/* Adds the record's chunks, those that are not known yet, and moves the pack's checkpoint behind
 * it. */
int index_add_segment(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	struct err *err) MUST_CHECK;

/* How many chunks of the record added last had a place before. */
uint32_t index_known_rows(const struct index *ix);

/* A later record of the same blob replaces the earlier one. */
int index_add_blob(struct index *ix, const struct digest *digest, uint64_t size,
	const struct digest *record, struct err *err) MUST_CHECK;
int index_add_manifest(struct index *ix, const struct digest *chunk, const char *kind,
	const char *name, int64_t seconds, struct err *err) MUST_CHECK;

/* Moves the pack's checkpoint to `length` and adds to its count of damaged stretches. */
int index_note_pack(struct index *ix, uint32_t pack, uint64_t length, uint64_t damaged,
	struct err *err) MUST_CHECK;

int index_use_pack(
	struct index *ix, uint32_t pack, uint64_t used, bool held, struct err *err) MUST_CHECK;

/* --- taking out: nothing is committed, each call is taken over as a whole --- */

/* A pack, a record, with its chunks, and what these described: blobs and manifests. What the index
 * does not know is no error. A chunk that lies in another pack too is not found there before the
 * index is made anew. These look through all chunks for those of the pack: 0.1 s a million. */
int index_drop_pack(struct index *ix, uint32_t pack, struct err *err) MUST_CHECK;
int index_drop_segment(
	struct index *ix, uint32_t pack, uint64_t offset, struct err *err) MUST_CHECK;

/* As index_drop_segment, of a record whose head could be read: finds its chunks by their names. */
int index_drop_record(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	struct err *err) MUST_CHECK;

/* --- what a blob needs: the packs that its record, lists, recipes and chunks lie in --- */

/* None: it was never found complete, or what it needs was dropped since. */
int index_needs(struct index *ix, const struct digest *blob, struct pack_set *ret,
	struct err *err) MUST_CHECK;
int index_set_needs(struct index *ix, const struct digest *blob, const struct pack_set *packs,
	struct err *err) MUST_CHECK;

/* --- pins; times in seconds since 1970 --- */

#define INDEX_PIN_RUNNING INT64_MAX /* the job had not ended */

int index_pin(struct index *ix, const struct digest *owner, uint32_t pack, int64_t expires,
	struct err *err) MUST_CHECK;
int index_unpin(struct index *ix, const struct digest *owner, struct err *err) MUST_CHECK;
int index_pins_of(struct index *ix, const struct digest *owner, struct pack_set *ret,
	struct err *err) MUST_CHECK;

/* The packs that jobs pin until later than `now`, but for owners that `ended` says have ended. */
int index_pinned(struct index *ix, int64_t now,
	bool (*ended)(const void *ctx, const struct digest *owner), const void *ctx,
	struct pack_set *ret, struct err *err) MUST_CHECK;

/* Takes out the pins that ended, and sets those that end after `latest` to it. */
int index_age_pins(struct index *ix, int64_t now, int64_t latest, struct err *err) MUST_CHECK;

int index_commit(struct index *ix, struct err *err) MUST_CHECK;
void index_rollback(struct index *ix);
