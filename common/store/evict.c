/*
 * Owns the choice of what a store gives up, and the giving up. Happy path: too much is kept, or too
 * little is free -> what no job pins, the longest unused first -> its rows go and are committed ->
 * its file goes. Failure modes: everything is pinned (the cache may exceed its size, the floor is
 * ERR_FULL), a disk so full that the index cannot be written (then the file goes first).
 */
#include "common/store/evict.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/store/store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Appended at most between two looks at the free space. */
#define FLOOR_STEP (UINT64_C(4) << 20)

void store_set_limits(struct store *s, const struct store_limits *limits)
{
	s->limits = *limits;
	s->room = 0;
}

uint64_t store_bytes(const struct store *s)
{
	return s->table.bytes;
}

/* --- which --- */

static bool is_current(const struct store *s, uint32_t number)
{
	return s->pack.path && s->pack.number == number;
}

/* The longest unused pack that may go, NULL when there is none. */
static const struct pack_row *longest_unused(const struct store *s, const struct pack_set *kept)
{
	const struct pack_row *best = NULL;
	for (size_t i = 0; i < s->table.n; i++) {
		const struct pack_row *row = &s->table.rows[i];
		if ((!best || row->used < best->used) && !row->held &&
			!is_current(s, row->number) && !pack_set_has(kept, row->number))
			best = row;
	}
	return best;
}

int store_oldest(struct store *s, bool *ret_any, uint64_t *ret_used_ms, struct err *err)
{
	struct pack_set kept = { 0 };
	int r = pins_collect(s, &kept, err);
	const struct pack_row *row = r == 0 && !s->limits.keep_all ? longest_unused(s, &kept)
								   : NULL;
	*ret_any = row != NULL;
	if (row)
		*ret_used_ms = row->used;
	pack_set_done(&kept);
	return r;
}

/* --- giving one up --- */

/* Takes a record's rows out by the names in its head; one that cannot be read is left. */
static int drop_record(struct store *s, const struct pack *p, const struct index_record *at,
	uint8_t *head, struct err *err)
{
	struct segment seg CLEANUP(segment_done) = { 0 };
	size_t head_len, record_len;
	if (at->length < SEGMENT_HEAD_LEN || at->length > SEGMENT_RECORD_MAX ||
		file_read_at(p->fd, head, SEGMENT_HEAD_LEN, at->offset, NULL) != 0 ||
		segment_measure(head, &head_len, &record_len, NULL) != 0 ||
		record_len != at->length || head_len > record_len ||
		file_read_at(p->fd, head, head_len, at->offset, NULL) != 0 ||
		segment_parse(head, head_len, &seg, NULL) != 0)
		return 0;
	return index_drop_record(s->ix, p->number, at->offset, &seg, err);
}

/* Rows by name where the pack says the names, for the index does not know which chunks are in a
 * segment; the rest is searched for. */
