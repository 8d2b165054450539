/*
 * Owns one check. Happy path: pack by pack (head, length, each record's place, head and, if asked,
 * bytes; gaps; as many chunks as the index says), then blob by blob (record, lists, recipe chunks
 * and what they name). Between two steps anything may happen to the store: the rest of a pack that
 * was given up is passed over, one in which something was taken out is begun again. Failure modes:
 * damage, which is said and taken out of the index; an index that does not fit its packs, which is
 * made anew.
 */
#include "common/store/check_impl.h"

#include <stdlib.h>
#include <string.h>

#define STEP_MS 50u

/* --- one pack --- */

static void leave_pack(struct store_check *c)
{
	free(c->records);
	c->records = NULL;
	c->n_records = c->record = 0;
	c->in_pack = false;
}

static int check_file(struct store_check *c, const struct index_pack *row, struct err *err)
{
	struct pack p CLEANUP(pack_close) = { 0 };
	struct err why = { 0 };
	bool good = false;
	if (pack_open(c->s->packs_dir, row->number, &p, err) != 0)
		return -1;
	/* A later version would not be in the index. */
	if (pack_check_head(&p, &good, &why) != 0 && why.code != ERR_FAILED)
		return err_set(err, why.code, "%s", why.text);
	if (!good) {
		store_tell(
			c->s, "pack %08u: its head is damaged; it is written again", row->number);
		if (pack_mend_head(&p, err) != 0 || pack_sync(&p, c->s->packs_dir, err) != 0)
			return -1;
	}
	bool written = c->s->pack.path && c->s->pack.number == row->number;
	if (written || p.end <= row->length)
		return 0;
	store_tell(c->s, "pack %08u: %llu bytes behind its last record are none", row->number,
		store_number(p.end - row->length));
	return index_note_pack(c->s->ix, row->number, p.end, 1, err);
}

/* *ret_gone: there is nothing to look at. */
static int begin_pack(struct store_check *c, bool *ret_gone, struct err *err)
{
	uint32_t pack = c->packs[c->at].number;
	struct index_pack row;
	uint64_t chunks;
	bool known;
	*ret_gone = true;
	c->before = c->report;
	if (store_fit_pack(c->s, pack, err) != 0 ||
		index_find_pack(c->s->ix, pack, &row, &chunks, &known, err) != 0)
		return -1;
	if (!known)
		return 0;
	if (check_file(c, &row, err) != 0 ||
		index_records(c->s->ix, pack, &c->records, &c->n_records, err) != 0)
		return -1;
	*ret_gone = false;
	c->in_pack = true;
	c->changes = c->s->changes;
	c->had_damage = row.damaged > 0;
	c->record = 0;
	c->end = PACK_HEAD_LEN;
	c->places = 0;
	return 0;
}

static int check_gap(struct store_check *c, uint64_t from, uint64_t to, struct err *err)
{
	uint32_t pack = c->packs[c->at].number;
	struct index_pack row;
	uint64_t chunks;
	bool known;
	if (from == to || c->had_damage)
		return 0;
	store_tell(c->s, "pack %08u: bytes %llu to %llu belong to no record", pack,
		store_number(from), store_number(to));
	if (index_find_pack(c->s->ix, pack, &row, &chunks, &known, err) != 0)
		return -1;
	return known ? index_note_pack(c->s->ix, pack, row.length, 1, err) : 0;
}

static int check_record(struct store_check *c, struct err *err)
{
	const struct index_record *r = &c->records[c->record++];
	struct store_place at = {
		.pack = c->packs[c->at].number, .record_offset = r->offset, .record_len = r->length
	};
	uint64_t places;
	bool good;
	if (check_gap(c, c->end, r->offset, err) != 0 ||
		store_look_at(c->s, &at, c->read_data, &good, &places, err) != 0)
		return -1;
	c->end = r->offset + r->length;
	c->places += places;
	c->report.segments++;
	c->report.chunks += places;
	c->report.bytes += r->length;
	c->changes = c->s->changes; /* its own doing */
	return 0;
}

