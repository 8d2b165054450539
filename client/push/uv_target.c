/*
 * Owns one target's tries. Happy path: the facts of an image -> connect -> WELCOME -> images ->
 * goodbye. Failure modes: what may pass (retry.h) is waited for, and the images that are not done
 * begun again on a new connection, whose questions find what has arrived;
 * an image that cannot be sent ends alone; every other error ends all that is not done. An engine
 * that never answered is not waited for.
 */
#include "client/push/uv_target_impl.h"

#include "common/base/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint64_t now(const struct uv_target *t)
{
	return uv_now(t->s->loop);
}

void uv_target_fail(struct uv_target *t, struct pair *pair, const struct err *err)
{
	if (t->err.code != ERR_NONE)
		return;
	t->err = *err;
	t->failed = pair;
}

/* --- the tries --- */

static void start_try(struct uv_target *t)
{
	struct pair *failed = t->failed;
	bool ask = t->engine_failed;

	t->err = (struct err){ 0 };
	t->failed = NULL;
	t->engine_failed = t->other_form = false;
	t->welcomed = t->heard = t->answered = false;
	/* What failed at this end may be asked about again: is the engine back? */
	if (ask && failed && !failed->image->asking)
		t->s->ask(t->s->ctx, failed->image);
}

static void on_wait(uv_timer_t *wait)
{
	struct uv_target *t = wait->data;

	t->waiting = false;
	start_try(t);
	uv_target_step(t);
}

/* Adds for how long it was tried. */
static void say_for_how_long(struct uv_target *t)
{
	char text[ERR_TEXT_MAX], took[TEXT_SECONDS_MAX];

	if (t->tries < 2 || (t->err.code != ERR_UNREACHABLE && t->err.code != ERR_AGAIN))
		return;
	memcpy(text, t->err.text, sizeof(text));
	text_seconds(took, (double)retry_used(&t->retry, now(t)) / 1000);
	err_set(&t->err, t->err.code, "%.*s; gave up after %u tries, %s without a session",
		ERR_TEXT_MAX - 100, text, t->tries, took);
}

/* The next image that is not done; NULL: none. */
static struct pair *first_to_do(struct uv_target *t)
{
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].stage == STAGE_TO_DO)
			return &t->pairs[i];
	}
	return NULL;
}

static bool try_again(struct uv_target *t)
{
	struct retry_failure f = { .err = &t->err,
		.worked = t->welcomed,
		.late = t->answered,
		.unsaid = !t->heard,
		.other_form = t->other_form };
	struct pair *next = t->failed ? t->failed : first_to_do(t);
	uint64_t wait, jitter;

	if (!next || t->hopeless || !t->patient || t->err.code == ERR_INTERRUPTED)
		return false;
	randombytes_buf(&jitter, sizeof(jitter));
	if (!retry_failed(&t->retry, &f, now(t), jitter, &wait)) {
		say_for_how_long(t);
		return false;
	}
	report_retry(
		t->s->report, next->shown, &t->err, wait, retry_left(&t->retry, now(t)), now(t));
	t->waiting = true;
	uv_timer_start(&t->wait, on_wait, wait, 0);
	return true;
}

/* For good. Whatever is the pair's own affair leaves the others theirs. */
static void give_up(struct uv_target *t)
{
	struct pair *failed = t->failed;
	bool said = false;

	if (failed && (t->s->retry_for_ms == 0 || retry_left(&t->retry, now(t)) > 0)) {
		uv_target_pair_failed(t, failed, &t->err);
		report_error(t->s->report, failed->shown, &t->err);
		start_try(t);
		return;
	}
	for (size_t i = 0; i < t->n_pairs; i++) {
		struct pair *p = &t->pairs[i];

		if (p->stage != STAGE_TO_DO)
			continue;
		uv_target_pair_failed(t, p, &t->err);
		if (!said && t->err.code != ERR_INTERRUPTED)
			report_error(t->s->report, failed ? p->shown : NULL, &t->err);
		said = true;
	}
	start_try(t);
}

/* --- going on --- */

static void end(struct uv_target *t)
{
	if (t->over)
		return;
	t->over = true;
	t->s->over(t->s->ctx);
}

/* Ends a failed try once no push runs any more, and sees what is next. */
static void end_try(struct uv_target *t)
{
	if (uv_target_busy(t))
		return;
	if (t->reach) {
		uv_target_finish(t);
		return;
	}
	if (!try_again(t)) {
		give_up(t);
		uv_target_step(t);
	}
}

static void begin_session(struct uv_target *t, struct pair *next)
{
	if (!t->patient)
		retry_start(&t->retry, t->s->retry_for_ms, now(t));
	t->patient = true;
	t->payer = next;
	report_state(t->s->report, next->shown, PAIR_CONNECTING, now(t));
	uv_target_connect(t);
}

/* There is something to do, or under way. */
static void go_on(struct uv_target *t, struct pair *next)
{
	if (!t->reach && next && !next->image->asking)
		begin_session(t, next);
	else if (t->reach && t->renew && !uv_target_busy(t))
		uv_target_finish(t);
	else if (t->reach && t->ready && !t->renew)
		uv_target_next_image(t);
	if (t->err.code != ERR_NONE)
		end_try(t);
}

void uv_target_step(struct uv_target *t)
{
	struct pair *next;

	readings_poke(t->s->readings);
	if (t->over || t->waiting || (t->finishing && t->reach) || (t->lanes && !t->reach))
		return;
	next = t->err.code == ERR_NONE ? uv_target_next_pair(t) : NULL;
	if (t->err.code != ERR_NONE)
		end_try(t);
	else if (next || uv_target_busy(t))
		go_on(t, next);
	else if (t->reach)
		uv_target_finish(t);
	else
		end(t);
}

void uv_target_poke(struct uv_target *t)
{
	uv_target_step(t);
}

void uv_target_stop(struct uv_target *t, const struct err *err)
{
	if (t->over)
		return;
	t->err = *err;
	t->failed = NULL;
	t->waiting = false;
	uv_timer_stop(&t->wait);
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].push)
			push_lost(t->pairs[i].push, err);
	}
	uv_target_step(t);
}

/* --- the whole --- */

struct uv_target *uv_target_new(
	const struct run_shared *shared, const struct target *target, size_t number)
{
	struct uv_target *t = calloc(1, sizeof(*t));

	if (t)
		t->pairs = calloc(shared->n_images, sizeof(*t->pairs));
	if (!t || !t->pairs) {
		free(t);
		return NULL;
	}
	t->s = shared;
	t->target = target;
	t->n_pairs = shared->n_images;
	for (size_t i = 0; i < t->n_pairs; i++) {
		t->pairs[i].target = t;
		t->pairs[i].image = &shared->images[i];
		t->pairs[i].shown = report_pair(shared->report, i, number);
	}
	uv_timer_init(shared->loop, &t->wait);
	t->wait.data = t;
	return t;
}

void uv_target_close(struct uv_target *t)
{
	if (t->closed)
		return;
	assert(!t->reach && !t->lanes && !uv_target_busy(t));
	t->closed = true;
	uv_close((uv_handle_t *)&t->wait, NULL);
}

void uv_target_free(struct uv_target *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_pairs; i++)
		push_past_done(&t->pairs[i].past);
	free(t->pairs);
	free(t);
}

void uv_target_outcome(const struct uv_target *t, size_t image, struct report_outcome *ret)
{
	const struct pair *p = &t->pairs[image];

	ret->id = p->image->known ? &p->image->facts.image.config : NULL;
	ret->result = p->result;
	ret->err = p->err;
	ret->bytes_sent = p->bytes_sent;
}
