/*
 * Owns one push: the offer, the save and its source, the sender's questions, the packer, the
 * segments in flight. Happy path: OFFERING -> SENDING (blobs in the order in which the engine saves
 * them) -> COMMITTING -> over. When the target has the image already, OFFERING goes to COMMITTING,
 * and the engine is asked for nothing. Failure modes: the engine, the link, the target's FAIL; each
 * stops the save, waits for its thread, and ends in `over`.
 */
#include "client/uv_push.h"

#include "client/source.h"
#include "client/uv_packer.h"
#include "common/base/text.h"
#include "link/uv_wake.h"
#include "protocol/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Room in the session's output that control messages may need besides a segment. */
#define CONTROL_ROOM (2u << 20)
#define LAYER_SENT 0 /* in IMAGE_STATE: neither in the engine nor in the store */

enum push_state { OFFERING, SENDING, COMMITTING, ENDING };

struct flight {
	struct flight *next;
	uint64_t number;
	size_t len;
};

struct push {
	struct push_config c;
	struct push_ops ops;
	void *ctx;
	enum push_state state;
	struct push_result result;
	struct window *window;
	struct source *source;
	struct uv_wake *wake;
	struct engine_save *save; /* NULL when none runs */
	struct sender *sender;
	struct packer *packer;
	struct flight *first, **last; /* segments sent and not acknowledged */
	size_t in_flight;
	uint64_t segments; /* the last number sent */
	unsigned blobs_open;
	uint64_t settled, begun;
	bool read_all; /* the save's thread is done */
	bool drained;  /* and the loop has taken all it gave */
	bool pumping;
	struct err err; /* why it ends */
};

static void pump(struct push *p);

/* --- the end --- */

static void drop_window(void *window)
{
	window_free(window);
}

static void finish(struct push *p)
{
	const struct err *err = p->err.code == ERR_NONE ? NULL : &p->err;

	while (p->first) {
		struct flight *f = p->first;

		p->first = f->next;
		free(f);
	}
	p->ops.over(p->ctx, &p->result, err);
	sender_free(p->sender);
	uv_wake_close(p->wake);
	source_free(p->source);
	if (p->packer)
		packer_close(p->packer, drop_window, p->window);
	else
		window_free(p->window);
	free(p);
}

/* Ends the push from the loop, once the save's thread is out of the source: nothing is freed under
 * a caller's feet. */
static void end(struct push *p, const struct err *err)
{
	if (p->state == ENDING)
		return;
	p->state = ENDING;
	if (err)
		p->err = *err;
	if (p->source)
		source_stop(p->source);
	if (p->save)
		engine_save_cancel(p->save); /* on_saved finishes */
	else
		uv_wake_send(p->wake);
}

void push_lost(struct push *p, const struct err *err)
{
	end(p, err);
}

static int tell(struct push *p, const struct message *m, struct err *err)
{
	return uv_conn_send(p->c.conn, m, err);
}

static void tell_or_end(struct push *p, const struct message *m)
{
	struct err err;

	if (tell(p, m, &err) != 0)
		end(p, &err);
}

/* --- the sender's operations --- */

static int on_send(void *ctx, const struct message *m, struct err *err)
{
	return tell(ctx, m, err);
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
		p->result.bytes_known += skipped ? b->span : 0;
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
	if (outcome == BLOB_AGAIN && !p->c.full_names)
		p->result.again = p->result.need_full_names = true;
}

/* --- segments out --- */

static int send_segment(struct push *p, const struct buf *record, struct err *err)
{
	struct message m = { .type = MSG_SEGMENT };
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->number = m.segment.number = ++p->segments;
	f->len = buf_len(record);
	m.segment.record = (wire_bytes){ .p = buf_bytes(record), .n = (uint32_t)f->len };
	*p->last = f;
	p->last = &f->next;
	p->in_flight += f->len;
	return tell(p, &m, err);
}

/* Sends what is packed, as far as the link and the receiver take it. */
static int pump_packed(struct push *p, struct err *err)
{
	const struct packed *next;
	int r = 0;

	while (r == 0 && (next = packer_peek(p->packer))) {
		size_t len = buf_len(&next->record);
		struct packed *made;

		if (!next->flushed && (len > IN_FLIGHT_MAX - p->in_flight ||
					      uv_conn_room(p->c.conn) < len + CONTROL_ROOM))
			break;
		made = packer_take(p->packer);
		if (made->flushed) {
			p->blobs_open--;
			r = sender_flushed(p->sender, made->blob, p->segments, err);
		} else {
			r = send_segment(p, &made->record, err);
		}
		packed_free(made);
	}
	return r;
}

