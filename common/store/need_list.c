/*
 * Owns the lists that are being filled, one a level. Happy path: a name goes to the lowest level;
 * a level that is full becomes a list chunk, put unless the store has it, whose name goes to the
 * next level; at the end what is left becomes lists until one is above all. Failure modes: those of
 * putting.
 */
#include "common/store/need_list.h"

#include "common/store/snapshot.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>

#define RECENT_MAX 4096u /* names that are not put down twice, if they come soon after */
#define WAITING_MAX 512u /* lists that wait for a record */

struct level {
	struct digest names[LIST_NAMES_MAX];
	size_t n;
	uint64_t lists; /* that it gave */
};

struct need_writer {
	struct store *s;
	struct store_pin *pin;
	struct digest recent[RECENT_MAX];
	bool used[RECENT_MAX];
	struct store_chunk waiting[WAITING_MAX];
	size_t n_waiting, bytes;
	uint8_t *pool; /* SEGMENT_RAW_MAX: their bytes */
	struct level levels[NEED_DEPTH_MAX + 1];
};

struct need_writer *need_writer_new(struct store *s, struct store_pin *pin)
{
	struct need_writer *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->pool = malloc(SEGMENT_RAW_MAX);
	if (!w->pool) {
		free(w);
		return NULL;
	}
	w->s = s;
	w->pin = pin;
	return w;
}

void need_writer_free(struct need_writer *w)
{
	if (!w)
		return;
	free(w->pool);
	free(w);
}

static int flush(struct need_writer *w, struct err *err)
{
	size_t n = w->n_waiting;
	w->n_waiting = w->bytes = 0;
	return n == 0 ? 0 : store_put_own(w->s, w->waiting, n, w->pin, err);
}

/* A list that the store has is not written again beside one that it has not. */
static int put_list(struct need_writer *w, const struct digest *name, const void *bytes, size_t len,
	struct err *err)
{
	struct store_place at;
	bool found;
	if (store_find(w->s, name, w->pin, &at, &found, err) != 0)
		return -1;
	if (found)
		return 0;
	if ((w->n_waiting == WAITING_MAX || len > SEGMENT_RAW_MAX - w->bytes) && flush(w, err) != 0)
		return -1;
	memcpy(w->pool + w->bytes, bytes, len);
	w->waiting[w->n_waiting++] = (struct store_chunk){ *name, CHUNK_LIST, w->pool + w->bytes,
		len };
	w->bytes += len;
	return 0;
}

/* *ret: its name. */
static int end_list(struct need_writer *w, size_t level, struct digest *ret, struct err *err)
{
	struct level *l = &w->levels[level];
	*ret = digest_of(l->names, l->n * DIGEST_LEN);
	if (put_list(w, ret, l->names, l->n * DIGEST_LEN, err) != 0)
		return -1;
	l->n = 0;
	l->lists++;
	return 0;
}

static bool is_full(const struct level *l)
{
	return l->n == LIST_NAMES_MAX ||
	       (l->n >= NEED_LIST_MIN &&
		       (l->names[l->n - 1].bytes[DIGEST_LEN - 1] & NEED_LIST_CUT) == 0);
}

static int add(struct need_writer *w, size_t level, struct digest name, struct err *err)
{
	for (;; level++) {
		struct level *l = &w->levels[level];
		l->names[l->n++] = name;
		if (!is_full(l))
			return 0;
		if (level == NEED_DEPTH_MAX)
			return err_set(err, ERR_LIMIT, "the blob needs too many chunks");
		if (end_list(w, level, &name, err) != 0)
			return -1;
	}
}

int need_writer_add(struct need_writer *w, const struct digest *name, struct err *err)
{
	size_t i = (size_t)(digest_short(name) % RECENT_MAX);
	if (w->used[i] && digest_equal(&w->recent[i], name))
		return 0;
	w->used[i] = true;
	w->recent[i] = *name;
	return add(w, 0, *name, err);
}

int need_writer_end(struct need_writer *w, struct need_root *ret, struct err *err)
{
	struct digest last = { 0 };
	for (size_t level = 0; level <= NEED_DEPTH_MAX; level++) {
		struct level *l = &w->levels[level];
		bool had = l->n > 0;
		if (had && end_list(w, level, &last, err) != 0)
			return -1;
		if (l->lists == 1) {
			/* Its only list may have been full, and is then a name of the next level.
			 */
			ret->list = had ? last : w->levels[level + 1].names[0];
			ret->depth = (uint32_t)level;
			return flush(w, err);
		}
		if (level == NEED_DEPTH_MAX)
			break;
		if (had && add(w, level + 1, last, err) != 0)
			return -1;
	}
	return err_set(err, ERR_LIMIT, "the blob needs too many chunks");
}
