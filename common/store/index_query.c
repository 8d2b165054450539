#include "common/store/index_impl.h"
#include "common/store/pack.h"

#include <stdlib.h>
#include <string.h>

uint64_t index_column(struct index *ix, enum statement st, int at)
{
	return (uint64_t)sqlite3_column_int64(ix->statements[st], at);
}

bool index_column_digest(struct index *ix, enum statement st, int at, struct digest *ret)
{
	const void *bytes = sqlite3_column_blob(ix->statements[st], at);
	if (!bytes || sqlite3_column_bytes(ix->statements[st], at) != DIGEST_LEN)
		return false;
	memcpy(ret->bytes, bytes, DIGEST_LEN);
	return true;
}

static bool place_valid(const struct store_place *p)
{
	return p->pack > 0 && p->pack <= PACK_NUMBER_MAX && p->record_offset >= PACK_HEAD_LEN &&
	       p->record_len > SEGMENT_HEAD_LEN && p->record_len <= SEGMENT_RECORD_MAX &&
	       p->offset <= SEGMENT_RAW_MAX && p->len <= SEGMENT_RAW_MAX - p->offset;
}

int index_find(struct index *ix, const struct digest *name, struct store_place *ret,
	bool *ret_found, struct err *err)
{
	bool row;
	index_bind_digest(ix, ST_FIND, 1, name);
	if (index_step(ix, ST_FIND, &row, err) != 0)
		return -1;
	struct store_place p = { 0 };
	if (row) {
		uint64_t place = index_column(ix, ST_FIND, 3);
		p = (struct store_place){
			.pack = (uint32_t)index_column(ix, ST_FIND, 0),
			.record_offset = index_column(ix, ST_FIND, 1),
			.record_len = (uint32_t)index_column(ix, ST_FIND, 2),
			.offset = (uint32_t)(place >> PLACE_BITS) & PLACE_MASK,
			.len = (uint32_t)place & PLACE_MASK,
			.kind = (uint8_t)(place >> (2 * PLACE_BITS + PLACE_ROW_BITS)),
		};
	}
	index_finish(ix, ST_FIND);
	if (row && !place_valid(&p))
		return index_fail_value(ix, err);
	if (row)
		*ret = p;
	*ret_found = row;
	return 0;
}

/* Names that are asked one after the other often lie in one segment. */
static int pack_of(struct index *ix, uint64_t segment, uint32_t *ret, struct err *err)
{
	bool row;
	if (segment != ix->seen_segment) {
		index_bind(ix, ST_SEGMENT_PACK, 1, segment);
		if (index_step(ix, ST_SEGMENT_PACK, &row, err) != 0)
			return -1;
		if (row)
			ix->seen_pack = (uint32_t)index_column(ix, ST_SEGMENT_PACK, 0);
		index_finish(ix, ST_SEGMENT_PACK);
		if (!row)
			return index_fail_value(ix, err);
		ix->seen_segment = segment;
	}
	*ret = ix->seen_pack;
	return 0;
}

int index_has_short(
	struct index *ix, uint64_t short_name, bool *ret, uint32_t *ret_pack, struct err *err)
{
	uint8_t prefix[8];
	for (size_t i = 0; i < sizeof prefix; i++)
		prefix[i] = (uint8_t)(short_name >> (56 - 8 * i));
	/* The prefix sorts before all names that begin with it, and after all smaller ones. */
	sqlite3_bind_blob(ix->statements[ST_SHORT], 1, prefix, sizeof prefix, SQLITE_STATIC);
	bool row;
	if (index_step(ix, ST_SHORT, &row, err) != 0)
		return -1;
	struct digest name;
	bool valid = !row || index_column_digest(ix, ST_SHORT, 0, &name);
	uint64_t segment = row ? index_column(ix, ST_SHORT, 1) : 0;
	index_finish(ix, ST_SHORT);
	if (!valid)
		return index_fail_value(ix, err);
	*ret = row && digest_short(&name) == short_name;
	return *ret && ret_pack ? pack_of(ix, segment, ret_pack, err) : 0;
}

int index_find_blob(struct index *ix, const struct digest *digest, struct digest *ret,
	bool *ret_found, struct err *err)
{
	bool row;
	index_bind_digest(ix, ST_FIND_BLOB, 1, digest);
	if (index_step(ix, ST_FIND_BLOB, &row, err) != 0)
		return -1;
	bool valid = !row || index_column_digest(ix, ST_FIND_BLOB, 0, ret);
	index_finish(ix, ST_FIND_BLOB);
	if (!valid)
		return index_fail_value(ix, err);
	*ret_found = row;
	return 0;
}

int index_packs(struct index *ix, struct index_pack **ret, size_t *ret_n, struct err *err)
{
	struct index_pack *packs = NULL;
	size_t n = 0, cap = 0;
	bool row;
	for (;;) {
		if (index_step(ix, ST_PACKS, &row, err) != 0)
			goto failed;
		if (!row)
			break;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			struct index_pack *grown = reallocarray(packs, cap, sizeof *packs);
			if (!grown) {
				err_nomem(err);
				goto failed;
			}
			packs = grown;
		}
		packs[n++] = (struct index_pack){
			.number = (uint32_t)index_column(ix, ST_PACKS, 0),
			.length = index_column(ix, ST_PACKS, 1),
			.damaged = index_column(ix, ST_PACKS, 2),
			.used = index_column(ix, ST_PACKS, 3),
			.held = index_column(ix, ST_PACKS, 4) != 0,
		};
	}
	index_finish(ix, ST_PACKS);
	*ret = packs;
	*ret_n = n;
	return 0;
failed:
	index_finish(ix, ST_PACKS);
	free(packs);
	return -1;
}

int index_totals(struct index *ix, struct store_stats *ret, struct err *err)
{
	bool row;
	if (index_step(ix, ST_TOTALS, &row, err) != 0)
		return -1;
	*ret = (struct store_stats){
		.packs = index_column(ix, ST_TOTALS, 0),
		.stored_bytes = index_column(ix, ST_TOTALS, 1),
		.chunks = index_column(ix, ST_TOTALS, 2),
		.raw_bytes = index_column(ix, ST_TOTALS, 3),
		.damaged = index_column(ix, ST_TOTALS, 4),
		.blobs = index_column(ix, ST_TOTALS, 5),
		.manifests = index_column(ix, ST_TOTALS, 6),
		.snapshots = index_column(ix, ST_TOTALS, 7),
	};
	index_finish(ix, ST_TOTALS);
	return 0;
}

int index_next_blob(struct index *ix, const struct digest *after, struct digest *ret,
	bool *ret_found, struct err *err)
{
	static const struct digest before_all;
	struct digest from = after ? *after : before_all;

	index_bind_digest(ix, ST_NEXT_BLOB, 1, &from);
	if (index_step(ix, ST_NEXT_BLOB, ret_found, err) != 0)
		return -1;
	bool valid = !*ret_found || index_column_digest(ix, ST_NEXT_BLOB, 0, ret);
	index_finish(ix, ST_NEXT_BLOB);
	return valid ? 0 : index_fail_value(ix, err);
}
