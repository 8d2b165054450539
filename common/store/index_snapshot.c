#include "common/store/index_snapshot.h"

#include "common/store/index_impl.h"

#include <stdlib.h>
#include <string.h>

static void bind_text(struct index *ix, enum statement st, int at, const char *text)
{
	sqlite3_bind_text(ix->statements[st], at, text, -1, SQLITE_STATIC);
}

/* --- rows --- */

int index_add_snapshot(struct index *ix, const struct snapshot_info *info, struct err *err)
{
	index_bind_digest(ix, ST_SNAPSHOT, 1, &info->id);
	index_bind(ix, ST_SNAPSHOT, 2, info->time_ms);
	bind_text(ix, ST_SNAPSHOT, 3, info->host);
	bind_text(ix, ST_SNAPSHOT, 4, info->key);
	bind_text(ix, ST_SNAPSHOT, 5, info->kind);
	bind_text(ix, ST_SNAPSHOT, 6, info->name);
	index_bind(ix, ST_SNAPSHOT, 7, info->bytes_total);
	index_bind(ix, ST_SNAPSHOT, 8, info->bytes_new);
	if (index_run(ix, ST_SNAPSHOT, err) != 0)
		return -1;
	return ix->replaying && sqlite3_changes(ix->db) > 0 ? index_set_doubt(ix, true, err) : 0;
}

int index_add_root(struct index *ix, const struct digest *snapshot, const struct digest *blob,
	const struct need_root *root, struct err *err)
{
	index_bind_digest(ix, ST_ROOT, 1, snapshot);
	index_bind_digest(ix, ST_ROOT, 2, blob);
	index_bind_digest(ix, ST_ROOT, 3, &root->list);
	index_bind(ix, ST_ROOT, 4, root->depth);
	return index_run(ix, ST_ROOT, err);
}

int index_add_tombstone(struct index *ix, const struct digest *snapshot, const struct digest *chunk,
	struct err *err)
{
	index_bind_digest(ix, ST_TOMBSTONE, 1, snapshot);
	index_bind_digest(ix, ST_TOMBSTONE, 2, chunk);
	if (index_run(ix, ST_TOMBSTONE, err) != 0)
		return -1;
	index_bind_digest(ix, ST_DROP_SNAPSHOT, 1, snapshot);
	index_bind_digest(ix, ST_DROP_ROOTS, 1, snapshot);
	if (index_run(ix, ST_DROP_SNAPSHOT, err) != 0)
		return -1;
	return index_run(ix, ST_DROP_ROOTS, err);
}

void index_set_replaying(struct index *ix, bool replaying)
{
	ix->replaying = replaying;
}

/* --- doubt --- */

static int ask(struct index *ix, enum statement st, bool *ret, struct err *err)
{
	bool row;
	if (index_step(ix, st, &row, err) != 0)
		return -1;
	*ret = row && index_column(ix, st, 0) != 0;
	index_finish(ix, st);
	return row ? 0 : index_fail_value(ix, err);
}

int index_in_doubt(struct index *ix, bool *ret, struct err *err)
{
	return ask(ix, ST_IN_DOUBT, ret, err);
}

int index_any_snapshot(struct index *ix, bool *ret, struct err *err)
{
	return ask(ix, ST_ANY_SNAPSHOT, ret, err);
}

int index_set_doubt(struct index *ix, bool doubt, struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	index_bind(ix, ST_DOUBT, 1, doubt);
	if (index_run(ix, ST_DOUBT, err) != 0)
		return -1;
	return doubt ? index_run(ix, ST_HOLD_ALL, err) : 0;
}

/* --- questions --- */

static int copy_text(struct index *ix, enum statement st, int at, char **ret, struct err *err)
{
	const char *text = (const char *)sqlite3_column_text(ix->statements[st], at);
	*ret = strdup(text ? text : "");
	return *ret ? 0 : err_nomem(err);
}