static void take_ack(struct push *p, uint64_t number)
{
	while (p->first && p->first->number <= number) {
		struct flight *f = p->first;

		p->first = f->next;
		if (!p->first)
			p->last = &p->first;
		p->in_flight -= f->len;
		free(f);
	}
}

/* --- blobs in --- */

static int take_item(struct push *p, struct source_item *i, struct err *err)
{
	struct batch *b;

	switch (i->kind) {
	case SOURCE_BEGIN:
		p->blobs_open++;
		p->begun += i->size;
		p->result.bytes_read += i->size;
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

static void commit(struct push *p)
{
	struct message m = { .type = MSG_IMAGE_COMMIT, .image_commit = { .job = p->c.job } };

	p->state = COMMITTING;
	p->ops.phase(p->ctx, PUSH_APPLYING);
	tell_or_end(p, &m);
}

/* Everything was read and every BLOB_END is out. */
static bool all_sent(const struct push *p)
{
	return p->read_all && p->drained && p->blobs_open == 0 && sender_waiting(p->sender) == 0;
}

static void pump(struct push *p)
{
	struct err err = { 0 };

	if (p->state != SENDING || p->pumping)
		return;
	p->pumping = true;
	if (pump_packed(p, &err) != 0 || pump_source(p, &err) != 0) {
		p->pumping = false;
		end(p, &err);
		return;
	}
	p->pumping = false;
	if (p->state == SENDING && all_sent(p))
		commit(p);
}

void push_room(struct push *p)
{
	pump(p);
}

static void on_ready(void *ctx)
{
	pump(ctx);
}

static void on_pack_failed(void *ctx, const struct err *err)
{
	end(ctx, err);
}

static void on_wake(void *ctx)
{
	struct push *p = ctx;

	if (p->state == ENDING && !p->save)
		finish(p);
	else
		pump(p);
}

/* --- the save --- */

static void on_saved(void *ctx, const struct err *err)
{
	struct push *p = ctx;

	p->save = NULL;
	if (p->state == ENDING) {
		finish(p);
		return;
	}
	if (err) {
		end(p, err);
		return;
	}
	p->read_all = true;
	pump(p);
}

/* The parts of the image that have to be read. A layer that occurs twice is read once. */
static int choose_layers(struct push *p, const struct msg_image_state *m, struct err *err)
{
	const struct engine_image *image = p->c.image;
	struct digest *wanted = calloc(image->n_diff_ids + 1, sizeof(*wanted));
	size_t n = 0;
	int r;

	if (!wanted)
		return err_nomem(err);
	for (size_t i = 0; i < image->n_diff_ids; i++) {
		bool known = m->layers.p[i] != LAYER_SENT;

		p->result.layers_skipped += known;
		for (size_t k = 0; k < n && !known; k++)
			known = digest_equal(&wanted[k], &image->diff_ids[i]);
		if (!known)
			wanted[n++] = image->diff_ids[i];
	}
	p->result.config_present = m->config_present;
	r = source_want(p->source, wanted, n, !m->config_present, err);
	free(wanted);
	return r;
}

static int start_sending(struct push *p, struct err *err)
{
	const struct sender_ops sender_ops = { .send = on_send,
		.pack = on_pack,
		.settled = on_settled,
		.flush = on_flush,
		.done = on_done };
	const struct packer_ops packer_ops = { .ready = on_ready, .failed = on_pack_failed };
	uint8_t *config;
	size_t len;
	int r = 0;

	p->state = SENDING;
	p->ops.phase(p->ctx, PUSH_SENDING);
	p->sender = sender_new(&sender_ops, p, p->c.full_names);
	if (!p->sender)
		return err_nomem(err);
	p->packer = packer_new(p->c.loop, p->window, p->c.level, &packer_ops, p, err);
	if (!p->packer)
		return -1;
	if (!p->result.config_present &&
		engine_read_config(p->c.info, &p->c.image->id, &config, &len)) {
		r = source_give_config(p->source, config, len, err);
		free(config);
	}
	if (r == 0 && source_wants_more(p->source))
		return engine_save_start(p->c.engine, p->c.image, &source_sink, p->source, on_saved,
			p, &p->save, err);
	p->read_all = true;
	return r;
}

/* --- messages --- */

static int take_state(struct push *p, const struct msg_image_state *m, struct err *err)
{
	if (p->state != OFFERING || m->layers.n != p->c.image->n_diff_ids)
		return err_set(err, ERR_PROTOCOL, "IMAGE_STATE does not fit the offer");
	p->result.image_present = m->image_present;
	if (choose_layers(p, m, err) != 0)
		return -1;
	if (m->image_present)
		p->result.layers_skipped = p->result.layers;
	if (p->c.dry_run) {
		end(p, NULL);
		return 0;
	}
	if (m->image_present) {
		commit(p);
		return 0;
	}
	if (start_sending(p, err) != 0)
		return -1;
	pump(p);
	return 0;
}

static int take_done(struct push *p, const struct msg_image_done *m, struct err *err)
{
	if (p->state != COMMITTING)
		return err_set(err, ERR_PROTOCOL, "IMAGE_DONE before IMAGE_COMMIT");
	if (!digest_equal(&m->image, &p->c.image->id))
		return err_set(
			err, ERR_VERIFY, "the target's image has another ID than the source's");
	p->result.tags = m->tags;
	end(p, NULL);
	return 0;
}

static void take_fail(struct push *p, const struct msg_fail *m)
{
	char text[FAIL_TEXT_MAX + 1];
	struct err err;

	text_escape(text, sizeof(text), m->text.s, m->text.n);
	err_set(&err,
		m->code > ERR_NONE && m->code < ERR_CODE_COUNT ? (enum err_code)m->code
							       : ERR_FAILED,
		"the target: %s", text);
	/* An image that vanished from the target between the offer and its tag is simply offered
	 * again. */
	if (err.code == ERR_NOT_FOUND)
		p->result.again = true;
	end(p, &err);
}

int push_message(struct push *p, const struct message *m, struct err *err)
{
	int r = 0;

	if (p->state == ENDING)
		return 0;
	if (m->type == MSG_IMAGE_STATE) {
		r = take_state(p, &m->image_state, err);
	} else if (m->type == MSG_IMAGE_DONE) {
		r = take_done(p, &m->image_done, err);
	} else if (m->type == MSG_FAIL) {
		take_fail(p, &m->fail);
	} else if (m->type == MSG_ACK) {
		take_ack(p, m->ack.number);
		pump(p);
	} else if (m->type == MSG_PROGRESS) {
		if (m->progress.phase > 1)
			p->ops.phase(p->ctx, PUSH_APPLYING);
	} else if (p->sender) {
		r = sender_take(p->sender, m, err);
		if (r == 0)
			pump(p);
	} else {
		r = err_set(err, ERR_PROTOCOL, "%s before the offer was answered",
			message_name(m->type));
	}
	return r;
}

/* --- the start --- */

static int send_offer(struct push *p, struct err *err)
{
	struct message m = { .type = MSG_IMAGE_OFFER };
	struct buf tags;
	int r;

	buf_init(&tags, CONTROL_MESSAGE_MAX);
	m.image_offer.job = p->c.job;
	m.image_offer.image = p->c.image->id;
	m.image_offer.size = p->c.image->size;
	m.image_offer.diff_ids = (wire_digests){ .at = p->c.image->diff_ids,
		.n = (uint32_t)p->c.image->n_diff_ids };
	m.image_offer.tags = wire_texts_of(&tags, p->c.tags, p->c.n_tags);
	r = buf_ok(&tags) ? tell(p, &m, err) : err_nomem(err);
	buf_done(&tags);
	return r;
}

int push_start(const struct push_config *config, const struct push_ops *ops, void *ctx,
	struct push **ret, struct err *err)
{
	struct push *p;

	if (config->image->n_diff_ids > OFFER_LAYERS_MAX || config->n_tags > OFFER_TAGS_MAX)
		return err_set(err, ERR_LIMIT, "an image of %zu layers is more than engines take",
			config->image->n_diff_ids);
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(err);
	p->c = *config;
	p->ops = *ops;
	p->ctx = ctx;
	p->last = &p->first;
	p->result.layers = config->image->n_diff_ids;
	p->result.bytes_total = config->image->size;
	p->window = window_new(WINDOW_BYTES);
	if (!p->window)
		err_nomem(err);
	else if (uv_wake_new(config->loop, on_wake, p, &p->wake, err) == 0 &&
		 (p->source = source_new(p->window, uv_wake_send, p->wake, err)) &&
		 send_offer(p, err) == 0) {
		p->ops.phase(ctx, PUSH_ASKING);
		*ret = p;
		return 0;
	}
	source_free(p->source);
	uv_wake_close(p->wake);
	window_free(p->window);
	free(p);
	return -1;
}
