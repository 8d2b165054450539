/* Opening and closing a store. */
#include "common/base/file.h"
#include "common/store/index_snapshot.h"
#include "common/store/replay.h"
#include "common/store/store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	index_set_replaying(s->ix, true);
	int r = replay_at_open(s->packs_dir, s->ix, &ahead, err);
	index_set_replaying(s->ix, false);
	if (r == 0 && !ahead)
		return 0;
	*ret_again = ahead || index_damaged(s->ix);
	index_close(s->ix);
	s->ix = NULL;
	if (ahead && index_remove(s->index_path, err) != 0)
		return -1;
	return -1;
}

int store_open_index(struct store *s, struct err *err)
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

/* Pins that a full disk does not let us age are aged by the next opening. */
static int age_pins(struct store *s, struct err *err)
{
	struct err why;
	if (pins_age(s->ix, &why) == 0 && index_commit(s->ix, &why) == 0)
		return 0;
	index_rollback(s->ix);
	return why.code == ERR_FULL ? 0 : err_set(err, why.code, "%s", why.text);
}

int store_reload(struct store *s, struct err *err)
{
	memset(s->complete, 0, sizeof s->complete);
	pins_lost(s);
	if (pack_table_load(&s->table, s->packs_dir, s->ix, store_now_ms(), err) != 0)
		return -1;
	if (!s->pack.path)
		return 0;
	if (pack_table_add(&s->table, s->pack.number, store_now_ms(), err) != 0)
		return -1;
	pack_table_set_bytes(&s->table, s->pack.number, s->pack.end);
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
		return store_reload(s, err);
	s->next_number = numbers[n - 1] + 1;
	if (pack_open(s->packs_dir, numbers[n - 1], &s->pack, err) != 0)
		return -1;
	s->synced_end = s->pack.end;
	if (store_reload(s, err) != 0)
		return -1;
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
	s->limits = (struct store_limits){ .cache_max = UINT64_MAX };
	s->dir = strdup(dir);
	s->packs_dir = file_join(dir, "packs");
	s->index_path = file_join(dir, "index.db");
	if (!s->dir || !s->packs_dir || !s->index_path) {
		store_close(s);
		return err_nomem(err);
	}
	if (make_dirs(s, err) != 0 || take_lock(s, err) != 0 ||
		pack_drop_unsettled(s->packs_dir, err) != 0 || store_open_index(s, err) != 0 ||
		age_pins(s, err) != 0 || open_last_pack(s, err) != 0 ||
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
	pins_free(s);
	pack_table_done(&s->table);
	pack_close(&s->pack);
	index_close(s->ix);
	if (s->lock >= 0)
		close(s->lock);
	free(s->dir);
	free(s->packs_dir);
	free(s->index_path);
	free(s);
}

bool store_broken(const struct store *s)
{
	return s->broken;
}

bool store_in_use(const struct store *s)
{
	for (const struct store_pin *pin = s->pins; pin; pin = pin->next)
		if (pin->users > 0 || !s->broken)
			return true;
	return s->checks > 0 || s->prune || s->unsynced > 0;
}

/* --- without opening --- */

static int measure_pack(
	const char *packs_dir, uint32_t number, uint64_t *bytes, uint64_t *oldest, struct err *err)
{
	char *path CLEANUP(cleanup_free) = pack_path(packs_dir, number);
	struct stat st;
	if (!path)
		return err_nomem(err);
	if (stat(path, &st) != 0)
		return err_errno(err, errno, "cannot look at %s", path);
	*bytes += (uint64_t)st.st_size;
	if (st.st_mtim.tv_sec >= 0)
		*oldest = min_u64(*oldest, (uint64_t)st.st_mtim.tv_sec * 1000);
	return 0;
}

int store_measure(const char *dir, uint64_t *ret_bytes, uint64_t *ret_oldest_ms, struct err *err)
{
	char *packs_dir CLEANUP(cleanup_free) = file_join(dir, "packs");
	uint32_t *numbers CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	if (!packs_dir)
		return err_nomem(err);
	*ret_bytes = 0;
	*ret_oldest_ms = store_now_ms();
	if (access(packs_dir, F_OK) != 0 && errno == ENOENT)
		return 0;
	if (pack_list(packs_dir, &numbers, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (measure_pack(packs_dir, numbers[i], ret_bytes, ret_oldest_ms, err) != 0)
			return -1;
	return 0;
}
