/*
 * Owns one prune. Happy path: the table of segments is read, what snapshots and tombstones need is
 * marked, packs of which nothing is needed go, then those of which little is are written anew.
 * Whatever else happens to the store between two steps: what a new snapshot needs is marked before
 * anything more is given up; what was put meanwhile is no candidate; what a job pins stays. Failure
 * modes: lists that are damaged (nobody knows what they named, so nothing may go), an index that is
 * made anew (its segments have other numbers), a full disk.
 */
#include "common/store/prune.h"

#include "common/store/mark.h"
#include "common/store/prune_rewrite.h"
#include "common/store/store_impl.h"

#include <stdlib.h>

#define STEP_MS 50u

enum prune_phase { PRUNE_TABLE, PRUNE_ROOTS, PRUNE_DEAD, PRUNE_SPARSE, PRUNE_DONE };

struct store_prune {
	struct store *s;
	bool dry_run;
	enum prune_phase phase;
	uint64_t rebuilds; /* of the store, at the beginning */
	struct mark *mark;
	struct snapshot_list snapshots;
	size_t snapshot;
	bool tombstones; /* were marked */
	bool forgot;	 /* there are some */
	uint32_t *packs; /* that are gone through */
	size_t n_packs, at;
	struct rewrite *rewrite;
	bool copying, finishing;
	int64_t saved; /* bytes, by writing anew */
	struct store_pruned report;
};

int store_prune_new(struct store *s, bool dry_run, struct store_prune **ret, struct err *err)
{
	if (s->prune)
		return err_set(err, ERR_REFUSED, "%s: a prune is under way", s->dir);
	struct store_prune *p = calloc(1, sizeof *p);
	if (!p)
		return err_nomem(err);
	p->s = s;
	p->dry_run = dry_run;
	p->rebuilds = s->rebuilds;
	/* Rows that are not committed could get other numbers. */
	if (evict_make_clean(s, err) != 0 || !(p->mark = mark_new(s, err)) ||
		!(p->rewrite = rewrite_new(s, p->mark, err))) {
		store_prune_free(p);
		return -1;
	}
	s->prune = p;
	*ret = p;
	return 0;
}

void store_prune_free(struct store_prune *p)
{
	if (!p)
		return;
	if (p->s->prune == p)
		p->s->prune = NULL;
	rewrite_free(p->rewrite);
	mark_free(p->mark);
	snapshot_list_done(&p->snapshots);
	free(p->packs);
	free(p);
}

const struct store_pruned *store_prune_report(const struct store_prune *p)
{
	return &p->report;
}

/* --- marking --- */

static int add_root(
	void *ctx, const struct digest *blob, const struct need_root *root, struct err *err)
{
	struct store_prune *p = ctx;
	(void)blob;
	return mark_add_root(p->mark, root, err);
}

static int add_tombstone(void *ctx, const struct digest *chunk, struct err *err)
{
	struct store_prune *p = ctx;
	p->forgot = true;
	return mark_add_chunk(p->mark, chunk, err);
}

int prune_learn(struct store *s, const struct snapshot_record *r, struct err *err)
{
	struct store_prune *p = s->prune;
	/* Before the roots are collected it is in the index as any other. */
	if (!p || p->phase == PRUNE_TABLE)
		return 0;
	if (mark_add_chunk(p->mark, &r->snapshot.info.id, err) != 0)
		return -1;
	for (size_t i = 0; i < r->snapshot.n_blobs; i++)
		if (mark_add_root(p->mark, &r->roots[i], err) != 0)
			return -1;
	return 0;
}

static int read_table(struct store_prune *p, struct err *err)
{
	bool done;
	if (mark_read_table(p->mark, &done, err) != 0)
		return -1;
	if (!done)
		return 0;
	p->phase = PRUNE_ROOTS;
	return index_snapshots(p->s->ix, 0, UINT64_MAX, &p->snapshots, err);
}

