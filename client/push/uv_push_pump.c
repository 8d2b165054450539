/*
 * The way of the bytes: batches from the source to the sender, parcels to the packer, segments to
 * the link. Happy path: pump moves what it can whenever something changed (a batch came, an answer,
 * room on the link, a sealed segment), and commits behind the last blob. What is full (the link,
 * the flight, the sender's questions) is left until it is not.
 */
#include "client/push/uv_push_impl.h"

#include "client/push/packed_send.h"

/* Room in the session's output that control messages may need besides a segment. */
#define CONTROL_ROOM (2u << 20)

/* --- the sender's operations --- */

/* Where the blob is in past->layers. */
static struct layer_progress *layer_of(struct push *p, uint32_t blob)
{
	return &p->c.past->layers[p->blob_layers[blob - p->c.first_blob]];
}

static int on_send(void *ctx, const struct message *m, struct err *err)
{
	struct push *p = ctx;

	if (m->type == MSG_BLOB_END)
		layer_of(p, m->blob_end.blob)->state = LAYER_REBUILDING;
	return push_tell(p, m, err);
}

static void on_pack(void *ctx, struct sender_parcel *parcel)
{
	packer_add(((struct push *)ctx)->packer, parcel);
}

/* A batch of the blob needs no more work here. */
static void count_done(struct push *p, uint32_t blob, const struct batch *b)
{
	uint16_t at = p->blob_layers[blob - p->c.first_blob];
	struct layer_progress *l = &p->c.past->layers[at];

	if (b->stream != STREAM_MAIN)
		return;
	p->done[at] += b->span;
	if (p->done[at] > l->done)
		l->done = p->done[at];
	p->ops.progress(p->ctx);
}

static void on_settled(void *ctx, uint32_t blob, const struct batch *b, bool skipped)
{
	if (skipped)
		count_done(ctx, blob, b);
}

static void on_packed(void *ctx, const struct sender_parcel *parcel)
{
	count_done(ctx, parcel->blob, parcel->batch);
}

static void on_flush(void *ctx, uint32_t blob)
{
	packer_flush(((struct push *)ctx)->packer, blob);
}

/* BLOB_AGAIN is followed by the job's FAIL, which ends it. */
static void on_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	struct push *p = ctx;

	if (outcome == BLOB_STORED)
		layer_of(p, blob)->state = LAYER_DONE;
	p->ops.progress(p->ctx);
	if (outcome == BLOB_AGAIN && !p->c.past->full_names)
		p->result.other_form = p->c.past->full_names = true;
}

/* --- segments out --- */

/* How what is packed next is to be packed. */
static void tune(struct push *p)
{
	level_look(&p->level, uv_now(p->c.loop), lanes_blocked_ms(p->c.lanes),
		packer_busy_ms(p->packer));
	packer_tune(p->packer, p->level.now, lanes_segment_size(p->c.lanes));
}

/* --- blobs in --- */

/* Which of past->layers begins; what has no name yet counts as the config. */
static uint16_t find_layer(const struct push *p, const struct source_item *i)
{
	const struct push_past *past = p->c.past;
	uint16_t at = 0;

	if (i->role == ROLE_CONFIG || !i->digest_known)
		return (uint16_t)past->n_layers;
	while (at < past->n_layers && !digest_equal(&past->layers[at].id, &i->digest))
		at++;
	return at;
}

/* The exact size, which comes when the blob begins or when it ends. */
static void size_layer(struct push *p, uint16_t at, uint64_t size, bool begun)
{
	struct layer_progress *l = &p->c.past->layers[at];

	if (!l->begun)
		p->c.past->bytes_read += size;
	l->begun = l->begun || begun;
	l->size = size;
}

static int take_begin(struct push *p, const struct source_item *i, struct err *err)
{
	uint16_t at = find_layer(p, i);
	struct layer_progress *l = &p->c.past->layers[at];
	uint32_t blob = p->next_blob;

	if (blob - p->c.first_blob >= JOB_BLOBS_MAX)
		return err_set(err, ERR_LIMIT, "the image has too many layers");
	p->blob_layers[blob - p->c.first_blob] = at;
	p->next_blob++;
	p->blobs_open++;
	p->unsized = i->size == SAVE_SIZE_UNKNOWN;
	if (!p->unsized)
		size_layer(p, at, i->size, at < p->c.past->n_layers || i->role == ROLE_CONFIG);
	l->state = LAYER_READING;
	p->ops.progress(p->ctx);
	return sender_begin(p->sender, p->c.job, blob, i->role, i->digest_known ? &i->digest : NULL,
		i->size, err);
}

