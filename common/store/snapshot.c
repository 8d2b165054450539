/* Listing, reading and forgetting snapshots. */
#include "common/store/snapshot.h"

#include "common/store/catalogue_snapshot.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>

void snapshot_done(struct snapshot *s)
{
	snapshot_info_done(&s->info);
	for (size_t i = 0; i < s->n_blobs; i++)
		free(s->blobs[i].role);
	free(s->blobs);
	free(s->artifact);
	*s = (struct snapshot){ 0 };
}

/* --- lists --- */

static bool is_text(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

static bool passes(const struct snapshot_filter *f, const struct snapshot_info *i)
{
	return is_text(f->host, i->host) && is_text(f->key, i->key) && is_text(f->kind, i->kind) &&
	       is_text(f->name, i->name);
}

int store_snapshots(struct store *s, const struct snapshot_filter *filter,
	struct snapshot_list *ret, struct err *err)
{
	static const struct snapshot_filter all = { 0 };
	const struct snapshot_filter *f = filter ? filter : &all;
	struct snapshot_list list = { 0 };
	size_t n = 0;
	if (index_snapshots(s->ix, f->from_ms, f->to_ms ? f->to_ms : UINT64_MAX, &list, err) != 0) {
		snapshot_list_done(&list);
		return -1;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (passes(f, &list.items[i]))
			list.items[n++] = list.items[i];
		else
			snapshot_info_done(&list.items[i]);
	}
	list.n = n;
	*ret = list;
	return 0;
}

/* --- one --- */

static int pin_blobs(
	struct store *s, const struct snapshot *snapshot, struct store_pin *pin, struct err *err)
{
	for (size_t i = 0; pin && i < snapshot->n_blobs; i++) {
		struct blob_record record = { 0 };
		bool found; /* one that is not whole says so when it is read */
		if (store_blob_find(s, &snapshot->blobs[i].digest, pin, &record, &found, err) != 0)
			return -1;
		if (found)
			blob_record_done(&record);
	}
	return 0;
}

static int read_manifest(
	struct store *s, const struct digest *id, struct snapshot_record *ret, struct err *err)
{
	char hex[DIGEST_HEX_LEN + 1];
	const uint8_t *bytes;
	struct store_place at;
	bool found;
	if (store_read(s, id, &at, &bytes, &found, err) != 0)
		return -1;
	if (found)
		return snapshot_record_parse(bytes, at.len, ret, err);
	digest_hex(id, hex);
	return err_set(err, ERR_CORRUPT, "the manifest of snapshot %.12s is damaged", hex);
}

int store_snapshot_read(struct store *s, const struct digest *id, struct store_pin *pin,
	struct snapshot *ret, bool *ret_found, struct err *err)
{
	struct snapshot_info known CLEANUP(snapshot_info_done) = { 0 };
	struct snapshot_record r CLEANUP(snapshot_record_done) = { 0 };
	if (index_find_snapshot(s->ix, id, &known, ret_found, err) != 0)
		return -1;
	if (!*ret_found)
		return 0;
	if (read_manifest(s, id, &r, err) != 0 || pin_blobs(s, &r.snapshot, pin, err) != 0)
		return -1;
	*ret = r.snapshot;
	r.snapshot = (struct snapshot){ 0 };
	return 0;
}

/* --- forgetting --- */

static int put_tombstone(struct store *s, const struct digest *ids, size_t n, struct err *err)
{
	struct buf bytes CLEANUP(buf_done);
	buf_init(&bytes, SEGMENT_RAW_MAX);
	if (tombstone_put(&bytes, ids, n, store_now_ms(), err) != 0)
		return -1;
	struct store_chunk chunk = {
		.name = digest_of(buf_bytes(&bytes), buf_len(&bytes)),
		.kind = CHUNK_MANIFEST,
		.bytes = buf_bytes(&bytes),
		.len = buf_len(&bytes),
	};
	if (store_put_chunks(s, &chunk, 1, err) != 0)
		return -1;
	/* It is needed for as long as a pack may hold what it forgets. */
	pack_table_hold(&s->table, s->pack.number, true);
	return store_sync(s, err);
}

int store_snapshot_forget(struct store *s, const struct digest *ids, size_t n, struct err *err)
{
	struct digest *there CLEANUP(cleanup_free) = calloc(n + 1, sizeof *there);
	size_t n_there = 0;
	if (!there)
		return err_nomem(err);
	if (n > SNAPSHOT_FORGET_MAX)
		return err_set(err, ERR_LIMIT, "%zu snapshots are too many to forget at once", n);
	for (size_t i = 0; i < n; i++) {
		struct snapshot_info info = { 0 };
		bool found;
		if (index_find_snapshot(s->ix, &ids[i], &info, &found, err) != 0)
			return -1;
		if (found)
			there[n_there++] = ids[i];
		snapshot_info_done(&info);
	}
	return n_there == 0 ? 0 : put_tombstone(s, there, n_there, err);
}
