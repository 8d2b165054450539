/*
 * The snapshots of a check: is all there that they need? First everything is marked, which says
 * whether anything is missing at all; only then each snapshot is asked. Nothing is taken out: what
 * is missing comes with the next backup that has it.
 */
#include "common/base/text.h"
#include "common/cargo/snapshot_name.h"
#include "common/store/check_impl.h"
#include "common/store/index_snapshot.h"
#include "common/store/snapshot.h"

#include <stdlib.h>
#include <string.h>

static int add_root(
	void *ctx, const struct digest *blob, const struct need_root *root, struct err *err)
{
	struct store_check *c = ctx;
	(void)blob;
	return mark_add_root(c->mark, root, err);
}

static int begin(struct store_check *c, struct err *err)
{
	c->rebuilds = c->s->rebuilds;
	c->mark = mark_new(c->s, err);
	if (!c->mark)
		return -1;
	return index_snapshots(c->s->ix, 0, UINT64_MAX, &c->snapshots, err);
}

/* *ret_done: all is marked. */
static int mark_on(struct store_check *c, bool *ret_done, struct err *err)
{
	bool idle = false;
	*ret_done = false;
	if (!c->table_read)
		return mark_read_table(c->mark, &c->table_read, err);
	if (mark_piece(c->mark, &idle, err) != 0)
		return -1;
	if (!idle)
		return 0;
	*ret_done = c->snapshot == c->snapshots.n;
	if (*ret_done)
		return 0;
	const struct digest *id = &c->snapshots.items[c->snapshot++].id;
	if (mark_add_chunk(c->mark, id, err) != 0)
		return -1;
	return index_each_root(c->s->ix, id, add_root, c, err);
}

/* What a snapshot rests on, for one look at it. */
struct roots {
	struct need_root *at;
	size_t n;
};

static int keep_root(
	void *ctx, const struct digest *blob, const struct need_root *root, struct err *err)
{
	struct roots *r = ctx;
	(void)blob;
	(void)err;
	if (r->n < SNAPSHOT_BLOBS_MAX)
		r->at[r->n++] = *root;
	return 0;
}

static int lacks(struct store_check *c, const struct digest *id, bool *ret, struct err *err)
{
	struct roots r = { .at = calloc(SNAPSHOT_BLOBS_MAX, sizeof *r.at) };
	struct need_root *owned CLEANUP(cleanup_free) = r.at;
	struct store_place at;
	bool found;
	if (!owned)
		return err_nomem(err);
	if (index_find(c->s->ix, id, &at, &found, err) != 0 ||
		index_each_root(c->s->ix, id, keep_root, &r, err) != 0)
		return -1;
	*ret = !found;
	for (size_t i = 0; !*ret && i < r.n; i++)
		if (mark_root_lacks(c->mark, &r.at[i], ret, err) != 0)
			return -1;
	return 0;
}

static int look(struct store_check *c, const struct snapshot_info *info, struct err *err)
{
	char hex[DIGEST_HEX_LEN + 1], host[80], name[120], when[SNAPSHOT_TIME_MAX];
	struct snapshot_info now CLEANUP(snapshot_info_done) = { 0 };
	bool hurt, still;
	if (index_find_snapshot(c->s->ix, &info->id, &now, &still, err) != 0)
		return -1;
	if (!still)
		return 0; /* forgotten meanwhile */
	if (lacks(c, &info->id, &hurt, err) != 0)
		return -1;
	if (!hurt)
		return 0;
	c->report.damaged_snapshots++;
	digest_hex(&info->id, hex);
	store_tell(c->s, "snapshot %.12s (%s/%s, %s, %s) lacks chunks and cannot be restored whole",
		hex, text_escape(host, sizeof host, info->host, strlen(info->host)),
		text_escape(name, sizeof name, info->name, strlen(info->name)), info->kind,
		snapshot_time_text(when, info->time_ms));
	return 0;
}

void store_check_snapshots_done(struct store_check *c)
{
	mark_free(c->mark);
	c->mark = NULL;
	snapshot_list_done(&c->snapshots);
	c->table_read = c->marked = false;
	c->snapshot = 0;
}

int store_check_snapshots(struct store_check *c, bool *ret_done, struct err *err)
{
	*ret_done = false;
	/* What was read of the index is not so any more. */
	if (c->mark && c->rebuilds != c->s->rebuilds) {
		c->report.damaged_snapshots = 0;
		store_check_snapshots_done(c);
	}
	if (!c->mark)
		return begin(c, err);
	if (!c->marked) {
		if (mark_on(c, &c->marked, err) != 0)
			return -1;
		c->report.snapshots = c->snapshots.n;
		c->snapshot = c->marked ? 0 : c->snapshot;
		return 0;
	}
	*ret_done = mark_missing(c->mark) == 0 || c->snapshot == c->snapshots.n;
	if (!*ret_done)
		return look(c, &c->snapshots.items[c->snapshot++], err);
	store_check_snapshots_done(c);
	return 0;
}
