/*
 * What is done about damage: a record that is not what the index says is taken out of the index, so
 * that its chunks count as missing and can be put again; packs are never rewritten. Happy path of a
 * repair: every record of one pack is read and hashed, the bad ones' rows go, and the index is
 * committed. Failure modes: a pack whose file is gone, shorter, or another one; an index that does
 * not say what its packs hold, which is then made anew.
 */
#include "common/base/file.h"
#include "common/store/index_snapshot.h"
#include "common/store/index_walk.h"
#include "common/store/store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void store_on_damage(struct store *s, store_problem_fn *fn, void *ctx)
{
	s->on_damage = fn;
	s->on_damage_ctx = ctx;
}

void store_tell(struct store *s, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (s->on_damage)
		s->on_damage(s->on_damage_ctx, text);
	if (s->watch)
		s->watch->problem(s->watch->ctx, text);
}

/* --- taking out --- */

static int note_hurt(void *ctx, const struct digest *blob, struct err *err)
{
	struct store_watch *w = ctx;
	for (size_t i = 0; i < w->n_hurt; i++)
		if (digest_equal(&w->hurt[i], blob))
			return 0;
	if (w->n_hurt == w->cap_hurt) {
		size_t cap = w->cap_hurt ? w->cap_hurt * 2 : 16;
		struct digest *grown = reallocarray(w->hurt, cap, sizeof *grown);
		if (!grown)
			return err_nomem(err);
		w->hurt = grown;
		w->cap_hurt = cap;
	}
	w->hurt[w->n_hurt++] = *blob;
	return 0;
}

/* Before rows of the pack go: which blobs does that concern? */
static int find_hurt(struct store *s, uint32_t pack, struct err *err)
{
	return s->watch ? index_each_in_need(s->ix, pack, note_hurt, s->watch, err) : 0;
}

/* What was remembered of the index is not so any more. */
static void forget(struct store *s, uint32_t pack)
{
	memset(s->complete, 0, sizeof s->complete);
	store_reader_forget(s->reader, pack);
	s->changes++;
}

static int count_blobs(struct store *s, uint64_t *ret, struct err *err)
{
	struct store_stats stats;
	if (index_totals(s->ix, &stats, err) != 0)
		return -1;
	*ret = stats.blobs;
	return 0;
}

/* `blobs_before`: some may have gone with their records. */
static int count(
	struct store *s, uint64_t records, uint64_t chunks, uint64_t blobs_before, struct err *err)
{
	uint64_t blobs;
	if (!s->watch)
		return 0;
	if (count_blobs(s, &blobs, err) != 0)
		return -1;
	s->watch->records += records;
	s->watch->chunks += chunks;
	s->watch->blobs += blobs_before - blobs;
	return 0;
}

/* Chunks that snapshots need may have gone: whoever sends them again puts them into some pack. */
int store_hold_all(struct store *s, struct err *err)
{
	bool any;
	if (s->table.hold_new)
		return 0;
	if (index_any_snapshot(s->ix, &any, err) != 0)
		return -1;
	if (!any)
		return 0;
	if (index_set_doubt(s->ix, true, err) != 0)
		return -1;
	s->table.hold_new = true;
	for (size_t i = 0; i < s->table.n; i++)
		pack_table_hold(&s->table, s->table.rows[i].number, true);
	return 0;
}

/* The pack keeps the bytes: it has one damaged stretch more. */
static int drop_record(
	struct store *s, const struct store_place *at, uint64_t *ret_chunks, struct err *err)
{
	struct index_pack before, after;
	uint64_t n_before = 0, n_after = 0, blobs;
	bool found;
	if (find_hurt(s, at->pack, err) != 0 || count_blobs(s, &blobs, err) != 0 ||
		index_find_pack(s->ix, at->pack, &before, &n_before, &found, err) != 0 ||
		index_drop_segment(s->ix, at->pack, at->record_offset, err) != 0 ||
		index_find_pack(s->ix, at->pack, &after, &n_after, &found, err) != 0)
		return -1;
	forget(s, at->pack);
	*ret_chunks = n_before - n_after;
	if (store_hold_all(s, err) != 0)
		return -1;
	if (count(s, 1, *ret_chunks, blobs, err) != 0)
		return -1;
	return found ? index_note_pack(s->ix, at->pack, after.length, 1, err) : 0;
}

