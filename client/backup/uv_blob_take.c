/*
 * Owns the thread and the walk. Happy path: BLOB_BEGIN -> each segment is copied, opened with every
 * chunk checked against its name, walked -> BLOB_END -> the whole is checked against its name ->
 * `end` -> over. Failure modes: anything that is not what it is named, bytes that cannot be
 * written: the thread does nothing more, and `over` says why.
 */
#include "client/backup/uv_blob_take.h"

#include "client/backup/blob_walk.h"
#include "common/chunk/segment.h"
#include "link/uv_worker.h"
#include "protocol/limits.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_MAX (8u << 20) /* bytes of segments that the thread has not opened yet */

struct blob_take {
	struct line *line;
	struct digest digest;
	bool tree;
	struct blob_take_ops ops;
	void *ctx;
	struct uv_worker *worker;
	size_t pending;
	bool begun, ended, told, held;
	atomic_bool stop;
	/* the thread's: */
	struct blob_walk *walk;
	struct segment_opener *opener;
	uint8_t *raw;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* A segment, or the end. */
struct piece {
	struct uv_task task;
	struct blob_take *take;
	bool last;
	int result;
	struct err err;
	size_t n;
	uint8_t record[];
};

static void take_free(struct blob_take *t)
{
	blob_walk_free(t->walk);
	segment_opener_free(t->opener);
	free(t->raw);
	free(t);
}

/* --- the thread --- */

static int walk_chunks(struct blob_take *t, const struct segment *s, struct err *err)
{
	for (uint32_t i = 0; i < s->n_rows; i++) {
		const struct segment_row *row = &s->rows[i];

		if (blob_walk_chunk(t->walk, &row->name, t->raw + row->offset, row->len, err) != 0)
			return -1;
	}
	return 0;
}

static int open_piece(struct piece *p, struct err *err)
{
	struct blob_take *t = p->take;
	size_t head_len, record_len;
	struct segment s;
	int r;

	if (p->n < SEGMENT_HEAD_LEN ||
		segment_measure(p->record, &head_len, &record_len, err) != 0 || record_len != p->n)
		return err_set(err, ERR_PROTOCOL, "a segment of a wrong length");
	if (segment_parse(p->record, p->n, &s, err) != 0)
		return -1;
	r = segment_open(t->opener, &s, p->record, true, t->raw, err);
	if (r == 0)
		r = walk_chunks(t, &s, err);
	segment_done(&s);
	return r;
}

static int end_piece(struct blob_take *t, struct err *err)
{
	uint64_t size;

	if (blob_walk_end(t->walk, &t->digest, &size, err) != 0)
		return -1;
	return t->ops.end(t->ctx, err);
}

static void run(struct uv_task *task)
{
	struct piece *p = (struct piece *)task;
	struct blob_take *t = p->take;

	if (atomic_load(&t->stop)) {
		p->result = err_set(&p->err, ERR_INTERRUPTED, "broken off");
		return;
	}
	p->result = p->last ? end_piece(t, &p->err) : open_piece(p, &p->err);
	if (p->result != 0)
		atomic_store(&t->stop, true);
}

/* --- the loop --- */

static void done(struct uv_task *task)
{
	struct piece *p = (struct piece *)task;
	struct blob_take *t = p->take;
	bool last = p->last;
	int r = p->result;
	struct err err = p->err;

	t->pending -= p->n;
	free(p);
	if (t->closed || t->told)
		return;
	if (t->held && t->pending < PENDING_MAX / 2) {
		t->held = false;
		line_hold(t->line, false);
	}
	if (r == 0 && !last)
		return;
	t->told = true;
	t->ops.over(t->ctx, r == 0 ? NULL : &err);
}

static int post(struct blob_take *t, const wire_bytes *record, struct err *err)
{
	size_t n = record ? record->n : 0;
	struct piece *p = malloc(sizeof(*p) + n);

	if (!p)
		return err_nomem(err);
	*p = (struct piece){
		.task = { .run = run, .done = done }, .take = t, .last = record == NULL, .n = n
	};
	if (n > 0)
		memcpy(p->record, record->p, n);
	t->pending += n;
	uv_worker_post(t->worker, &p->task);
	if (t->pending >= PENDING_MAX && !t->held) {
		t->held = true;
		line_hold(t->line, true);
	}
	return 0;
}

static int take_begin(struct blob_take *t, const struct msg_blob_begin *b, struct err *err)
{
	if (t->begun || !(b->flags & BLOB_DIGEST_KNOWN) || !digest_equal(&b->digest, &t->digest))
		return err_set(err, ERR_PROTOCOL, "BLOB_BEGIN of another blob");
	if ((b->role == ROLE_TREE) != t->tree)
		return err_set(err, ERR_PROTOCOL, "BLOB_BEGIN with another role");
	t->begun = true;
	return 0;
}

int blob_take_message(struct blob_take *t, const struct message *m, struct err *err)
{
	if (t->told || t->closed)
		return 0;
	if (m->type == MSG_BLOB_BEGIN)
		return take_begin(t, &m->blob_begin, err);
	if (m->type != MSG_SEGMENT && m->type != MSG_BLOB_END)
		return 0;
	if (!t->begun || t->ended)
		return err_set(err, ERR_PROTOCOL, "%s out of place", message_name(m->type));
	if (m->type == MSG_SEGMENT)
		return post(t, &m->segment.record, err);
	t->ended = true;
	return post(t, NULL, err);
}

bool blob_take_begun(const struct blob_take *t)
{
	return t->begun;
}

int blob_take_new(uv_loop_t *loop, struct line *line, const struct digest *digest, bool tree,
	const struct blob_take_ops *ops, void *ctx, struct blob_take **ret, struct err *err)
{
	struct blob_take *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	t->line = line;
	t->digest = *digest;
	t->tree = tree;
	t->ops = *ops;
	t->ctx = ctx;
	t->walk = blob_walk_new(tree, ops->bytes, ctx);
	t->opener = segment_opener_new();
	t->raw = malloc(SEGMENT_RAW_MAX);
	if (!t->walk || !t->opener || !t->raw) {
		take_free(t);
		return err_nomem(err);
	}
	if (uv_worker_start(loop, "dray-restore", &t->worker, err) != 0) {
		take_free(t);
		return -1;
	}
	*ret = t;
	return 0;
}

static void on_stopped(void *ctx)
{
	struct blob_take *t = ctx;
	void (*closed)(void *ctx) = t->closed;
	void *closed_ctx = t->closed_ctx;

	take_free(t);
	closed(closed_ctx);
}

void blob_take_close(struct blob_take *t, void (*closed)(void *ctx), void *ctx)
{
	t->closed = closed;
	t->closed_ctx = ctx;
	atomic_store(&t->stop, true);
	if (t->held)
		line_hold(t->line, false);
	uv_worker_stop(t->worker, on_stopped, t);
}
