/* What only a check and a repair ask of the index, and one thing that they take out. */
#pragma once

#include "common/store/index.h"

/* One pack's row, and how many chunks have their place in it. */
int index_find_pack(struct index *ix, uint32_t number, struct index_pack *ret, uint64_t *ret_chunks,
	bool *ret_found, struct err *err) MUST_CHECK;

/* Calls `fn` for each blob that was found complete and needs this pack. `fn` asks the index
 * nothing. */
int index_each_in_need(struct index *ix, uint32_t pack,
	int (*fn)(void *ctx, const struct digest *blob, struct err *err), void *ctx,
	struct err *err) MUST_CHECK;

/* The blob is not known any more; its record stays where it is. */
int index_drop_blob(struct index *ix, const struct digest *blob, struct err *err) MUST_CHECK;
