/*
 * Owns one push: the offer, the save and its source, the sender's questions, the packer, the
 * segments in flight. Happy path: OFFERING -> SENDING (blobs in the order in which the engine saves
 * them) -> COMMITTING -> over. When the target has the image already, OFFERING goes to COMMITTING,
 * and the engine is asked for nothing. Failure modes: the engine, the link, the target's FAIL; each
 * stops the save, waits for its thread, and ends in `over`.
 */
#include "client/uv_push_impl.h"

#include "client/offer.h"

#include <stdlib.h>
#include <string.h>

#define LAYER_SENT 0 /* in IMAGE_STATE: neither in the engine nor in the store */

/* --- the end --- */

static void drop_window(void *window)
{
	window_free(window);
}

static void finish(struct push *p)
{
	const struct err *err = p->err.code == ERR_NONE ? NULL : &p->err;

	p->result.layers_skipped = p->c.past->layers_skipped;
	p->result.image_present = p->c.past->image_present;
	p->result.config_present = p->c.past->config_present;
	p->result.bytes_read = p->c.past->bytes_read;
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
void push_end(struct push *p, const struct err *err)
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
	push_end(p, err);
}

int push_tell(struct push *p, const struct message *m, struct err *err)
{
	return uv_conn_send(p->c.conn, m, err);
}

void push_room(struct push *p)
{
	push_pump(p);
}

static void on_wake(void *ctx)
{
	struct push *p = ctx;

	if (p->state == ENDING && !p->save)
		finish(p);
	else
		push_pump(p);
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
		p->result.engine_failed = true;
		if (err->code == ERR_AGAIN)
			p->result.other_form = p->c.past->by_api = true;
		push_end(p, err);
		return;
	}
	p->read_all = true;
	push_pump(p);
}

/* What the target has before any of this began. */
static void take_account(struct push *p, const struct msg_image_state *m)
{
	struct push_past *past = p->c.past;

	p->result.answered = true;
	if (past->answered)
		return;
	past->answered = true;
	past->image_present = m->image_present;
	past->config_present = m->config_present;
	for (uint32_t i = 0; i < m->layers.n; i++)
		past->layers_skipped += m->image_present || m->layers.p[i] != LAYER_SENT;
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

		if (known) { /* perhaps since an earlier try */
			p->settled += p->c.past->sizes[i];
			p->begun += p->c.past->sizes[i];
		}
		for (size_t k = 0; k < n && !known; k++)
			known = digest_equal(&wanted[k], &image->diff_ids[i]);
		if (!known)
			wanted[n++] = image->diff_ids[i];
	}
	r = source_want(p->source, wanted, n, !m->config_present, err);
	free(wanted);
	return r;
}

static int start_sending(struct push *p, struct err *err)
{
	uint8_t *config;
	size_t len;
	int r = 0;

	p->state = SENDING;
	p->ops.phase(p->ctx, PUSH_SENDING);
	if (push_pump_open(p, err) != 0)
		return -1;
	if (source_wants_config(p->source) &&
		engine_read_config(p->c.info, &p->c.image->id, &config, &len)) {
		r = source_give_config(p->source, config, len, err);
		free(config);
	}
	if (r == 0 && source_wants_more(p->source))
		return engine_read_start(p->c.engine, p->c.info, p->c.image,
			p->c.past->by_api ? READ_API : p->c.read, &source_sink, p->source, on_saved,
			p, &p->save, err);
	p->read_all = true;
	return r;
}

/* --- messages --- */

static int take_state(struct push *p, const struct msg_image_state *m, struct err *err)
{
	if (p->state != OFFERING || m->layers.n != p->c.image->n_diff_ids)
		return err_set(err, ERR_PROTOCOL, "IMAGE_STATE does not fit the offer");
	take_account(p, m);
	if (choose_layers(p, m, err) != 0)
		return -1;
	if (p->c.dry_run) {
		push_end(p, NULL);
		return 0;
	}
	if (m->image_present) {
		push_commit(p);
		return 0;
	}
	if (start_sending(p, err) != 0)
		return -1;
	push_pump(p);
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
	push_end(p, NULL);
	return 0;
}

static void take_fail(struct push *p, const struct msg_fail *m)
{
	struct err err;

	message_failure(m, "the target", &err);
	/* An image that vanished from the target between the offer and its tag is simply offered
	 * again. */
	if (err.code == ERR_NOT_FOUND)
		err.code = ERR_AGAIN;
	push_end(p, &err);
}

static int take_ack(struct push *p, const struct msg_ack *m, struct err *err)
{
	bool moved;

	if (lanes_acked(p->c.lanes, m->number, &moved, err) != 0)
		return -1;
	if (moved)
		p->ops.moved(p->ctx);
	push_pump(p);
	return 0;
}

static void take_progress(struct push *p, const struct msg_progress *m)
{
	struct push_past *past = p->c.past;

	if (m->phase > 1)
		p->ops.phase(p->ctx, PUSH_APPLYING);
	if (m->done > past->applied) {
		past->applied = m->done;
		p->ops.moved(p->ctx);
	}
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
		r = take_ack(p, &m->ack, err);
	} else if (m->type == MSG_PROGRESS) {
		take_progress(p, &m->progress);
	} else if (p->sender) {
		r = sender_take(p->sender, m, err);
		if (r == 0)
			push_pump(p);
	} else {
		r = err_set(err, ERR_PROTOCOL, "%s before the offer was answered",
			message_name(m->type));
	}
	return r;
}

/* --- the start --- */

static int send_offer(struct push *p, struct err *err)
{
	struct offer offer;
	int r = offer_build(
		&offer, p->c.job, p->c.image, p->c.layer_sizes, p->c.tags, p->c.n_tags, err);

	if (r == 0)
		r = push_tell(p, &offer.message, err);
	offer_done(&offer);
	return r;
}

int push_start(const struct push_config *config, const struct push_ops *ops, void *ctx,
	struct push **ret, struct err *err)
{
	struct push *p;

	p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(err);
	p->c = *config;
	p->ops = *ops;
	p->ctx = ctx;
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
