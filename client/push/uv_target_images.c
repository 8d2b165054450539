/*
 * Owns the order of the images at one target. Happy path: an image is offered, sent, committed; the
 * next one is offered as soon as the one before it is committed, or done when they share layers.
 * Failure modes: a job that fails is said to be given up, and the session goes on with the next
 * image; a second one that was broken off in the middle ends the session first, since answers to
 * neither may be left open.
 */
#include "client/push/uv_target_impl.h"

#include "common/base/log.h"

#define AT_ONCE_MAX 3u /* images of a session that are not done; the protocol allows 16 */

static uint64_t now(const struct uv_target *t)
{
	return uv_now(t->s->loop);
}

bool uv_target_busy(const struct uv_target *t)
{
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].push)
			return true;
	}
	return false;
}

void uv_target_pair_failed(struct uv_target *t, struct pair *pair, const struct err *err)
{
	pair->stage = STAGE_FAILED;
	pair->err = *err;
	report_state(t->s->report, pair->shown, PAIR_FAILED, now(t));
}

/* --- the push's callbacks --- */

static void on_phase(void *ctx, enum push_phase phase)
{
	static const enum pair_state states[] = { [PUSH_ASKING] = PAIR_ASKING,
		[PUSH_SENDING] = PAIR_SENDING,
		[PUSH_APPLYING] = PAIR_APPLYING };
	struct pair *p = ctx;
	struct uv_target *t = p->target;

	if (phase > p->furthest) {
		p->furthest = phase;
		retry_moved(&t->retry);
	}
	report_state(t->s->report, p->shown, states[phase], now(t));
	if (phase == PUSH_APPLYING)
		uv_target_step(t); /* the next one's turn */
}

static void on_progress(void *ctx)
{
	struct pair *p = ctx;

	report_progress(p->target->s->report, p->shown, now(p->target));
}

static void on_moved(void *ctx)
{
	struct pair *p = ctx;

	retry_moved(&p->target->retry);
}

static void on_note(void *ctx, const char *text)
{
	struct pair *p = ctx;

	report_note(p->target->s->report, text);
}

static void on_said(void *ctx, const char *text)
{
	struct pair *p = ctx;

	report_said(p->target->s->report, p->shown, text);
}

/* The target has the job open as long as it was not told. `why` NULL: that was all that was wanted.
 */
static void abandon_job(struct uv_target *t, const struct push *push, const struct err *why)
{
	const struct err enough = { .code = ERR_INTERRUPTED, .text = "not wanted any more" };
	struct message m = message_fail(push_job(push), why ? why : &enough);
	struct uv_conn *conn = t->reach && !t->finishing ? uv_reach_conn(t->reach) : NULL;
	struct err err;

	if (conn && t->welcomed && uv_conn_send(conn, &m, &err) != 0)
		log_debug("%s: %s", t->target->name, err.text);
}

/* The session cannot go on after every push: answers to its questions are passed over, but only one
 * push's worth of them may be open together with the next one's. */
static void maybe_renew(struct uv_target *t, const struct push_result *result)
{
	bool settled = result->sent_all || !result->answered;

	t->renew = t->renew || (!settled && t->unsettled);
	t->unsettled = t->unsettled || !settled;
}

static bool passes(const struct err *err)
{
	return err->code == ERR_UNREACHABLE || err->code == ERR_AGAIN;
}

static void pair_ended(struct pair *p, const struct push_result *result, const struct err *err)
{
	struct uv_target *t = p->target;

	p->stage = STAGE_TO_DO;
	report_state(t->s->report, p->shown, PAIR_WAITING, now(t));
	t->answered = t->answered || result->answered;
	if (t->err.code != ERR_NONE)
		return; /* the try ends anyway */
	maybe_renew(t, result);
	if (result->behind) {
		report_behind(t->s->report, p->shown, err);
	} else if (result->other_form || passes(err)) {
		t->engine_failed = result->engine_failed;
		t->other_form = result->other_form;
		uv_target_fail(t, p, err);
	} else {
		uv_target_pair_failed(t, p, err);
		report_error(t->s->report, p->shown, err);
	}
}

