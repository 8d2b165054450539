#include "common/store/index_walk.h"

#include "common/store/index_impl.h"

int index_find_pack(struct index *ix, uint32_t number, struct index_pack *ret, uint64_t *ret_chunks,
	bool *ret_found, struct err *err)
{
	bool row;
	index_bind(ix, ST_FIND_PACK, 1, number);
	if (index_step(ix, ST_FIND_PACK, &row, err) != 0)
		return -1;
	if (row) {
		*ret = (struct index_pack){
			.number = number,
			.length = index_column(ix, ST_FIND_PACK, 0),
			.damaged = index_column(ix, ST_FIND_PACK, 1),
			.used = index_column(ix, ST_FIND_PACK, 2),
			.held = index_column(ix, ST_FIND_PACK, 4) != 0,
		};
		*ret_chunks = index_column(ix, ST_FIND_PACK, 3);
	}
	index_finish(ix, ST_FIND_PACK);
	*ret_found = row;
	return 0;
}

int index_each_in_need(struct index *ix, uint32_t pack,
	int (*fn)(void *ctx, const struct digest *blob, struct err *err), void *ctx,
	struct err *err)
{
	struct digest blob;
	bool row;
	index_bind(ix, ST_IN_NEED, 1, pack);
	for (;;) {
		if (index_step(ix, ST_IN_NEED, &row, err) != 0)
			return -1;
		if (!row)
			break;
		bool valid = index_column_digest(ix, ST_IN_NEED, 0, &blob);
		if (!valid || fn(ctx, &blob, err) != 0) {
			index_finish(ix, ST_IN_NEED);
			return valid ? -1 : index_fail_value(ix, err);
		}
	}
	index_finish(ix, ST_IN_NEED);
	return 0;
}

int index_drop_blob(struct index *ix, const struct digest *blob, struct err *err)
{
	if (index_record_begin(ix, err) != 0)
		return -1;
	index_bind_digest(ix, ST_FORGET_NEEDS, 1, blob);
	index_bind_digest(ix, ST_DROP_BLOB, 1, blob);
	if (index_run(ix, ST_FORGET_NEEDS, err) == 0 && index_run(ix, ST_DROP_BLOB, err) == 0 &&
		index_record_keep(ix, err) == 0)
		return 0;
	index_record_drop(ix);
	return -1;
}
