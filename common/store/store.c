#include "common/base/file.h"
#include "common/store/catalogue.h"
#include "common/store/replay.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- opening --- */

static int make_dirs(struct store *s, struct err *err)
{
	char *parent CLEANUP(cleanup_free) = file_join(s->dir, "..");
	if (!parent)
		return err_nomem(err);
	if (file_make_dir(s->dir, 0700, err) != 0 || file_make_dir(s->packs_dir, 0700, err) != 0)
		return -1;
	return file_sync_dir(s->dir, err) != 0 || file_sync_dir(parent, err) != 0 ? -1 : 0;
}

static int take_lock(struct store *s, struct err *err)
{
	char *path CLEANUP(cleanup_free) = file_join(s->dir, "lock");
	if (!path)
		return err_nomem(err);
	return file_lock(path, &s->lock, err);
}

/* Opens the index and brings it up to the packs. *ret_again: the index was of no use and is
 * deleted. */
static int try_index(struct store *s, bool *ret_again, struct err *err)
{
	bool ahead = false;
	if (index_open(s->index_path, &s->ix, err) != 0)
		return -1;
	int r = replay_at_open(s->packs_dir, s->ix, &ahead, err);
	if (r == 0 && !ahead)
		return 0;
	*ret_again = ahead || index_damaged(s->ix);
	index_close(s->ix);
	s->ix = NULL;
	if (ahead && index_remove(s->index_path, err) != 0)
		return -1;
	return -1;
}

static int open_index(struct store *s, struct err *err)
{
	bool again = false;
	struct err why = { 0 };
	if (try_index(s, &again, &why) == 0)
		return 0;
	if (!again)
		return err_set(err, why.code, "%s", why.text);
	why = (struct err){ .code = ERR_CORRUPT };
	if (try_index(s, &again, &why) == 0)
		return 0;
	err_set(err, why.code, "%s", why.text);
	return err_wrap(err, "cannot make %s anew", s->index_path);
}

static int look_for_damage(struct store *s, struct err *err)
{
	struct store_stats stats;
	if (index_totals(s->ix, &stats, err) != 0)
		return -1;
	s->damaged = stats.damaged > 0;
	return 0;
}

/* Appending goes on in the last pack while it has room. */
static int open_last_pack(struct store *s, struct err *err)
{
	uint32_t *numbers CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	if (pack_list(s->packs_dir, &numbers, &n, err) != 0)
		return -1;
	s->next_number = 1;
	if (n == 0)
		return 0;
	s->next_number = numbers[n - 1] + 1;
	if (pack_open(s->packs_dir, numbers[n - 1], &s->pack, err) != 0)
		return -1;
	s->synced_end = s->pack.end;
	if (s->pack.end >= PACK_SIZE_MAX)
		pack_close(&s->pack);
	return 0;
}

int store_open(const char *dir, struct store **ret, struct err *err)
{
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		return err_nomem(err);
	s->lock = -1;
	s->dir = strdup(dir);
	s->packs_dir = file_join(dir, "packs");
	s->index_path = file_join(dir, "index.db");
	if (!s->dir || !s->packs_dir || !s->index_path) {
		store_close(s);
		return err_nomem(err);
	}
	if (make_dirs(s, err) != 0 || take_lock(s, err) != 0 || open_index(s, err) != 0 ||
		look_for_damage(s, err) != 0 || open_last_pack(s, err) != 0 ||
		!(s->reader = store_reader_new(dir, err))) {
		store_close(s);
		return err_wrap(err, "store %s", dir);
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_reader_free(s->reader);
	pack_close(&s->pack);
	index_close(s->ix);
	if (s->lock >= 0)
		close(s->lock);
	free(s->dir);
	free(s->packs_dir);
	free(s->index_path);
	free(s);
}

/* --- questions --- */

int store_find(struct store *s, const struct digest *name, struct store_place *ret, bool *ret_found,
	struct err *err)
{
	return index_find(s->ix, name, ret, ret_found, err);
}

int store_has_short(struct store *s, uint64_t short_name, bool *ret, struct err *err)
{
	return index_has_short(s->ix, short_name, ret, err);
}

int store_stats(struct store *s, struct store_stats *ret, struct err *err)
{
	return index_totals(s->ix, ret, err);
}

int store_read(struct store *s, const struct digest *name, const uint8_t **ret, size_t *ret_len,
	bool *ret_found, struct err *err)
{
	struct store_place at;
	bool found;
	if (index_find(s->ix, name, &at, &found, err) != 0)
		return -1;
	if (found && store_reader_chunk(s->reader, name, &at, ret, err) != 0)
		return -1;
	if (found)
		*ret_len = at.len;
	*ret_found = found;
	return 0;
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
	memset(s->complete, 0, sizeof s->complete);
	struct err ignored; /* a tail that stays is looked at by the next opening */
	(void)!pack_cut(&s->pack, s->synced_end, &ignored);
	return -1;
}

/* Called before anything is written. */
static int make_ready(struct store *s, struct err *err)
{
	if (s->broken)
		return err_set(err, ERR_IO,
			"%s: an earlier write could not be made durable; open the store again",
			s->dir);
	if (!s->behind)
		return 0;
	if (replay_catch_up(s->packs_dir, s->ix, s->pack.path ? &s->pack : NULL, err) != 0)
		return -1;
	s->behind = false;
	return 0;
}

static int need_pack(struct store *s, struct err *err)
{
	if (s->pack.path && s->pack.end >= PACK_SIZE_MAX) {
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

static int all_known(struct store *s, const struct segment *seg, bool *ret, struct err *err)
{
	struct store_place at;
	bool known = true;
	for (uint32_t i = 0; known && i < seg->n_rows; i++)
		if (index_find(s->ix, &seg->rows[i].name, &at, &known, err) != 0)
			return -1;
	*ret = known;
	return 0;
}

int store_put_record(struct store *s, const struct segment *seg, const uint8_t *record,
	const uint8_t *raw, bool always, struct err *err)
{
	bool known = false;
	if (make_ready(s, err) != 0 || (!always && all_known(s, seg, &known, err) != 0))
		return -1;
	if (known)
		return 0;
	if (need_pack(s, err) != 0 || pack_append(&s->pack, record, seg->record_len, err) != 0)
		return -1;
	uint64_t at = s->pack.end - seg->record_len;
	if (catalogue_add(s->ix, s->pack.number, at, seg, raw, err) != 0) {
		s->behind = !index_pending(s->ix);
		struct err ignored; /* the first error is the one to tell */
		(void)!pack_cut(&s->pack, at, &ignored);
		return -1;
	}
	s->unsynced += seg->record_len;
	return 0;
}

int store_put(struct store *s, const struct segment *seg, const uint8_t *record, struct err *err)
{
	/* Replay believes blob records and manifests, so only this program's own get in. */
	if (catalogue_wants_raw(seg))
		return err_set(err, ERR_PROTOCOL,
			"the segment holds a blob record or a manifest, which only the store "
			"makes");
	return store_put_record(s, seg, record, NULL, false, err);
}

uint64_t store_unsynced(const struct store *s)
{
	return s->unsynced;
}

int store_sync(struct store *s, struct err *err)
{
	if (make_ready(s, err) != 0)
		return -1;
	if (s->unsynced > 0 && sync_pack(s, err) != 0)
		return -1;
	if (index_commit(s->ix, err) != 0) {
		s->behind = !index_pending(s->ix);
		return -1;
	}
	s->unsynced = 0;
	return 0;
}
