/*
 * Finds and reads chunks of a domain for a job, on a thread other than the loop's and the store's.
 * What is found damaged is reported to the store, which takes all that is damaged in that pack out
 * of its index: those chunks then count as missing. One thread.
 */
#pragma once

#include "common/chunk/recipe.h"
#include "server/depot/uv_pin.h"

struct chunk_source;

/* `pin` is the job's (NULL: none). NULL with `err` on failure. */
struct chunk_source *chunk_source_new(
	struct depot_domain *domain, const struct uv_pin *pin, struct err *err);
void chunk_source_free(struct chunk_source *cs); /* NULL is fine */

/* Looks up the chunks that operations [from, n) name, up to the first that is not there: *ret. */
int chunk_source_locate(struct chunk_source *cs, const struct recipe_op *ops,
	struct store_place *places, size_t from, size_t n, size_t *ret, struct err *err) MUST_CHECK;

/* The chunk's bytes, valid until the next call, checked against the hash of their record. Damaged
 * ones are looked for in another place (*place then changes); *ret NULL: there is none. */
int chunk_source_read(struct chunk_source *cs, const struct digest *name, struct store_place *place,
	const uint8_t **ret, struct err *err) MUST_CHECK;

/* After damage: has every pack that the job's pin keeps, which is all that the job was told is
 * there, looked through for more of it, so that the job done again does not stumble from one to the
 * next. Ends early when `stop` says so. */
int chunk_source_sweep(
	struct chunk_source *cs, bool (*stop)(void *ctx), void *ctx, struct err *err) MUST_CHECK;

/* The blob's record, as store_blob_find. Caller blob_record_done. */
int chunk_source_blob(struct chunk_source *cs, const struct digest *digest, struct blob_record *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* The names in list `i` of a stream of that record: *ret_n of them, 0 when it is not there or not
 * what it should be. `ret` has room for LIST_NAMES_MAX. */
int chunk_source_list(struct chunk_source *cs, const struct digest *list, struct digest *ret,
	size_t *ret_n, struct err *err) MUST_CHECK;

/* The blob of this digest was rebuilt from its record, and the bytes were others: the store forgets
 * the record. */
int chunk_source_disown(
	struct chunk_source *cs, const struct digest *digest, struct err *err) MUST_CHECK;