static void on_over(void *ctx, const struct push_result *result, const struct err *err)
{
	struct pair *p = ctx;
	struct uv_target *t = p->target;
	struct push *push = p->push;

	p->push = NULL;
	p->result = *result;
	if (t->next_blob < push_next_blob(push))
		t->next_blob = push_next_blob(push);
	if (err || t->s->dry_run)
		abandon_job(t, push, err);
	if (err) {
		pair_ended(p, result, err);
	} else {
		p->stage = STAGE_DONE;
		report_state(t->s->report, p->shown, PAIR_DONE, now(t));
	}
	uv_target_step(t);
}

/* --- the order --- */

struct pair *uv_target_next_pair(struct uv_target *t)
{
	for (size_t i = 0; i < t->n_pairs; i++) {
		struct pair *p = &t->pairs[i];
		struct run_image *image = p->image;

		if (p->stage != STAGE_TO_DO)
			continue;
		if (image->asking || image->err.code == ERR_NONE)
			return p;
		if (image->known) { /* the engine is away: later */
			t->engine_failed = true;
			uv_target_fail(t, p, &image->err);
			return p;
		}
		uv_target_pair_failed(t, p, &image->err);
	}
	return NULL;
}

static bool share_layers(const struct engine_image *a, const struct engine_image *b)
{
	for (size_t i = 0; i < a->n_diff_ids; i++) {
		for (size_t k = 0; k < b->n_diff_ids; k++) {
			if (digest_equal(&a->diff_ids[i], &b->diff_ids[k]))
				return true;
		}
	}
	return false;
}

/* One is sent at a time, beside a few that the target's engine applies. */
static bool must_wait(const struct uv_target *t, const struct pair *next)
{
	size_t running = 0;

	for (size_t i = 0; i < t->n_pairs; i++) {
		const struct pair *p = &t->pairs[i];

		if (p->push && (!push_sent_all(p->push) || share_layers(&p->image->facts.image,
								   &next->image->facts.image)))
			return true;
		running += p->push != NULL;
	}
	return running >= AT_ONCE_MAX;
}

static int start_push(struct uv_target *t, struct pair *p, struct err *err)
{
	const struct push_ops ops = { .phase = on_phase,
		.progress = on_progress,
		.moved = on_moved,
		.note = on_note,
		.said = on_said,
		.over = on_over };
	const struct facts *f = &p->image->facts;
	struct push_config config = { .loop = t->s->loop,
		.readings = t->s->readings,
		.conn = uv_reach_conn(t->reach),
		.lanes = t->lanes,
		.info = &f->info,
		.image = &f->image,
		.layer_sizes = f->layer_sizes,
		.tags = f->tags,
		.n_tags = (uint16_t)f->n_tags,
		.job = t->next_job,
		.first_blob = t->next_blob,
		.level = t->s->level,
		.read = t->s->read,
		.dry_run = t->s->dry_run,
		.past = &p->past };

	if (!p->past.layers && push_past_init(&p->past, &f->image, f->layer_sizes, err) != 0)
		return -1;
	p->shown->layers = p->past.layers;
	p->shown->n_layers = p->past.n_layers;
	uv_target_charge(t, p);
	if (push_start(&config, &ops, p, &p->push, err) != 0)
		return -1;
	t->next_job++;
	p->stage = STAGE_UNDER_WAY;
	return 0;
}

void uv_target_next_image(struct uv_target *t)
{
	struct pair *next = uv_target_next_pair(t);
	struct err err;

	if (!next || t->err.code != ERR_NONE || next->image->asking || must_wait(t, next))
		return;
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].push && t->next_blob < push_next_blob(t->pairs[i].push))
			t->next_blob = push_next_blob(t->pairs[i].push);
	}
	if (start_push(t, next, &err) == 0)
		return;
	if (err.code != ERR_LIMIT) {
		uv_target_fail(t, NULL, &err);
		return;
	}
	uv_target_pair_failed(t, next, &err);
	report_error(t->s->report, next->shown, &err);
	uv_target_next_image(t);
}

