#include "common/store/index_impl.h"

static int add_chunks(struct index *ix, const struct segment *seg, uint64_t segment,
	uint64_t *ret_chunks, uint64_t *ret_raw, struct err *err)
{
	uint64_t chunks = 0, raw = 0;
	for (uint32_t i = 0; i < seg->n_rows; i++) {
		const struct segment_row *row = &seg->rows[i];
		index_bind_digest(ix, ST_CHUNK, 1, &row->name);
		index_bind(ix, ST_CHUNK, 2, segment);
		index_bind(ix, ST_CHUNK, 3,
			(uint64_t)row->kind << (2 * PLACE_BITS + PLACE_ROW_BITS) |
				(uint64_t)i << (2 * PLACE_BITS) |
				(uint64_t)row->offset << PLACE_BITS | row->len);
		if (index_run(ix, ST_CHUNK, err) != 0)
			return -1;
		if (sqlite3_changes(ix->db) > 0) {
			chunks++;
			raw += row->len;
		}
	}
	ix->known_rows = seg->n_rows - (uint32_t)chunks;
	*ret_chunks = chunks;
	*ret_raw = raw;
	return 0;
}

uint32_t index_known_rows(const struct index *ix)
{
	return ix->known_rows;
}

static int add_to_pack(struct index *ix, uint32_t pack, uint64_t length, uint64_t chunks,
	uint64_t raw, uint64_t damaged, struct err *err)
{
	const uint64_t values[] = { pack, length, chunks, raw, damaged };
	for (int i = 0; i < (int)ARRAY_LEN(values); i++)
		index_bind(ix, ST_PACK, i + 1, values[i]);
	return index_run(ix, ST_PACK, err);
}

int index_add_segment(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	struct err *err)
{
	index_bind(ix, ST_SEGMENT, 1, pack);
	index_bind(ix, ST_SEGMENT, 2, offset);
	index_bind(ix, ST_SEGMENT, 3, seg->record_len);
	index_bind(ix, ST_SEGMENT, 4, seg->n_rows);
	index_bind(ix, ST_SEGMENT, 5, seg->raw_len);
	if (index_run(ix, ST_SEGMENT, err) != 0)
		return -1;
	uint64_t id = (uint64_t)sqlite3_last_insert_rowid(ix->db);
	uint64_t chunks, raw;
	if (add_chunks(ix, seg, id, &chunks, &raw, err) != 0)
		return -1;
	return add_to_pack(ix, pack, offset + seg->record_len, chunks, raw, 0, err);
}

int index_add_blob(struct index *ix, const struct digest *digest, uint64_t size,
	const struct digest *record, struct err *err)
{
	/* Another record may need other packs. */
	index_bind_digest(ix, ST_FORGET_NEEDS, 1, digest);
	if (index_run(ix, ST_FORGET_NEEDS, err) != 0)
		return -1;
	index_bind_digest(ix, ST_BLOB, 1, digest);
	index_bind(ix, ST_BLOB, 2, size);
	index_bind_digest(ix, ST_BLOB, 3, record);
	return index_run(ix, ST_BLOB, err);
}

int index_add_manifest(struct index *ix, const struct digest *chunk, const char *kind,
	const char *name, int64_t seconds, struct err *err)
{
	index_bind_digest(ix, ST_MANIFEST, 1, chunk);
	sqlite3_bind_text(ix->statements[ST_MANIFEST], 2, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(ix->statements[ST_MANIFEST], 3, name, -1, SQLITE_STATIC);
	index_bind(ix, ST_MANIFEST, 4, (uint64_t)seconds);
	return index_run(ix, ST_MANIFEST, err);
}

int index_note_pack(
	struct index *ix, uint32_t pack, uint64_t length, uint64_t damaged, struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	return add_to_pack(ix, pack, length, 0, 0, damaged, err);
}

int index_use_pack(struct index *ix, uint32_t pack, uint64_t used, bool held, struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	index_bind(ix, ST_USE_PACK, 1, pack);
	index_bind(ix, ST_USE_PACK, 2, used);
	index_bind(ix, ST_USE_PACK, 3, held);
	return index_run(ix, ST_USE_PACK, err);
}
