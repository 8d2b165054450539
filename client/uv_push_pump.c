/*
 * The way of the bytes: batches from the source to the sender, parcels to the packer, segments to
 * the link. Happy path: pump moves what it can whenever something changed (a batch came, an answer,
 * room on the link, a sealed segment), and commits behind the last blob. What is full (the link,
 * the flight, the sender's questions) is left until it is not.
 */
#include "client/uv_push_impl.h"

#include "protocol/limits.h"

/* Room in the session's output that control messages may need besides a segment. */
#define CONTROL_ROOM (2u << 20)

/* --- the sender's operations --- */

static int on_send(void *ctx, const struct message *m, struct err *err)
{
	return push_tell(ctx, m, err);
}

static void on_pack(void *ctx, struct sender_parcel *parcel)
{
	packer_add(((struct push *)ctx)->packer, parcel);
}

static void on_settled(void *ctx, uint32_t blob, const struct batch *b, bool skipped)
{
	struct push *p = ctx;

	(void)blob;
	if (b->stream == STREAM_MAIN) {
		p->settled += b->span;
		p->ops.progress(p->ctx, p->settled, p->begun);
	}
	if (skipped)
		window_give(p->window, batch_weight(b));
}

static void on_flush(void *ctx, uint32_t blob)
{
	packer_flush(((struct push *)ctx)->packer, blob);
}

/* BLOB_AGAIN is followed by the job's FAIL, which ends it. */
static void on_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	struct push *p = ctx;

	(void)blob;
	if (outcome == BLOB_AGAIN && !p->c.past->full_names)
		p->result.other_form = p->c.past->full_names = true;
}

/* --- segments out --- */

/* Sends what is packed, as far as the link and the receiver take it. */
static int pump_packed(struct push *p, struct err *err)
{
	const struct packed *next;
	int r = 0;

	while (r == 0 && (next = packer_peek(p->packer))) {
		struct packed *made;

		if (!next->flushed && !lanes_takes(p->c.lanes, buf_len(&next->record)))
			break;
		made = packer_take(p->packer);
		if (!made->flushed) {
			r = lanes_send(p->c.lanes, made, err);
			continue;
		}
		p->blobs_open--;
		r = sender_flushed(p->sender, made->blob, lanes_last(p->c.lanes), err);
		packed_free(made);
	}
	return r;
}

/* How what is packed next is to be packed. */
static void tune(struct push *p)
{
	level_look(&p->level, uv_now(p->c.loop), lanes_blocked_ms(p->c.lanes),
		packer_busy_ms(p->packer));
	packer_tune(p->packer, p->level.now, lanes_segment_size(p->c.lanes));
}

/* --- blobs in --- */

/* Counts the tar, or the config, unless an earlier try did. */
static void count_read(struct push *p, const struct source_item *i)
{
	const struct engine_image *image = p->c.image;
	struct push_past *past = p->c.past;
	size_t at = 0;

	if (i->role == ROLE_CONFIG || !i->digest_known)
		at = image->n_diff_ids;
	while (at < image->n_diff_ids && !digest_equal(&image->diff_ids[at], &i->digest))
		at++;
	if (past->sizes[at] == 0)
		past->bytes_read += i->size;
	if (at < image->n_diff_ids || i->role == ROLE_CONFIG)
		past->sizes[at] = i->size;
	p->begun += i->size;
}

static int take_item(struct push *p, struct source_item *i, struct err *err)
{
	struct batch *b;

	switch (i->kind) {
	case SOURCE_BEGIN:
		p->blobs_open++;
		count_read(p, i);
		return sender_begin(p->sender, p->c.job, i->blob, i->role,
			i->digest_known ? &i->digest : NULL, i->size, err);
	case SOURCE_BATCH:
		b = i->batch;
		i->batch = NULL;
		return sender_batch(p->sender, i->blob, b, err);
	case SOURCE_END:
		return sender_end(p->sender, i->blob, &i->digest, i->size, err);
	case SOURCE_NOTE:
		p->ops.note(p->ctx, i->text);
		return 0;
	}
	return 0;
}

static int pump_source(struct push *p, struct err *err)
{
	int r = 0;

	p->drained = false;
	while (r == 0 && !p->drained && sender_waiting(p->sender) < SENDER_WAITING_MAX &&
		uv_conn_room(p->c.conn) > CONTROL_ROOM) {
		struct source_item *i = source_take(p->source);

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
	p->ops.phase(p->ctx, PUSH_APPLYING);
	if (push_tell(p, &m, &err) != 0)
		push_end(p, &err);
}

/* Everything was read and every BLOB_END is out. */
static bool all_sent(const struct push *p)
{
	return p->read_all && p->drained && p->blobs_open == 0 && sender_waiting(p->sender) == 0;
}

void push_pump(struct push *p)
{
	struct err err = { 0 };

	if (p->state != SENDING || p->pumping)
		return;
	p->pumping = true;
	tune(p);
	if (pump_packed(p, &err) != 0 || pump_source(p, &err) != 0) {
		p->pumping = false;
		push_end(p, &err);
		return;
	}
	p->pumping = false;
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
	const struct packer_ops packer_ops = { .ready = on_ready, .failed = on_pack_failed };

	p->sender = sender_new(&sender_ops, p, p->c.past->full_names);
	if (!p->sender)
		return err_nomem(err);
	p->packer = packer_new(p->c.loop, p->window, &packer_ops, p, err);
	if (!p->packer)
		return -1;
	level_start(&p->level, p->c.level, lanes_far(p->c.lanes), uv_now(p->c.loop));
	return 0;
}