bool uv_target_will_read(const struct uv_target *t, const struct digest *image)
{
	if (t->over || t->waiting || t->err.code != ERR_NONE)
		return false;
	for (size_t i = 0; i < t->n_pairs; i++) {
		const struct pair *p = &t->pairs[i];

		if (p->stage == STAGE_DONE || p->stage == STAGE_FAILED ||
			(p->push && (push_sent_all(p->push) || push_all_read(p->push))))
			continue;
		/* The first one that is not through is what it wants next, unless that is being
		 * read already. */
		return p->image->known && digest_equal(&p->image->facts.image.config, image) &&
		       !p->past.alone && (!p->push || push_offering(p->push));
	}
	return false;
}

/* --- messages --- */

static struct push *push_of_job(const struct uv_target *t, uint32_t job)
{
	for (size_t i = 0; i < t->n_pairs; i++) {
		struct push *p = t->pairs[i].push;

		if (p && push_job(p) == job)
			return p;
	}
	return NULL;
}

static struct push *push_of_blob(const struct uv_target *t, uint32_t blob)
{
	for (size_t i = 0; i < t->n_pairs; i++) {
		struct push *p = t->pairs[i].push;

		if (p && push_has_blob(p, blob))
			return p;
	}
	return NULL;
}

static int take_ack(struct uv_target *t, const struct msg_ack *m, struct err *err)
{
	bool moved;

	if (lanes_acked(t->lanes, m->number, &moved, err) != 0)
		return -1;
	if (moved)
		retry_moved(&t->retry);
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].push)
			push_room(t->pairs[i].push);
	}
	return 0;
}

/* For a push that is not there any more, or for none that ever was. */
static int take_stray(bool known, const struct message *m, struct err *err)
{
	if (known)
		return 0;
	return err_set(err, ERR_PROTOCOL, "%s about nothing that was begun", message_name(m->type));
}

static int to_job(struct uv_target *t, uint32_t job, const struct message *m, struct err *err)
{
	struct push *p = push_of_job(t, job);

	return p ? push_message(p, m, err) : take_stray(job < t->next_job, m, err);
}

static int to_blob(struct uv_target *t, uint32_t blob, const struct message *m, struct err *err)
{
	struct push *p = push_of_blob(t, blob);

	return p ? push_message(p, m, err) : take_stray(blob < t->next_blob, m, err);
}

int uv_target_message(struct uv_target *t, const struct message *m, struct err *err)
{
	if (t->finishing)
		return 0; /* on its way before the end */
	if (m->type == MSG_FAIL && m->fail.job == UINT32_MAX)
		return message_failure(&m->fail, "the target", err);
	if (m->type == MSG_ACK)
		return take_ack(t, &m->ack, err);
	if (m->type == MSG_IMAGE_STATE)
		return to_job(t, m->image_state.job, m, err);
	if (m->type == MSG_IMAGE_DONE)
		return to_job(t, m->image_done.job, m, err);
	if (m->type == MSG_PROGRESS)
		return to_job(t, m->progress.job, m, err);
	if (m->type == MSG_FAIL)
		return to_job(t, m->fail.job, m, err);
	if (m->type == MSG_TELL_RECIPES)
		return to_blob(t, m->tell_recipes.blob, m, err);
	if (m->type == MSG_TELL_CHUNKS)
		return to_blob(t, m->tell_chunks.blob, m, err);
	if (m->type == MSG_BLOB_DONE)
		return to_blob(t, m->blob_done.blob, m, err);
	return err_set(err, ERR_PROTOCOL, "%s is no answer", message_name(m->type));
}
