#include "common/store/pack_table.h"

#include "common/base/file.h"
#include "common/store/index_snapshot.h"
#include "common/store/pack.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void pack_table_done(struct pack_table *t)
{
	free(t->rows);
	*t = (struct pack_table){ 0 };
}

/* The place of the first row whose number is not below this one. */
static size_t place_of(const struct pack_table *t, uint32_t number)
{
	size_t low = 0, high = t->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->rows[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct pack_row *pack_table_find(const struct pack_table *t, uint32_t number)
{
	size_t at = place_of(t, number);
	return at < t->n && t->rows[at].number == number ? &t->rows[at] : NULL;
}

int pack_table_add(struct pack_table *t, uint32_t number, uint64_t now_ms, struct err *err)
{
	size_t at = place_of(t, number);
	if (at < t->n && t->rows[at].number == number)
		return 0;
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct pack_row *grown = reallocarray(t->rows, cap, sizeof *grown);
		if (!grown)
			return err_nomem(err);
		t->rows = grown;
		t->cap = cap;
	}
	memmove(t->rows + at + 1, t->rows + at, (t->n - at) * sizeof *t->rows);
	t->rows[at] = (struct pack_row){
		.number = number, .used = now_ms, .held = t->hold_new, .changed = true
	};
	t->n++;
	return 0;
}

void pack_table_remove(struct pack_table *t, uint32_t number)
{
	struct pack_row *row = pack_table_find(t, number);
	if (!row)
		return;
	t->bytes -= row->bytes;
	t->n--;
	memmove(row, row + 1, (size_t)(t->rows + t->n - row) * sizeof *row);
}

void pack_table_set_bytes(struct pack_table *t, uint32_t number, uint64_t bytes)
{
	struct pack_row *row = pack_table_find(t, number);
	if (!row)
		return;
	t->bytes = t->bytes - row->bytes + bytes;
	row->bytes = bytes;
}

void pack_table_use(struct pack_table *t, uint32_t number, uint64_t now_ms)
{
	struct pack_row *row = pack_table_find(t, number);
	if (!row || now_ms <= row->used)
		return;
	row->changed = true;
	row->used = now_ms;
}

void pack_table_hold(struct pack_table *t, uint32_t number, bool held)
{
	struct pack_row *row = pack_table_find(t, number);
	if (!row || row->held == held)
		return;
	row->changed = true;
	row->held = held;
}

static uint64_t written_ms(const char *packs_dir, uint32_t number, uint64_t now_ms)
{
	char *path CLEANUP(cleanup_free) = pack_path(packs_dir, number);
	struct stat st;
	if (!path || stat(path, &st) != 0 || st.st_mtim.tv_sec < 0)
		return now_ms;
	return (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
}

int pack_table_load(struct pack_table *t, const char *packs_dir, struct index *ix, uint64_t now_ms,
	struct err *err)
{
	struct index_pack *known CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	if (index_packs(ix, &known, &n, err) != 0)
		return -1;
	t->n = 0;
	t->bytes = 0;
	if (index_in_doubt(ix, &t->hold_new, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t used = known[i].used ? known[i].used
					      : written_ms(packs_dir, known[i].number, now_ms);
		/* A clock that was set back must not keep a pack for ever. */
		if (pack_table_add(t, known[i].number, min_u64(used, now_ms), err) != 0)
			return -1;
		t->rows[t->n - 1].changed = known[i].used == 0 || used > now_ms;
		t->rows[t->n - 1].held = known[i].held;
		pack_table_set_bytes(t, known[i].number, known[i].length);
	}
	return 0;
}

int pack_table_write(struct pack_table *t, struct index *ix, struct err *err)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!t->rows[i].changed)
			continue;
		if (index_use_pack(ix, t->rows[i].number, t->rows[i].used, t->rows[i].held, err) !=
			0)
			return -1;
		t->rows[i].changed = false;
	}
	return 0;
}

void pack_table_lost(struct pack_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->rows[i].changed = true;
}