static int list_packs(struct store_prune *p, struct err *err)
{
	free(p->packs);
	p->packs = calloc(p->s->table.n + 1, sizeof *p->packs);
	if (!p->packs)
		return err_nomem(err);
	p->n_packs = p->s->table.n;
	p->at = 0;
	for (size_t i = 0; i < p->n_packs; i++)
		p->packs[i] = p->s->table.rows[i].number;
	return 0;
}

/* A snapshot's roots and manifest, with what comes of them before the next one. */
static int mark_next(struct store_prune *p, struct err *err)
{
	if (!p->tombstones) {
		p->tombstones = true;
		return index_each_tombstone(p->s->ix, add_tombstone, p, err);
	}
	if (p->snapshot == p->snapshots.n) {
		p->phase = PRUNE_DEAD;
		return list_packs(p, err);
	}
	const struct digest *id = &p->snapshots.items[p->snapshot++].id;
	p->report.marked++;
	if (mark_add_chunk(p->mark, id, err) != 0)
		return -1;
	return index_each_root(p->s->ix, id, add_root, p, err);
}

/* --- packs --- */

/* Stored bytes of the pack that are needed. A store without snapshots is a cache: all of it may go,
 * also segments that are unknown because a full disk made the index lose rows. */
static int measure(struct store_prune *p, uint32_t pack, uint64_t *ret, struct err *err)
{
	struct index_segment *segments CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	bool any;
	*ret = 0;
	if (index_any_snapshot(p->s->ix, &any, err) != 0)
		return -1;
	if (!any && !p->forgot && p->snapshots.n == 0)
		return 0;
	if (index_segments_of(p->s->ix, pack, &segments, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool known;
		uint64_t live = mark_live(p->mark, segments[i].id, &known);
		if (!known)
			*ret += segments[i].length;
		else if (live > 0 && segments[i].raw > 0)
			*ret += (segments[i].length * live - 1) / segments[i].raw + 1;
	}
	return 0;
}

/* The pack at hand, if it is no pinned one: its bytes, and those needed. */
static int look(struct store_prune *p, uint64_t *ret_bytes, uint64_t *ret_live, bool *ret_may_go,
	struct err *err)
{
	uint32_t pack = p->packs[p->at];
	const struct pack_row *row = pack_table_find(&p->s->table, pack);
	struct pack_set pinned = { 0 };
	*ret_may_go = false;
	if (!row)
		return 0;
	*ret_bytes = row->bytes;
	int r = measure(p, pack, ret_live, err);
	if (r == 0)
		r = pins_collect(p->s, &pinned, err);
	*ret_may_go = r == 0 && !pack_set_has(&pinned, pack);
	pack_set_done(&pinned);
	/* What is pinned and not needed is not held: the job's pin keeps it. */
	if (r == 0 && !p->dry_run && mark_missing(p->mark) == 0)
		pack_table_hold(&p->s->table, pack, *ret_live > 0);
	return r;
}

/* Writing goes on in another pack. Rows that the index lost are not made again for what goes. */
static int let_go_of_current(struct store_prune *p, uint32_t pack, struct err *err)
{
	if (!p->s->behind && evict_make_clean(p->s, err) != 0)
		return -1;
	if (p->s->pack.path && p->s->pack.number == pack)
		pack_close(&p->s->pack);
	return 0;
}

static int remove_dead(struct store_prune *p, struct err *err)
{
	uint64_t bytes = 0, live = 0;
	bool may_go;
	if (p->at == p->n_packs) {
		p->phase = PRUNE_SPARSE;
		return list_packs(p, err);
	}
	if (look(p, &bytes, &live, &may_go, err) != 0)
		return -1;
	uint32_t pack = p->packs[p->at++];
	if (!may_go || live > 0)
		return 0;
	p->report.packs++;
	p->report.bytes += bytes;
	if (p->dry_run)
		return 0;
	return let_go_of_current(p, pack, err) != 0 ? -1 : evict_give_up(p->s, pack, err);
}

static int copy_on(struct store_prune *p, struct err *err)
{
	bool done;
	if (rewrite_copy(p->rewrite, &done, err) != 0)
		return -1;
	if (done) {
		p->copying = false;
		p->finishing = rewrite_is_full(p->rewrite);
	}
	return 0;
}

static int finish_on(struct store_prune *p, struct err *err)
{
	uint64_t before = store_bytes(p->s), gone = 0;
	bool done;
	if (rewrite_finish(p->rewrite, &done, &gone, err) != 0)
		return -1;
	p->saved += (int64_t)before - (int64_t)store_bytes(p->s); /* a copy comes before it pays */
	p->report.rewritten += gone > 0;
	p->finishing = !done;
	if (done && p->at == p->n_packs) {
		p->phase = PRUNE_DONE;
		p->report.bytes += p->saved > 0 ? (uint64_t)p->saved : 0;
	}
	return 0;
}

static int choose_sparse(struct store_prune *p, struct err *err)
{
	uint64_t bytes = 0, live = 0;
	bool may_go;
	if (p->at == p->n_packs) {
		p->finishing = true;
		return 0;
	}
	if (look(p, &bytes, &live, &may_go, err) != 0)
		return -1;
	uint32_t pack = p->packs[p->at++];
	if (!may_go || live == 0 || live * 100 >= bytes * PRUNE_LIVE_PERCENT)
		return 0;
	if (p->dry_run) {
		p->report.rewritten++;
		p->report.bytes += bytes - live;
		return 0;
	}
	p->copying = true;
	return let_go_of_current(p, pack, err) != 0 ? -1 : rewrite_add(p->rewrite, pack, err);
}

/* --- steps --- */

static int check_lists(const struct store_prune *p, struct err *err)
{
	if (mark_missing_lists(p->mark) == 0)
		return 0;
	return err_set(err, ERR_CORRUPT,
		"%llu lists of what snapshots need are damaged, so nothing is given up: run drayd "
		"check to see which snapshots those are, then back up again or forget them",
		store_number(mark_missing_lists(p->mark)));
}

static int piece(struct store_prune *p, struct err *err)
{
	bool idle = false;
	if (p->s->rebuilds != p->rebuilds)
		return err_set(err, ERR_AGAIN,
			"the index was made anew while packs were being pruned: run it again");
	if (p->phase == PRUNE_TABLE)
		return read_table(p, err);
	/* First of all what is needed, for a new snapshot may have been put. */
	if (mark_piece(p->mark, &idle, err) != 0)
		return -1;
	if (!idle)
		return 0;
	if (p->phase == PRUNE_ROOTS)
		return mark_next(p, err);
	if (check_lists(p, err) != 0)
		return -1;
	if (p->phase == PRUNE_DEAD)
		return remove_dead(p, err);
	if (p->copying)
		return copy_on(p, err);
	return p->finishing ? finish_on(p, err) : choose_sparse(p, err);
}

/* All that snapshots need is there, and all packs know whether they hold some. */
static int end(struct store_prune *p, struct err *err)
{
	if (!p->dry_run && mark_missing(p->mark) == 0 && p->s->table.hold_new) {
		if (index_set_doubt(p->s->ix, false, err) != 0)
			return -1;
		p->s->table.hold_new = false;
	}
	return p->dry_run || p->s->behind ? 0 : store_commit(p->s, err);
}

int store_prune_step(struct store_prune *p, bool *ret_done, struct err *err)
{
	uint64_t from = store_now_ms();
	int r = 0;
	while (r == 0 && p->phase != PRUNE_DONE && store_now_ms() - from < STEP_MS)
		r = piece(p, err);
	if (r == 0 && p->phase == PRUNE_DONE)
		r = end(p, err);
	if (r != 0)
		store_rows_lost(p->s);
	p->report.kept_bytes = p->dry_run ? store_bytes(p->s) - p->report.bytes : store_bytes(p->s);
	p->report.missing = mark_missing(p->mark);
	*ret_done = p->phase == PRUNE_DONE;
	return r;
}

int store_prune(struct store *s, bool dry_run, struct store_pruned *ret, struct err *err)
{
	struct store_prune *p;
	bool done = false;
	int r = store_prune_new(s, dry_run, &p, err);
	if (r != 0)
		return -1;
	while (r == 0 && !done)
		r = store_prune_step(p, &done, err);
	*ret = p->report;
	store_prune_free(p);
	return r;
}