static bool same_row(const struct segment_row *row, const struct store_place *a,
	const struct store_place *record)
{
	return a->pack == record->pack && a->record_offset == record->record_offset &&
	       a->record_len == record->record_len && a->offset == row->offset &&
	       a->len == row->len && a->kind == row->kind;
}

static int count_places(struct store *s, const struct store_place *at, const struct segment *seg,
	uint64_t *ret, struct err *err)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < seg->n_rows; i++) {
		struct store_place place;
		bool found;
		if (index_find(s->ix, &seg->rows[i].name, &place, &found, err) != 0)
			return -1;
		n += found && same_row(&seg->rows[i], &place, at);
	}
	*ret = n;
	return 0;
}

int store_look_at(struct store *s, const struct store_place *at, bool whole, bool *ret_good,
	uint64_t *ret_places, struct err *err)
{
	struct segment seg CLEANUP(segment_done) = { 0 };
	struct err why = { 0 };
	uint64_t chunks;
	*ret_good = store_reader_record(s->reader, at, whole, &seg, &why) == 0;
	*ret_places = 0;
	if (*ret_good)
		return count_places(s, at, &seg, ret_places, err);
	if (why.code != ERR_CORRUPT)
		return err_set(err, why.code, "%s", why.text);
	if (drop_record(s, at, &chunks, err) != 0)
		return -1;
	store_tell(s, "pack %08u, record at %llu: %s; %llu chunks count as missing", at->pack,
		store_number(at->record_offset), why.text, store_number(chunks));
	return 0;
}

int store_drop_lost_pack(struct store *s, uint32_t pack, struct err *err)
{
	struct index_record *records CLEANUP(cleanup_free) = NULL;
	struct index_pack row;
	size_t n = 0;
	uint64_t chunks = 0, blobs;
	bool found;
	if (find_hurt(s, pack, err) != 0 || count_blobs(s, &blobs, err) != 0 ||
		index_find_pack(s->ix, pack, &row, &chunks, &found, err) != 0 ||
		index_records(s->ix, pack, &records, &n, err) != 0 ||
		index_drop_pack(s->ix, pack, err) != 0)
		return -1;
	forget(s, pack);
	pack_table_remove(&s->table, pack);
	if (store_hold_all(s, err) != 0)
		return -1;
	if (!found)
		return 0;
	if (count(s, n, chunks, blobs, err) != 0)
		return -1;
	store_tell(s, "pack %08u is not there: %zu records with %llu chunks count as missing", pack,
		n, store_number(chunks));
	return 0;
}

/* --- the file --- */

static int look_at_file(
	struct store *s, uint32_t pack, struct stat *st, bool *ret_there, struct err *err)
{
	char *path CLEANUP(cleanup_free) = pack_path(s->packs_dir, pack);
	if (!path)
		return err_nomem(err);
	*ret_there = lstat(path, st) == 0;
	if (*ret_there || errno == ENOENT)
		return 0;
	return err_errno(err, errno, "cannot look at %s", path);
}

/* Is the pack that is being written to still the file of that name, and whole? Else it is let go
 * of: where records were the index may still know them. */
static int fit_written(struct store *s, const struct stat *st, bool there, struct err *err)
{
	struct stat open;
	if (fstat(s->pack.fd, &open) != 0)
		return err_errno(err, errno, "cannot look at %s", s->pack.path);
	if (!there || open.st_ino != st->st_ino || open.st_dev != st->st_dev) {
		pack_close(&s->pack);
	} else if ((uint64_t)open.st_size < s->pack.end) {
		if (pack_sync(&s->pack, s->packs_dir, err) != 0)
			return -1;
		pack_close(&s->pack);
	}
	return 0;
}

