/*
 * What is asked of a store and put into it. Happy path: a record is appended to the current pack,
 * its rows are added, store_sync makes both durable in that order and lets the job's pins follow.
 * Failure modes: a disk that is full for the pack, for the index or below the floor (cut back, and
 * usable again once there is room), rows that SQLite threw away (made again from the pack), and a
 * failed fdatasync, after which nothing is written any more.
 */
#include "common/store/catalogue.h"
#include "common/store/index_snapshot.h"
#include "common/store/replay.h"
#include "common/store/store_impl.h"

#include <string.h>
#include <time.h>

/* Packs of a cache that is filled to its limit, about, where that makes them not too small. */
#define PACKS_OF_A_CACHE 16u
#define PACK_SIZE_MIN (UINT64_C(4) << 20)

uint64_t store_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- questions --- */

int store_find(struct store *s, const struct digest *name, struct store_pin *pin,
	struct store_place *ret, bool *ret_found, struct err *err)
{
	if (index_find(s->ix, name, ret, ret_found, err) != 0)
		return -1;
	return *ret_found ? pin_add(s, pin, ret->pack, err) : 0;
}

int store_has_short(
	struct store *s, uint64_t short_name, struct store_pin *pin, bool *ret, struct err *err)
{
	uint32_t pack = 0;
	if (index_has_short(s->ix, short_name, ret, pin ? &pack : NULL, err) != 0)
		return -1;
	return *ret && pin ? pin_add(s, pin, pack, err) : 0;
}

int store_read(struct store *s, const struct digest *name, struct store_place *ret_at,
	const uint8_t **ret, bool *ret_found, struct err *err)
{
	struct err why = { 0 };
	uint64_t dropped;
	bool found;
	if (index_find(s->ix, name, ret_at, &found, err) != 0)
		return -1;
	*ret_found = found && store_reader_chunk(s->reader, name, ret_at, ret, &why) == 0;
	if (!found || *ret_found)
		return 0;
	if (why.code != ERR_CORRUPT)
		return err_set(err, why.code, "%s", why.text);
	return store_drop_damaged(s, ret_at, &dropped, err);
}

/* --- writing --- */

/* After a failed fdatasync the kernel has dropped pages that it calls written, so that a second
 * fdatasync would succeed over a hole. What was not durable is thrown away, here and in the index,
 * and nothing is written until the store is opened again. */
static int sync_pack(struct store *s, struct err *err)
{
	if (!s->pack.path)
		return 0;
	if (pack_sync(&s->pack, s->packs_dir, err) == 0) {
		s->synced_end = s->pack.end;
		return 0;
	}
	s->broken = true;
	s->unsynced = 0;
	index_rollback(s->ix);
	pins_lost(s);
	pack_table_lost(&s->table);
	memset(s->complete, 0, sizeof s->complete);
	struct err ignored; /* a tail that stays is looked at by the next opening */
	(void)!pack_cut(&s->pack, s->synced_end, &ignored);
	pack_table_set_bytes(&s->table, s->pack.number, s->pack.end);
	return -1;
}

/* Called before anything is written: a checkpoint that moves over lost rows would hide them. */
static int make_ready(struct store *s, struct err *err)
{
	if (s->broken)
		return err_set(err, ERR_IO,
			"%s: an earlier write could not be made durable; open the store again",
			s->dir);
	if (!s->behind)
		return 0;
	index_set_replaying(s->ix, true);
	int r = replay_catch_up(s->packs_dir, s->ix, s->pack.path ? &s->pack : NULL, err);
	index_set_replaying(s->ix, false);
	if (r != 0)
		return -1;
	s->behind = false;
	return store_reload(s, err);
}

void store_rows_lost(struct store *s)
{
	if (index_pending(s->ix))
		return;
	s->behind = true;
	pins_lost(s);
	pack_table_lost(&s->table);
}

/* A small cache is kept in small packs, for they are what is given up. */
static uint64_t pack_max(const struct store *s)
{
	uint64_t part = s->limits.cache_max / PACKS_OF_A_CACHE;
	return part < PACK_SIZE_MIN ? PACK_SIZE_MIN : min_u64(part, PACK_SIZE_MAX);
}