static int read_snapshot(
	struct index *ix, enum statement st, struct snapshot_info *ret, struct err *err)
{
	struct snapshot_info info CLEANUP(snapshot_info_done) = { 0 };
	if (!index_column_digest(ix, st, 0, &info.id))
		return index_fail_value(ix, err);
	info.time_ms = index_column(ix, st, 1);
	info.bytes_total = index_column(ix, st, 6);
	info.bytes_new = index_column(ix, st, 7);
	if (copy_text(ix, st, 2, &info.host, err) != 0 ||
		copy_text(ix, st, 3, &info.key, err) != 0 ||
		copy_text(ix, st, 4, &info.kind, err) != 0 ||
		copy_text(ix, st, 5, &info.name, err) != 0)
		return -1;
	*ret = info;
	info = (struct snapshot_info){ 0 };
	return 0;
}

static int append_snapshot(struct index *ix, struct snapshot_list *to, struct err *err)
{
	if (to->n == to->cap) {
		size_t cap = to->cap ? to->cap * 2 : 64;
		struct snapshot_info *grown = reallocarray(to->items, cap, sizeof *grown);
		if (!grown)
			return err_nomem(err);
		to->items = grown;
		to->cap = cap;
	}
	if (read_snapshot(ix, ST_SNAPSHOTS, &to->items[to->n], err) != 0)
		return -1;
	to->n++;
	return 0;
}

int index_snapshots(struct index *ix, uint64_t from_ms, uint64_t to_ms, struct snapshot_list *ret,
	struct err *err)
{
	bool row = true;
	int r = 0;
	index_bind(ix, ST_SNAPSHOTS, 1, min_u64(from_ms, INT64_MAX));
	index_bind(ix, ST_SNAPSHOTS, 2, min_u64(to_ms, INT64_MAX));
	while (r == 0 && row) {
		r = index_step(ix, ST_SNAPSHOTS, &row, err);
		if (r == 0 && row)
			r = append_snapshot(ix, ret, err);
	}
	index_finish(ix, ST_SNAPSHOTS);
	return r;
}

int index_find_snapshot(struct index *ix, const struct digest *id, struct snapshot_info *ret,
	bool *ret_found, struct err *err)
{
	bool row;
	index_bind_digest(ix, ST_ONE_SNAPSHOT, 1, id);
	if (index_step(ix, ST_ONE_SNAPSHOT, &row, err) != 0)
		return -1;
	int r = row ? read_snapshot(ix, ST_ONE_SNAPSHOT, ret, err) : 0;
	index_finish(ix, ST_ONE_SNAPSHOT);
	*ret_found = row;
	return r;
}

int index_each_root(struct index *ix, const struct digest *snapshot, index_root_fn *fn, void *ctx,
	struct err *err)
{
	struct need_root root;
	struct digest blob;
	bool row = true;
	int r = 0;
	index_bind_digest(ix, ST_ROOTS, 1, snapshot);
	while (r == 0 && row) {
		r = index_step(ix, ST_ROOTS, &row, err);
		if (r != 0 || !row)
			break;
		root.depth = (uint32_t)index_column(ix, ST_ROOTS, 2);
		if (!index_column_digest(ix, ST_ROOTS, 0, &blob) ||
			!index_column_digest(ix, ST_ROOTS, 1, &root.list))
			r = index_fail_value(ix, err);
		else
			r = fn(ctx, &blob, &root, err);
	}
	index_finish(ix, ST_ROOTS);
	return r;
}

int index_root_of(struct index *ix, const struct digest *blob, struct need_root *ret,
	bool *ret_found, struct err *err)
{
	bool row;
	index_bind_digest(ix, ST_ROOT_OF, 1, blob);
	if (index_step(ix, ST_ROOT_OF, &row, err) != 0)
		return -1;
	bool valid = !row || index_column_digest(ix, ST_ROOT_OF, 0, &ret->list);
	if (row)
		ret->depth = (uint32_t)index_column(ix, ST_ROOT_OF, 1);
	index_finish(ix, ST_ROOT_OF);
	*ret_found = row;
	return valid ? 0 : index_fail_value(ix, err);
}

