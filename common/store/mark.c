#include "common/store/mark.h"

#include "common/store/index_snapshot.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>

struct place {
	uint64_t segment;
	uint32_t first; /* the number of its first row's bit */
	uint32_t live;	/* raw bytes of what is needed */
};

struct mark {
	struct store *s;
	struct place *places; /* by segment */
	size_t n, cap;
	uint64_t rows;
	/* A bit a row: needed; one of chunks that lacks some; a list that was looked at, by depth:
	 * whoever sends chunks can make one list be of two depths. */
	uint8_t *live, *lacks, *walked[NEED_DEPTH_MAX + 1];
	uint64_t missing, missing_lists;
	struct need_root *todo;
	size_t n_todo, cap_todo;
	struct digest names[LIST_NAMES_MAX]; /* of the list at hand */
};

struct mark *mark_new(struct store *s, struct err *err)
{
	struct mark *m = calloc(1, sizeof *m);
	if (!m) {
		err_nomem(err);
		return NULL;
	}
	m->s = s;
	return m;
}

void mark_free(struct mark *m)
{
	if (!m)
		return;
	free(m->places);
	free(m->live);
	for (size_t i = 0; i <= NEED_DEPTH_MAX; i++)
		free(m->walked[i]);
	free(m->lacks);
	free(m->todo);
	free(m);
}

/* --- the table --- */

static int make_bits(struct mark *m, struct err *err)
{
	size_t bytes = (size_t)(m->rows / 8 + 1);
	m->live = calloc(1, bytes);
	m->lacks = calloc(1, bytes);
	bool made = m->live && m->lacks;
	for (size_t i = 0; made && i <= NEED_DEPTH_MAX; i++)
		made = (m->walked[i] = calloc(1, bytes)) != NULL;
	return made ? 0 : err_nomem(err);
}

static int add_place(struct mark *m, const struct index_segment *seg, struct err *err)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : INDEX_SEGMENTS_AT_ONCE;
		struct place *grown = reallocarray(m->places, cap, sizeof *grown);
		if (!grown)
			return err_nomem(err);
		m->places = grown;
		m->cap = cap;
	}
	if (m->rows > UINT32_MAX - SEGMENT_CHUNKS_MAX || seg->chunks > SEGMENT_CHUNKS_MAX)
		return err_set(err, ERR_LIMIT, "%s has too many chunks to prune", m->s->dir);
	m->places[m->n++] = (struct place){ .segment = seg->id, .first = (uint32_t)m->rows };
	m->rows += seg->chunks;
	return 0;
}