static int need_pack(struct store *s, struct err *err)
{
	if (s->pack.path && s->pack.end >= pack_max(s)) {
		if (sync_pack(s, err) != 0)
			return -1;
		pack_close(&s->pack);
	}
	if (s->pack.path)
		return 0;
	if (pack_create(s->packs_dir, s->next_number, &s->pack, err) != 0)
		return -1;
	s->next_number++;
	s->synced_end = s->pack.end;
	return 0;
}

/* Up to the first that is not known, but all of them if `all`. */
static int look_up(struct store *s, const struct segment *seg, struct store_pin *pin, bool all,
	bool *ret, struct err *err)
{
	struct store_place at;
	bool known = true;
	for (uint32_t i = 0; (known || all) && i < seg->n_rows; i++)
		if (store_find(s, &seg->rows[i].name, pin, &at, &known, err) != 0)
			return -1;
	*ret = known;
	return 0;
}

static int append(struct store *s, const struct segment *seg, const uint8_t *record,
	const uint8_t *raw, struct err *err)
{
	/* Making room can lose rows, too, and find that a sync fails. */
	if (evict_make_room(s, seg->record_len, err) != 0 || make_ready(s, err) != 0 ||
		need_pack(s, err) != 0 ||
		pack_table_add(&s->table, s->pack.number, store_now_ms(), err) != 0 ||
		pack_append(&s->pack, record, seg->record_len, err) != 0)
		return -1;
	uint64_t at = s->pack.end - seg->record_len;
	if (catalogue_add(s->ix, s->pack.number, at, seg, raw, err) != 0) {
		store_rows_lost(s);
		struct err ignored; /* the first error is the one to tell */
		(void)!pack_cut(&s->pack, at, &ignored);
		return -1;
	}
	pack_table_set_bytes(&s->table, s->pack.number, s->pack.end);
	pack_table_use(&s->table, s->pack.number, store_now_ms());
	s->unsynced += seg->record_len;
	s->room -= min_u64(s->room, seg->record_len);
	return 0;
}

int store_put_record(struct store *s, const struct segment *seg, const uint8_t *record,
	const uint8_t *raw, bool always, struct store_pin *pin, struct err *err)
{
	bool known = false;
	if (make_ready(s, err) != 0 || (!always && look_up(s, seg, pin, false, &known, err) != 0))
		return -1;
	if (known)
		return 0;
	if (append(s, seg, record, raw, err) != 0)
		return -1;
	if (!pin)
		return 0;
	pin->new_bytes += seg->record_len;
	if (index_known_rows(s->ix) > 0)
		return look_up(s, seg, pin, true, &known, err);
	return pin_add(s, pin, s->pack.number, err);
}

int store_put(struct store *s, const struct segment *seg, const uint8_t *record,
	struct store_pin *pin, struct err *err)
{
	/* Replay believes blob records and manifests, so only this program's own get in. */
	if (catalogue_wants_raw(seg))
		return err_set(err, ERR_PROTOCOL,
			"the segment holds a blob record or a manifest, which only the store "
			"makes");
	return store_put_record(s, seg, record, NULL, false, pin, err);
}

uint64_t store_unsynced(const struct store *s)
{
	return s->unsynced;
}

int store_commit(struct store *s, struct err *err)
{
	if (make_ready(s, err) != 0)
		return -1;
	if (s->unsynced > 0 && sync_pack(s, err) != 0)
		return -1;
	if (pack_table_write(&s->table, s->ix, err) != 0 || pins_write(s, err) != 0 ||
		index_commit(s->ix, err) != 0) {
		store_rows_lost(s);
		return -1;
	}
	s->unsynced = 0;
	pins_committed(s);
	return 0;
}

int store_sync(struct store *s, struct err *err)
{
	if (store_commit(s, err) != 0)
		return -1;
	struct err ignored; /* what was put is durable; the next sync tries again to shrink */
	(void)!evict_to_limit(s, &ignored);
	return 0;
}
