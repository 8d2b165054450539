/*
 * Owns one push: the offer, its place in a reading, the sender's questions, the packer. Happy path:
 * OFFERING -> SENDING (blobs in the order in which the engine saves them) -> COMMITTING -> over.
 * When the target has the image already, OFFERING goes to COMMITTING, and the engine is asked for
 * nothing. Failure modes: the engine, the link, the target's FAIL, falling behind other targets;
 * each leaves the reading and ends in `over` from the loop.
 */
#include "client/push/offer.h"
#include "client/push/uv_push_impl.h"

#include "common/base/text.h"
#include <stdlib.h>
#include <string.h>

#define LAYER_SENT 0 /* in IMAGE_STATE: neither in the engine nor in the store */

/* --- what the tries have in common --- */

int push_past_init(struct push_past *past, const struct engine_image *image, const uint64_t *sizes,
	struct err *err)
{
	struct layer_progress *l = calloc(image->n_diff_ids + 1, sizeof(*l));

	if (!l)
		return err_nomem(err);
	for (size_t i = 0; i < image->n_diff_ids; i++) {
		l[i].id = image->diff_ids[i];
		l[i].size = sizes ? sizes[i] : 0;
		for (size_t k = 0; k < i; k++) {
			if (digest_equal(&l[k].id, &l[i].id))
				l[i].state = LAYER_REPEATED;
		}
	}
	l[image->n_diff_ids].id = image->config;
	*past = (struct push_past){ .layers = l, .n_layers = image->n_diff_ids };
	return 0;
}

void push_past_done(struct push_past *past)
{
	free(past->layers);
	past->layers = NULL;
}

/* --- the end --- */

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
	packer_close(p->packer);
	free(p->done);
	free(p);
}

/* Ends the push from the loop: nothing is freed under a caller's feet. */
void push_end(struct push *p, const struct err *err)
{
	if (p->state == ENDING)
		return;
	p->state = ENDING;
	if (err)
		p->err = *err;
	reader_leave(p->reader);
	p->reader = NULL;
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

	if (p->state == ENDING)
		finish(p);
	else
		push_pump(p);
}

uint32_t push_job(const struct push *p)
{
	return p->c.job;
}

bool push_has_blob(const struct push *p, uint32_t blob)
{
	return blob >= p->c.first_blob && blob < p->next_blob;
}

uint32_t push_next_blob(const struct push *p)
{
	return p->next_blob;
}

bool push_offering(const struct push *p)
{
	return p->state == OFFERING;
}

bool push_all_read(const struct push *p)
{
	return p->state == SENDING && p->read_all;
}

bool push_sent_all(const struct push *p)
{
	return p->state == COMMITTING;
}

/* --- the reading --- */

static void on_items(void *ctx)
{
	push_pump(ctx);
}

static void on_read(void *ctx, const struct err *err)
{
	struct push *p = ctx;

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

static void on_behind(void *ctx)
{
	struct push *p = ctx;
	struct err err;

	p->result.behind = p->c.past->alone = true;
	err_set(&err, ERR_AGAIN, "slower than the others; what is left is read for it alone");
	push_end(p, &err);
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
	for (uint32_t i = 0; i < m->layers.n; i++) {
		bool there = m->image_present || m->layers.p[i] != LAYER_SENT;

		past->layers_skipped += there;
		if (there)
			past->layers[i].state = LAYER_THERE;
	}
}

/* A layer that the target has now, perhaps since an earlier try. */
static void settle_layer(struct layer_progress *l)
{
	if (l->state == LAYER_THERE || l->state == LAYER_REPEATED)
		return;
	l->state = LAYER_DONE;
	l->done = l->size;
}

/* The parts of the image that have to be read. A layer that occurs twice is read once. Returns how
 * many layers are in `ret`. */
static size_t choose_layers(struct push *p, const struct msg_image_state *m, struct digest *ret)
{
	struct layer_progress *layers = p->c.past->layers;
	size_t n = 0;

	for (size_t i = 0; i < p->c.past->n_layers; i++) {
		bool known = m->image_present || m->layers.p[i] != LAYER_SENT;

		if (known)
			settle_layer(&layers[i]);
		for (size_t k = 0; k < n && !known; k++)
			known = digest_equal(&ret[k], &layers[i].id);
		if (known)
			continue;
		layers[i].state = LAYER_WAITING;
		ret[n++] = layers[i].id;
	}
	return n;
}

static int start_sending(struct push *p, const struct msg_image_state *m, struct err *err)
{
	static const struct reader_ops ops = {
		.items = on_items, .over = on_read, .behind = on_behind
	};
	struct digest *wanted = calloc(p->c.past->n_layers + 1, sizeof(*wanted));
	struct reader_config config = { .info = p->c.info,
		.image = p->c.image,
		.wants = { .layers = wanted, .config = !m->config_present },
		.way = p->c.past->by_api ? READ_API : p->c.read,
		.alone = p->c.past->alone };
	int r;

	if (!wanted)
		return err_nomem(err);
	config.wants.n_layers = choose_layers(p, m, wanted);
	p->state = SENDING;
	p->ops.phase(p->ctx, PUSH_SENDING);
	r = push_pump_open(p, err);
	if (r == 0 && m->store_empty)
		sender_assume_nothing(p->sender);
	p->read_all = config.wants.n_layers == 0 && !config.wants.config;
	if (r == 0 && !p->read_all)
		r = reader_join(p->c.readings, &config, &ops, p, &p->reader, err);
	free(wanted);
	return r;
}

/* --- messages --- */

static int take_state(struct push *p, const struct msg_image_state *m, struct err *err)
{
	if (p->state != OFFERING || m->layers.n != p->c.image->n_diff_ids)
		return err_set(err, ERR_PROTOCOL, "IMAGE_STATE does not fit the offer");
	take_account(p, m);
	if (p->c.dry_run) {
		push_end(p, NULL);
		return 0;
	}
	if (m->image_present) {
		push_commit(p);
		return 0;
	}
	if (start_sending(p, m, err) != 0)
		return -1;
	push_pump(p);
	return 0;
}

static int take_done(struct push *p, const struct msg_image_done *m, struct err *err)
{
	char note[ERR_TEXT_MAX];

	if (p->state != COMMITTING)
		return err_set(err, ERR_PROTOCOL, "IMAGE_DONE before IMAGE_COMMIT");
	p->result.target_id = m->image;
	p->result.tags = m->tags;
	text_escape(note, sizeof(note), m->note.s, m->note.n);
	if (*note)
		p->ops.said(p->ctx, note);
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
	p->next_blob = config->first_blob;
	p->result.layers = config->image->n_diff_ids;
	p->result.bytes_total = config->image->size;
	p->done = calloc(config->image->n_diff_ids + 1, sizeof(*p->done));
	if (!p->done)
		err_nomem(err);
	else if (uv_wake_new(config->loop, on_wake, p, &p->wake, err) == 0 &&
		 send_offer(p, err) == 0) {
		p->ops.phase(ctx, PUSH_ASKING);
		*ret = p;
		return 0;
	}
	uv_wake_close(p->wake);
	free(p->done);
	free(p);
	return -1;
}
