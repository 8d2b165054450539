/* Rows that go when a pack or a record does. */
#include "common/store/index_impl.h"

#include <stdlib.h>

int index_records(
	struct index *ix, uint32_t pack, struct index_record **ret, size_t *ret_n, struct err *err)
{
	struct index_record *records = NULL;
	size_t n = 0, cap = 0;
	bool row;
	index_bind(ix, ST_SEGMENTS, 1, pack);
	for (;;) {
		if (index_step(ix, ST_SEGMENTS, &row, err) != 0)
			goto failed;
		if (!row)
			break;
		if (n == cap) {
			cap = cap ? cap * 2 : 128;
			struct index_record *grown = reallocarray(records, cap, sizeof *records);
			if (!grown) {
				err_nomem(err);
				goto failed;
			}
			records = grown;
		}
		records[n++] = (struct index_record){
			.offset = index_column(ix, ST_SEGMENTS, 0),
			.length = (uint32_t)index_column(ix, ST_SEGMENTS, 1),
		};
	}
	index_finish(ix, ST_SEGMENTS);
	*ret = records;
	*ret_n = n;
	return 0;
failed:
	index_finish(ix, ST_SEGMENTS);
	free(records);
	return -1;
}

/* --- parts --- */

static int run_with(struct index *ix, enum statement st, uint64_t value, struct err *err)
{
	index_bind(ix, st, 1, value);
	return index_run(ix, st, err);
}

/* *ret is 0 when there is no such record. */
static int segment_at(
	struct index *ix, uint32_t pack, uint64_t offset, uint64_t *ret, struct err *err)
{
	bool row;
	index_bind(ix, ST_SEGMENT_AT, 1, pack);
	index_bind(ix, ST_SEGMENT_AT, 2, offset);
	if (index_step(ix, ST_SEGMENT_AT, &row, err) != 0)
		return -1;
	*ret = row ? index_column(ix, ST_SEGMENT_AT, 0) : 0;
	index_finish(ix, ST_SEGMENT_AT);
	return 0;
}

static int tally(struct index *ix, uint64_t segment, uint64_t *ret_chunks, uint64_t *ret_raw,
	struct err *err)
{
	bool row;
	index_bind(ix, ST_TALLY, 1, segment);
	if (index_step(ix, ST_TALLY, &row, err) != 0)
		return -1;
	*ret_chunks = index_column(ix, ST_TALLY, 0);
	*ret_raw = index_column(ix, ST_TALLY, 1);
	index_finish(ix, ST_TALLY);
	return 0;
}

/* Blobs and manifests whose own chunk is gone. */
static int drop_orphans(struct index *ix, struct err *err)
{
	return index_run(ix, ST_DROP_BLOBS, err) != 0 || index_run(ix, ST_DROP_MANIFESTS, err) != 0
		       ? -1
		       : 0;
}

/* What the chunk described: a search for all orphans would look at every blob. A snapshot stays
 * known, so that what it needs is kept. */
static int drop_described(struct index *ix, const struct segment_row *row, struct err *err)
{
	enum statement st = row->kind == CHUNK_BLOB ? ST_DROP_BLOB_OF : ST_DROP_MANIFEST;
	if (row->kind != CHUNK_BLOB && row->kind != CHUNK_MANIFEST)
		return 0;
	index_bind_digest(ix, st, 1, &row->name);
	return index_run(ix, st, err);
}

static int drop_named(struct index *ix, uint64_t segment, const struct segment *seg,
	uint64_t *ret_chunks, uint64_t *ret_raw, struct err *err)
{
	*ret_chunks = *ret_raw = 0;
	for (uint32_t i = 0; i < seg->n_rows; i++) {
		const struct segment_row *row = &seg->rows[i];
		index_bind_digest(ix, ST_DROP_CHUNK, 1, &row->name);
		index_bind(ix, ST_DROP_CHUNK, 2, segment);
		if (index_run(ix, ST_DROP_CHUNK, err) != 0)
			return -1;
		if (sqlite3_changes(ix->db) == 0)
			continue;
		++*ret_chunks;
		*ret_raw += row->len;
		if (drop_described(ix, row, err) != 0)
			return -1;
	}
	return 0;
}

static int drop_searched(struct index *ix, uint64_t segment, uint64_t *ret_chunks,
	uint64_t *ret_raw, struct err *err)
{
	if (tally(ix, segment, ret_chunks, ret_raw, err) != 0 ||
		run_with(ix, ST_DROP_CHUNKS, segment, err) != 0)
		return -1;
	return drop_orphans(ix, err);
}

/* --- whole --- */

/* `seg` NULL: the names are not known. */
static int drop_rows(struct index *ix, uint32_t pack, uint64_t segment, const struct segment *seg,
	struct err *err)
{
	uint64_t chunks, raw;
	if ((seg ? drop_named(ix, segment, seg, &chunks, &raw, err)
		 : drop_searched(ix, segment, &chunks, &raw, err)) != 0)
		return -1;
	index_bind(ix, ST_LESSEN_PACK, 2, chunks);
	index_bind(ix, ST_LESSEN_PACK, 3, raw);
	if (run_with(ix, ST_LESSEN_PACK, pack, err) != 0 ||
		run_with(ix, ST_DROP_SEGMENT, segment, err) != 0)
		return -1;
	return run_with(ix, ST_DROP_NEEDS, pack, err);
}

static int end(struct index *ix, int result, struct err *err)
{
	ix->seen_segment = 0; /* its number may be given again */
	if (result == 0 && index_record_keep(ix, err) == 0)
		return 0;
	index_record_drop(ix);
	return -1;
}

int index_drop_record(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	struct err *err)
{
	uint64_t segment;
	if (segment_at(ix, pack, offset, &segment, err) != 0)
		return -1;
	if (segment == 0)
		return 0;
	if (index_record_begin(ix, err) != 0)
		return -1;
	return end(ix, drop_rows(ix, pack, segment, seg, err), err);
}

int index_drop_segment(struct index *ix, uint32_t pack, uint64_t offset, struct err *err)
{
	return index_drop_record(ix, pack, offset, NULL, err);
}

static int drop_pack_rows(struct index *ix, uint32_t pack, struct err *err)
{
	struct index_record *left CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	if (index_records(ix, pack, &left, &n, err) != 0)
		return -1;
	if (n > 0 &&
		(run_with(ix, ST_DROP_PACK_CHUNKS, pack, err) != 0 || drop_orphans(ix, err) != 0 ||
			run_with(ix, ST_DROP_SEGMENTS, pack, err) != 0))
		return -1;
	if (run_with(ix, ST_DROP_NEEDS, pack, err) != 0 ||
		run_with(ix, ST_UNPIN_PACK, pack, err) != 0)
		return -1;
	return run_with(ix, ST_DROP_PACK, pack, err);
}

int index_drop_pack(struct index *ix, uint32_t pack, struct err *err)
{
	if (index_record_begin(ix, err) != 0)
		return -1;
	return end(ix, drop_pack_rows(ix, pack, err), err);
}
