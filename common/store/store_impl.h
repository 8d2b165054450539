/* What the store's source files share; nobody else includes it. */
#pragma once

#include "common/store/index.h"
#include "common/store/pack.h"
#include "common/store/store.h"

#define STORE_COMPLETE_MAX 4096u

/* Recipe chunks found to be there with all that they name, so that a question asked again is not
 * walked again. Nothing is ever deleted from a store by this version, so what was complete stays
 * complete; whoever adds deletion must empty this. A place holds the last name that hashed to it.
 */
struct store_complete {
	bool used[STORE_COMPLETE_MAX];
	struct digest names[STORE_COMPLETE_MAX];
};

struct store {
	char *dir, *packs_dir, *index_path;
	int lock;
	struct index *ix;
	struct pack pack;     /* the one being appended to; path NULL: none */
	uint32_t next_number; /* of the next pack */
	uint64_t synced_end;  /* durable length of `pack` */
	uint64_t unsynced;
	bool broken;  /* a sync failed: nothing more is written */
	bool behind;  /* the index lost rows of records that are in the packs */
	bool damaged; /* records were passed over: a blob's parts may be missing */
	struct store_reader *reader;
	struct store_complete complete[2]; /* by enum recipe_stream */
	struct recipe_op ops[RECIPE_OPS_MAX];
};

/* Appends and indexes the record; one whose chunks are all known is passed over, unless `always`.
 * `raw` as for catalogue_add. */
int store_put_record(struct store *s, const struct segment *seg, const uint8_t *record,
	const uint8_t *raw, bool always, struct err *err) MUST_CHECK;

/* The chunk's bytes, valid until the next call; *ret_found false when there is no such chunk. */
int store_read(struct store *s, const struct digest *name, const uint8_t **ret, size_t *ret_len,
	bool *ret_found, struct err *err) MUST_CHECK;

/* Is everything there that the blob's record names, down to the last chunk? */
int store_has_blob(
	struct store *s, const struct blob_record *record, bool *ret, struct err *err) MUST_CHECK;