/* A layer that came without a name has one now that it was read. */
static void name_layer(struct push *p, const struct source_item *i)
{
	uint16_t *at = &p->blob_layers[p->next_blob - 1 - p->c.first_blob];
	struct push_past *past = p->c.past;
	uint16_t found = 0;

	if (*at < past->n_layers)
		return;
	while (found < past->n_layers && !digest_equal(&past->layers[found].id, &i->digest))
		found++;
	if (found == past->n_layers)
		return;
	*at = found;
	past->layers[found].begun = true;
	past->layers[found].size = past->layers[found].done = i->size;
}

/* Blobs come one after another: what is not a BEGIN belongs to the last one. */
static int take_item(struct push *p, struct source_item *i, struct err *err)
{
	struct batch *b;

	switch (i->kind) {
	case SOURCE_BEGIN:
		return take_begin(p, i, err);
	case SOURCE_BATCH:
		b = i->batch;
		i->batch = NULL;
		return sender_batch(p->sender, p->next_blob - 1, b, err);
	case SOURCE_END:
		name_layer(p, i);
		if (p->unsized)
			size_layer(p, p->blob_layers[p->next_blob - 1 - p->c.first_blob], i->size,
				true);
		p->unsized = false;
		return sender_end(p->sender, p->next_blob - 1, &i->digest, i->size, err);
	case SOURCE_NOTE:
		p->ops.note(p->ctx, i->text);
		return 0;
	}
	return 0;
}

static int pump_source(struct push *p, struct err *err)
{
	int r = 0;

	p->drained = p->reader == NULL;
	while (r == 0 && !p->drained && sender_waiting(p->sender) < SENDER_WAITING_MAX &&
		uv_conn_room(p->c.conn) > CONTROL_ROOM) {
		struct source_item *i = reader_take(p->reader);

		p->drained = i == NULL;
		if (i)
			r = take_item(p, i, err);
		source_item_free(i);
	}
	return r == 0 ? sender_ask(p->sender, err) : r;
}

void push_commit(struct push *p)
{
	struct message m = { .type = MSG_IMAGE_COMMIT, .image_commit = { .job = p->c.job } };
	struct err err;

	p->state = COMMITTING;
	p->result.sent_all = true;
	reader_leave(p->reader);
	p->reader = NULL;
	if (push_tell(p, &m, &err) != 0)
		push_end(p, &err);
	else
		p->ops.phase(p->ctx, PUSH_APPLYING);
}

/* Everything was read and every BLOB_END is out. */
static bool all_sent(const struct push *p)
{
	return p->read_all && p->drained && p->blobs_open == 0 && sender_waiting(p->sender) == 0;
}

void push_pump(struct push *p)
{
	struct err err = { 0 };
	unsigned whole;
	int r;

	if (p->state != SENDING || p->pumping)
		return;
	p->pumping = true;
	tune(p);
	r = packed_send(p->packer, p->c.lanes, p->sender, &whole, &err);
	p->blobs_open -= whole;
	if (r == 0)
		r = pump_source(p, &err);
	p->pumping = false;
	if (r != 0) {
		push_end(p, &err);
		return;
	}
	if (p->state == SENDING && all_sent(p))
		push_commit(p);
}

static void on_ready(void *ctx)
{
	push_pump(ctx);
}

static void on_pack_failed(void *ctx, const struct err *err)
{
	push_end(ctx, err);
}

int push_pump_open(struct push *p, struct err *err)
{
	const struct sender_ops sender_ops = { .send = on_send,
		.pack = on_pack,
		.settled = on_settled,
		.flush = on_flush,
		.done = on_done };
	const struct packer_ops packer_ops = {
		.packed = on_packed, .ready = on_ready, .failed = on_pack_failed
	};

	p->sender = sender_new(&sender_ops, p, p->c.past->full_names, p->c.first_blob);
	if (!p->sender)
		return err_nomem(err);
	p->packer = packer_new(p->c.loop, &packer_ops, p, err);
	if (!p->packer)
		return -1;
	level_start(&p->level, p->c.level, lanes_far(p->c.lanes), uv_now(p->c.loop),
		lanes_blocked_ms(p->c.lanes));
	return 0;
}