/* The pack may have grown since it was begun. */
static int look_for_more(struct store_check *c, struct err *err)
{
	struct index_record *records = NULL;
	size_t n = 0;
	if (index_records(c->s->ix, c->packs[c->at].number, &records, &n, err) != 0)
		return -1;
	free(c->records);
	c->records = records;
	c->n_records = n;
	c->record = 0;
	while (c->record < n && records[c->record].offset < c->end)
		c->record++;
	return 0;
}

static int end_pack(struct store_check *c, struct err *err)
{
	uint32_t pack = c->packs[c->at].number;
	struct index_pack row;
	uint64_t chunks = 0;
	bool known;
	if (index_find_pack(c->s->ix, pack, &row, &chunks, &known, err) != 0)
		return -1;
	c->report.packs++;
	c->at++;
	leave_pack(c);
	if (!known || chunks == c->places)
		return 0;
	store_tell(c->s,
		"pack %08u: the index has %llu chunks in it, and %llu are there: the index is made "
		"anew",
		pack, store_number(chunks), store_number(c->places));
	return store_rebuild_index(c->s, err);
}

static int check_packs(struct store_check *c, bool *ret_done, struct err *err)
{
	bool gone = c->in_pack && !pack_table_find(&c->s->table, c->packs[c->at].number);
	if (c->in_pack && (gone || c->changes != c->s->changes)) {
		c->report = c->before;
		leave_pack(c);
		c->at += gone;
	}
	*ret_done = c->at == c->n_packs;
	if (*ret_done)
		return 0;
	if (!c->in_pack) {
		if (begin_pack(c, &gone, err) != 0)
			return -1;
		c->at += gone;
		return 0;
	}
	if (c->record < c->n_records)
		return check_record(c, err);
	if (look_for_more(c, err) != 0)
		return -1;
	return c->record < c->n_records ? 0 : end_pack(c, err);
}

/* --- the whole --- */

struct store_check *store_check_new(struct store *s, bool read_data, struct err *err)
{
	struct store_check *c = calloc(1, sizeof *c);
	if (!c || index_packs(s->ix, &c->packs, &c->n_packs, err) != 0) {
		if (!c)
			err_nomem(err);
		free(c);
		return NULL;
	}
	c->s = s;
	c->given_up = s->given_up;
	s->checks++;
	c->read_data = read_data;
	c->none_given_up = true;
	for (size_t i = 0; i < c->n_packs; i++) {
		c->report.bytes_total += c->packs[i].length;
		c->none_given_up = c->none_given_up && c->packs[i].number == i + 1;
	}
	return c;
}

void store_check_free(struct store_check *c)
{
	if (!c)
		return;
	c->s->checks--;
	leave_pack(c);
	store_check_walk_done(&c->walk);
	store_check_snapshots_done(c);
	free(c->watch.hurt);
	free(c->packs);
	free(c);
}

static int piece(struct store_check *c, struct err *err)
{
	bool done = false;
	int r = 0;
	if (c->phase == CHECK_PACKS)
		r = check_packs(c, &done, err);
	else if (c->phase == CHECK_BLOBS)
		r = store_check_blobs(c, &done, err);
	else if (c->phase == CHECK_HURT)
		r = store_check_hurt(c, &done, err);
	else if (c->phase == CHECK_SNAPSHOTS)
		r = store_check_snapshots(c, &done, err);
	if (done)
		c->phase++;
	return r;
}

int store_check_step(struct store_check *c, store_problem_fn *problem, void *ctx, bool *ret_done,
	struct err *err)
{
	uint64_t from = store_now_ms(), before = c->s->changes;
	int r;
	c->watch.problem = problem;
	c->watch.ctx = ctx;
	c->s->watch = &c->watch;
	/* What the index has not seen of a pack would look like bytes that are none. */
	r = store_commit(c->s, err);
	while (r == 0 && c->phase != CHECK_DONE && store_now_ms() - from < STEP_MS)
		r = piece(c, err);
	if (r == 0 && c->s->changes != before)
		r = store_commit(c->s, err);
	if (r != 0)
		store_rows_lost(c->s);
	c->s->watch = NULL;
	c->report.damaged_segments = c->watch.records;
	c->report.damaged_chunks = c->watch.chunks;
	c->report.damaged_blobs = c->watch.blobs;
	*ret_done = c->phase == CHECK_DONE;
	return r;
}

const struct store_check_report *store_check_report(const struct store_check *c)
{
	return &c->report;
}