static int drop_named_rows(struct store *s, uint32_t number, struct err *err)
{
	struct index_record *records CLEANUP(cleanup_free) = NULL;
	struct pack p CLEANUP(pack_close) = { 0 };
	uint8_t *head CLEANUP(cleanup_free) = malloc(SEGMENT_RECORD_MAX);
	size_t n = 0;
	if (!head)
		return err_nomem(err);
	if (index_records(s->ix, number, &records, &n, err) != 0)
		return -1;
	if (pack_open(s->packs_dir, number, &p, NULL) != 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (drop_record(s, &p, &records[i], head, err) != 0)
			return -1;
	return 0;
}

int evict_drop_rows(struct store *s, uint32_t number, struct err *err)
{
	return drop_named_rows(s, number, err) != 0 ? -1 : index_drop_pack(s->ix, number, err);
}

/* Nothing of the index may be uncommitted before. */
static int drop_rows(struct store *s, uint32_t number, struct err *err)
{
	if (evict_drop_rows(s, number, err) == 0 && index_commit(s->ix, err) == 0)
		return 0;
	index_rollback(s->ix);
	return -1;
}

/* The store's reader keeps packs open, whose space would stay taken. */
static void renew_reader(struct store *s)
{
	struct store_reader *fresh = store_reader_new(s->dir, NULL);
	if (!fresh)
		return;
	store_reader_free(s->reader);
	s->reader = fresh;
}

static int remove_file(struct store *s, uint32_t number, struct err *err)
{
	char *path CLEANUP(cleanup_free) = pack_path(s->packs_dir, number);
	if (!path)
		return err_nomem(err);
	return file_remove(path, err);
}

/* When the index has no room to be written, the pack's own bytes make it. A crash in between leaves
 * an index that knows more than there is, which the next opening takes out. */
static int drop_file_first(struct store *s, uint32_t number, struct err *err)
{
	struct pack p CLEANUP(pack_close) = { 0 };
	struct err ignored;
	renew_reader(s);
	bool there = pack_open(s->packs_dir, number, &p, NULL) == 0;
	if (remove_file(s, number, err) != 0)
		return -1;
	/* A reader of another thread may keep it open, and its space is needed now. */
	if (there)
		(void)!pack_cut(&p, 0, &ignored);
	if (drop_rows(s, number, err) == 0)
		return 0;
	s->broken = true;
	return err_wrap(err, "pack %08u was given up but is still in the index", number);
}

int evict_remove(struct store *s, uint32_t number, struct err *err)
{
	memset(s->complete, 0, sizeof s->complete);
	s->given_up++;
	renew_reader(s);
	pack_table_remove(&s->table, number);
	return remove_file(s, number, err);
}

int evict_give_up(struct store *s, uint32_t number, struct err *err)
{
	struct err why = { 0 };
	if (drop_rows(s, number, &why) == 0)
		return evict_remove(s, number, err);
	memset(s->complete, 0, sizeof s->complete);
	s->given_up++;
	if (why.code != ERR_FULL)
		return err_set(err, why.code, "%s", why.text);
	if (drop_file_first(s, number, err) != 0)
		return -1;
	pack_table_remove(&s->table, number);
	return 0;
}

/* --- how much --- */

/* Nothing may be uncommitted when a pack is given up. If it cannot be committed for want of room,
 * its rows are dropped: they are made again from the packs before the next write. */
int evict_make_clean(struct store *s, struct err *err)
{
	struct err why = { 0 };
	if (store_commit(s, &why) == 0)
		return 0;
	if (why.code != ERR_FULL || s->broken)
		return err_set(err, why.code, "%s", why.text);
	index_rollback(s->ix);
	store_rows_lost(s);
	return 0;
}

/* Gives up what is at least `need` bytes, or all that may go. */
static int evict(struct store *s, uint64_t need, struct store_pruned *ret, struct err *err)
{
	struct pack_set kept = { 0 };
	const struct pack_row *row;
	int r = s->limits.keep_all ? 0 : pins_collect(s, &kept, err);
	while (r == 0 && !s->limits.keep_all && ret->bytes < need &&
		(row = longest_unused(s, &kept))) {
		uint64_t bytes = row->bytes;
		r = evict_give_up(s, row->number, err);
		if (r == 0) {
			ret->packs++;
			ret->bytes += bytes;
		}
	}
	pack_set_done(&kept);
	return r;
}

int store_give_up_oldest(struct store *s, uint64_t *ret_bytes, struct err *err)
{
	struct store_pruned gone = { 0 };
	if (evict_make_clean(s, err) != 0 || evict(s, 1, &gone, err) != 0)
		return -1;
	*ret_bytes = gone.bytes;
	return 0;
}

int evict_to_limit(struct store *s, struct err *err)
{
	struct store_pruned gone = { 0 };
	if (s->table.bytes <= s->limits.cache_max)
		return 0;
	return evict(s, s->table.bytes - s->limits.cache_max, &gone, err);
}

struct disk {
	uint64_t free, total;
};

static int look_at_disk(const struct store *s, struct disk *ret, struct err *err)
{
	struct statvfs fs;
	if (statvfs(s->packs_dir, &fs) != 0)
		return err_errno(err, errno, "cannot look at the file system of %s", s->dir);
	ret->free = (uint64_t)fs.f_bavail * fs.f_frsize;
	ret->total = (uint64_t)fs.f_blocks * fs.f_frsize;
	return 0;
}

static int tell_full(const struct store *s, const struct disk *disk, struct err *err)
{
	char free_text[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX], floor_text[TEXT_SIZE_MAX];
	double part = disk->total ? 100.0 * (double)s->limits.floor_free / (double)disk->total : 0;
	return err_set(err, ERR_FULL,
		"the receiver's disk is full: %s has %s free of %s, %s (%.0f %%) is kept free; "
		"free some space or run drayd prune",
		s->dir, text_size(free_text, disk->free), text_size(total, disk->total),
		text_size(floor_text, s->limits.floor_free), part);
}

int evict_make_room(struct store *s, uint64_t len, struct err *err)
{
	const uint64_t want = s->limits.floor_free + len;
	struct store_pruned gone = { 0 };
	struct disk disk;
	if (s->limits.floor_free == 0 || len <= s->room)
		return 0;
	if (look_at_disk(s, &disk, err) != 0)
		return -1;
	if (disk.free < want &&
		(evict_make_clean(s, err) != 0 || evict(s, want - disk.free, &gone, err) != 0 ||
			look_at_disk(s, &disk, err) != 0))
		return -1;
	if (disk.free < want)
		return tell_full(s, &disk, err);
	s->room = min_u64(disk.free - s->limits.floor_free, FLOOR_STEP);
	return 0;
}

/* --- totals --- */

static void count_pinned(const struct store *s, const struct pack_set *pinned, uint64_t *ret)
{
	for (size_t i = 0; i < s->table.n; i++)
		if (pack_set_has(pinned, s->table.rows[i].number))
			*ret += s->table.rows[i].bytes;
}

int store_stats(struct store *s, struct store_stats *ret, struct err *err)
{
	struct pack_set pinned = { 0 };
	int r = index_totals(s->ix, ret, err);
	if (r == 0)
		r = pins_collect(s, &pinned, err);
	if (r == 0)
		count_pinned(s, &pinned, &ret->pinned_bytes);
	pack_set_done(&pinned);
	return r;
}