int index_each_tombstone(struct index *ix,
	int (*fn)(void *ctx, const struct digest *chunk, struct err *err), void *ctx,
	struct err *err)
{
	struct digest chunk;
	bool row = true;
	int r = 0;
	while (r == 0 && row) {
		r = index_step(ix, ST_TOMBSTONES, &row, err);
		if (r != 0 || !row)
			break;
		r = index_column_digest(ix, ST_TOMBSTONES, 0, &chunk) ? fn(ctx, &chunk, err)
								      : index_fail_value(ix, err);
	}
	index_finish(ix, ST_TOMBSTONES);
	return r;
}

/* --- marking --- */

int index_mark(struct index *ix, const struct digest *name, struct index_mark *ret, bool *ret_found,
	struct err *err)
{
	bool row;
	index_bind_digest(ix, ST_MARK, 1, name);
	if (index_step(ix, ST_MARK, &row, err) != 0)
		return -1;
	if (row) {
		uint64_t place = index_column(ix, ST_MARK, 1);
		*ret = (struct index_mark){ .segment = index_column(ix, ST_MARK, 0),
			.row = (uint32_t)(place >> (2 * PLACE_BITS)) & PLACE_ROW_MASK,
			.len = (uint32_t)place & PLACE_MASK };
	}
	index_finish(ix, ST_MARK);
	*ret_found = row;
	return 0;
}

int index_segments(
	struct index *ix, uint64_t after, struct index_segment *ret, size_t *ret_n, struct err *err)
{
	size_t n = 0;
	bool row = true;
	index_bind(ix, ST_MARK_TABLE, 1, after);
	while (n < INDEX_SEGMENTS_AT_ONCE) {
		if (index_step(ix, ST_MARK_TABLE, &row, err) != 0)
			return -1;
		if (!row)
			break;
		ret[n++] = (struct index_segment){
			.id = index_column(ix, ST_MARK_TABLE, 0),
			.pack = (uint32_t)index_column(ix, ST_MARK_TABLE, 1),
			.length = (uint32_t)index_column(ix, ST_MARK_TABLE, 2),
			.chunks = (uint32_t)index_column(ix, ST_MARK_TABLE, 3),
			.raw = (uint32_t)index_column(ix, ST_MARK_TABLE, 4),
		};
	}
	index_finish(ix, ST_MARK_TABLE);
	*ret_n = n;
	return 0;
}

int index_segments_of(
	struct index *ix, uint32_t pack, struct index_segment **ret, size_t *ret_n, struct err *err)
{
	struct index_segment *all = NULL;
	size_t n = 0, cap = 0;
	bool row = true;
	int r = 0;
	index_bind(ix, ST_SEGMENT_IDS, 1, pack);
	for (;;) {
		r = index_step(ix, ST_SEGMENT_IDS, &row, err);
		if (r != 0 || !row)
			break;
		if (n == cap) {
			cap = cap ? cap * 2 : 128;
			struct index_segment *grown = reallocarray(all, cap, sizeof *grown);
			if (!grown) {
				r = err_nomem(err);
				break;
			}
			all = grown;
		}
		all[n++] = (struct index_segment){ .id = index_column(ix, ST_SEGMENT_IDS, 0),
			.offset = index_column(ix, ST_SEGMENT_IDS, 1),
			.length = (uint32_t)index_column(ix, ST_SEGMENT_IDS, 2),
			.chunks = (uint32_t)index_column(ix, ST_SEGMENT_IDS, 3),
			.raw = (uint32_t)index_column(ix, ST_SEGMENT_IDS, 4),
			.pack = pack };
	}
	index_finish(ix, ST_SEGMENT_IDS);
	if (r != 0) {
		free(all);
		return -1;
	}
	*ret = all;
	*ret_n = n;
	return 0;
}