int mark_read_table(struct mark *m, bool *ret_done, struct err *err)
{
	struct index_segment *some CLEANUP(cleanup_free) = calloc(
		INDEX_SEGMENTS_AT_ONCE, sizeof *some);
	size_t n = 0;
	if (!some)
		return err_nomem(err);
	if (index_segments(m->s->ix, m->n ? m->places[m->n - 1].segment : 0, some, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (add_place(m, &some[i], err) != 0)
			return -1;
	*ret_done = n == 0;
	return n == 0 ? make_bits(m, err) : 0;
}

static struct place *find(const struct mark *m, uint64_t segment)
{
	size_t low = 0, high = m->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->places[middle].segment < segment)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->n && m->places[low].segment == segment ? &m->places[low] : NULL;
}

static bool get(const uint8_t *bits, uint64_t at)
{
	return bits[at / 8] >> (at % 8) & 1;
}

static void set(uint8_t *bits, uint64_t at)
{
	bits[at / 8] = (uint8_t)(bits[at / 8] | 1u << (at % 8));
}

/* --- marking --- */

#define NO_BIT UINT64_MAX /* of a chunk that came later */

/* Marks the chunk. *ret_bit: its number; *ret_found: it is there. */
static int mark_name(struct mark *m, const struct digest *name, uint64_t *ret_bit, bool *ret_found,
	struct err *err)
{
	struct index_mark at;
	*ret_bit = NO_BIT;
	if (index_mark(m->s->ix, name, &at, ret_found, err) != 0)
		return -1;
	struct place *p = *ret_found ? find(m, at.segment) : NULL;
	if (!p)
		return 0;
	*ret_bit = (uint64_t)p->first + at.row;
	if (*ret_bit >= m->rows)
		return err_set(err, ERR_CORRUPT,
			"the index of %s has a chunk in no row; run "
			"drayd check --rebuild-index",
			m->s->dir);
	if (!get(m->live, *ret_bit)) {
		set(m->live, *ret_bit);
		p->live += at.len;
	}
	return 0;
}

int mark_add_chunk(struct mark *m, const struct digest *name, struct err *err)
{
	uint64_t bit;
	bool found;
	if (mark_name(m, name, &bit, &found, err) != 0)
		return -1;
	m->missing += !found;
	return 0;
}

int mark_add_root(struct mark *m, const struct need_root *root, struct err *err)
{
	if (root->depth > NEED_DEPTH_MAX)
		return err_set(
			err, ERR_CORRUPT, "the index of %s has a list that is too deep", m->s->dir);
	if (m->n_todo == m->cap_todo) {
		size_t cap = m->cap_todo ? m->cap_todo * 2 : 1024;
		struct need_root *grown = reallocarray(m->todo, cap, sizeof *grown);
		if (!grown)
			return err_nomem(err);
		m->todo = grown;
		m->cap_todo = cap;
	}
	m->todo[m->n_todo++] = *root;
	return 0;
}

/* Copies the list's names, for what comes next invalidates them. */
static int read_names(
	struct mark *m, const struct digest *list, size_t *ret_n, bool *ret_found, struct err *err)
{
	const uint8_t *bytes;
	struct store_place at;
	if (store_read(m->s, list, &at, &bytes, ret_found, err) != 0)
		return -1;
	*ret_found = *ret_found && at.len > 0 && at.len <= sizeof m->names &&
		     at.len % DIGEST_LEN == 0;
	if (!*ret_found)
		return 0;
	memcpy(m->names, bytes, at.len);
	*ret_n = at.len / DIGEST_LEN;
	return 0;
}

/* The chunks that the list at hand names. */
static int mark_chunks(struct mark *m, size_t n, uint64_t list_bit, struct err *err)
{
	uint64_t before = m->missing;
	for (size_t i = 0; i < n; i++)
		if (mark_add_chunk(m, &m->names[i], err) != 0)
			return -1;
	if (m->missing > before && list_bit != NO_BIT)
		set(m->lacks, list_bit);
	return 0;
}

static int add_lists(struct mark *m, size_t n, uint32_t depth, struct err *err)
{
	for (size_t i = n; i > 0; i--) {
		struct need_root below = { .list = m->names[i - 1], .depth = depth };
		if (mark_add_root(m, &below, err) != 0)
			return -1;
	}
	return 0;
}

int mark_piece(struct mark *m, bool *ret_idle, struct err *err)
{
	uint64_t bit;
	size_t n = 0;
	bool found;
	*ret_idle = m->n_todo == 0;
	if (*ret_idle)
		return 0;
	const struct need_root at = m->todo[--m->n_todo];
	uint8_t *walked = m->walked[at.depth];
	if (mark_name(m, &at.list, &bit, &found, err) != 0)
		return -1;
	if (found && bit != NO_BIT && get(walked, bit))
		return 0;
	if (found && read_names(m, &at.list, &n, &found, err) != 0)
		return -1;
	if (!found) {
		m->missing_lists++;
		return 0;
	}
	if (bit != NO_BIT)
		set(walked, bit);
	return at.depth == 0 ? mark_chunks(m, n, bit, err) : add_lists(m, n, at.depth - 1, err);
}

/* --- answers --- */

uint64_t mark_missing(const struct mark *m)
{
	return m->missing + m->missing_lists;
}

uint64_t mark_missing_lists(const struct mark *m)
{
	return m->missing_lists;
}

/* A list of chunks was looked at before, and its bit says what it lacks. */
static int list_lacks(struct mark *m, const struct need_root *at, bool *ret, struct err *err)
{
	uint64_t bit;
	size_t n = 0;
	bool found;
	if (mark_name(m, &at->list, &bit, &found, err) != 0)
		return -1;
	bool known = found && at->depth == 0 && bit != NO_BIT && get(m->walked[0], bit);
	if (known) {
		*ret = get(m->lacks, bit);
		return 0;
	}
	if (found && read_names(m, &at->list, &n, &found, err) != 0)
		return -1;
	*ret = !found;
	if (!found || at->depth > 0)
		return found ? add_lists(m, n, at->depth - 1, err) : 0;
	uint64_t before = m->missing;
	if (mark_chunks(m, n, bit, err) != 0)
		return -1;
	*ret = m->missing > before;
	return 0;
}

int mark_root_lacks(struct mark *m, const struct need_root *root, bool *ret, struct err *err)
{
	*ret = false;
	m->n_todo = 0;
	if (mark_add_root(m, root, err) != 0)
		return -1;
	while (!*ret && m->n_todo > 0) {
		const struct need_root at = m->todo[--m->n_todo];
		if (list_lacks(m, &at, ret, err) != 0)
			return -1;
	}
	m->n_todo = 0;
	return 0;
}

uint32_t mark_live(const struct mark *m, uint64_t segment, bool *ret_known)
{
	const struct place *p = find(m, segment);
	*ret_known = p != NULL;
	return p ? p->live : 0;
}

bool mark_row(const struct mark *m, uint64_t segment, uint32_t row)
{
	const struct place *p = find(m, segment);
	return p && (uint64_t)p->first + row < m->rows && get(m->live, (uint64_t)p->first + row);
}