int store_fit_pack(struct store *s, uint32_t pack, struct err *err)
{
	struct index_pack row;
	struct stat st;
	uint64_t chunks;
	bool there, known;
	if (look_at_file(s, pack, &st, &there, err) != 0)
		return -1;
	if (s->pack.path && s->pack.number == pack && fit_written(s, &st, there, err) != 0)
		return -1;
	if (!there)
		return store_drop_lost_pack(s, pack, err);
	if (index_find_pack(s->ix, pack, &row, &chunks, &known, err) != 0)
		return -1;
	uint64_t size = (uint64_t)st.st_size;
	if (!known || size >= row.length)
		return 0;
	store_tell(s, "pack %08u ends at %llu, %llu bytes of it are missing", pack,
		store_number(size), store_number(row.length - size));
	if (pack_table_find(&s->table, pack))
		pack_table_set_bytes(&s->table, pack, size);
	return index_note_pack(s->ix, pack, size, 0, err);
}

/* --- a whole pack --- */

/* *ret_agrees: the index has a place in the pack for as many chunks as it says. */
static int look_at_pack(
	struct store *s, uint32_t pack, uint64_t *ret_dropped, bool *ret_agrees, struct err *err)
{
	struct index_record *records CLEANUP(cleanup_free) = NULL;
	struct index_pack row;
	size_t n = 0;
	uint64_t chunks = 0, all_places = 0;
	bool known;
	if (index_records(s->ix, pack, &records, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct store_place at = { .pack = pack,
			.record_offset = records[i].offset,
			.record_len = records[i].length };
		uint64_t places;
		bool good;
		if (store_look_at(s, &at, true, &good, &places, err) != 0)
			return -1;
		*ret_dropped += !good;
		all_places += places;
	}
	if (index_find_pack(s->ix, pack, &row, &chunks, &known, err) != 0)
		return -1;
	*ret_agrees = chunks == all_places;
	return 0;
}

int store_drop_damaged(
	struct store *s, const struct store_place *at, uint64_t *ret_dropped, struct err *err)
{
	bool agrees = true;
	*ret_dropped = 0;
	if (store_fit_pack(s, at->pack, err) != 0 ||
		look_at_pack(s, at->pack, ret_dropped, &agrees, err) != 0) {
		store_rows_lost(s);
		return -1;
	}
	if (agrees)
		return store_commit(s, err);
	store_tell(s, "the index does not say what pack %08u holds: it is made anew", at->pack);
	return store_rebuild_index(s, err);
}

uint32_t store_pin_next(const struct store_pin *pin, uint32_t after)
{
	for (size_t i = 0; pin && i < pin->packs.n; i++)
		if (pin->packs.numbers[i] > after)
			return pin->packs.numbers[i];
	return 0;
}

int store_drop_blob(struct store *s, const struct digest *digest, struct err *err)
{
	if (index_drop_blob(s->ix, digest, err) == 0)
		return store_commit(s, err);
	store_rows_lost(s);
	return -1;
}

/* --- the index --- */

/* Replay may have cut the tail of the pack that is being written to. */
static int after_rebuild(struct store *s, struct err *err)
{
	s->behind = false;
	s->unsynced = 0;
	s->rebuilds++;
	if (s->pack.path && store_fit_pack(s, s->pack.number, err) != 0)
		return -1;
	return store_reload(s, err);
}

/* When the packs cannot be read, an empty index takes the place of the old one, and nothing is
 * written any more: what is asked is missing, and nobody finds no index. */
int store_rebuild_index(struct store *s, struct err *err)
{
	struct index *empty, *old = s->ix;
	struct err why;
	if (s->broken)
		return err_set(err, ERR_IO, "%s: open the store again", s->dir);
	if (index_open(":memory:", &empty, err) != 0)
		return -1;
	if (store_commit(s, &why) != 0 && !index_damaged(old)) {
		index_close(empty);
		return err_set(err, why.code, "%s", why.text);
	}
	index_close(old);
	s->ix = NULL;
	pins_lost(s);
	forget(s, 0);
	if (index_remove(s->index_path, err) == 0 && store_open_index(s, err) == 0) {
		index_close(empty);
		return after_rebuild(s, err);
	}
	index_close(s->ix);
	s->ix = empty;
	s->broken = true;
	return err_wrap(err, "the index of %s could not be made anew", s->dir);
}
