/*
 * What goes to the target before the cutover. Happy path: OFFER -> findings -> the source is taken
 * down -> its commit goes as an image (client/push), its volumes as trees -> PREPARE -> the report.
 * With --live what changes little goes before that, while the source runs.
 */
#include "client/migrate/uv_migrate_impl.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_MS 100u

struct line_call migration_call(const struct migration *m, enum migrate_verb verb)
{
	struct line_call call = { .verb = verb };

	memcpy(call.migration, m->j.id, sizeof(call.migration));
	return call;
}

static void interrupted(struct migration *m)
{
	struct err err;

	err_set(&err, ERR_INTERRUPTED, "interrupted");
	migration_fail(m, &err);
}

/* --- the image --- */

static void leg_over(struct migrate_run *r)
{
	uv_timer_stop(&r->clock);
	uv_target_close(r->leg);
	facts_done(&r->image.facts);
	r->leg = NULL;
	r->image = (struct run_image){ 0 };
}

static void leg_closed(uv_timer_t *timer)
{
	struct migrate_run *r = timer->data;
	struct migration *m = r->now;
	struct report_outcome outcome = { 0 };

	uv_target_outcome(r->leg, 0, &outcome);
	m->bytes_sent += outcome.bytes_sent;
	m->image_bytes = outcome.result.bytes_total;
	m->layers = outcome.result.layers;
	m->layers_skipped = outcome.result.layers_skipped;
	if (outcome.err.code == ERR_NONE)
		m->config = r->image.facts.image.config;
	leg_over(r);
	if (outcome.err.code != ERR_NONE)
		migration_fail(m, &outcome.err);
	else if (r->stopping)
		interrupted(m);
	else
		m->then(m);
}

static void on_leg_over(void *ctx)
{
	struct migrate_run *r = ctx;

	r->timer.data = r;
	uv_timer_start(&r->timer, leg_closed, 0, 0);
}

static void on_facts(void *ctx, const struct err *err)
{
	struct migrate_run *r = ctx;

	r->image.asking = false;
	if (err)
		r->image.err = *err;
	else
		r->image.known = true;
	if (r->leg)
		uv_target_poke(r->leg);
}

static void ask(void *ctx, struct run_image *image)
{
	struct migrate_run *r = ctx;

	image->err = (struct err){ 0 };
	image->asking = true;
	facts_ask(&image->facts, r->engine, image->typed, on_facts, r);
}

static void on_clock(uv_timer_t *clock)
{
	struct migrate_run *r = clock->data;

	report_tick(&r->report, uv_now(&r->loop));
}

static struct uv_target *new_leg(struct migrate_run *r)
{
	struct uv_target **longer = reallocarray(r->legs, r->n_legs + 1, sizeof(*longer));
	struct uv_target *leg;

	if (!longer)
		return NULL;
	r->legs = longer;
	leg = uv_target_new(&r->shared, r->o->target, 0);
	if (leg)
		r->legs[r->n_legs++] = leg;
	return leg;
}

void migration_send_image(struct migration *m, const char *image, void (*then)(struct migration *m))
{
	struct migrate_run *r = m->run;
	struct err err;

	m->then = then;
	migrate_say_phase(m, "sending the image");
	r->image = (struct run_image){ .typed = image };
	r->shared = (struct run_shared){ .loop = &r->loop,
		.engine = r->engine,
		.readings = r->readings,
		.images = &r->image,
		.n_images = 1,
		.report = &r->report,
		.key = r->o->key,
		.level = r->o->level,
		.read = r->o->read,
		.lanes = &r->o->lanes,
		.retry_for_ms = r->o->retry_for_ms,
		.ask = ask,
		.over = on_leg_over,
		.ctx = r };
	r->leg = new_leg(r);
	if (!r->leg) {
		err_nomem(&err);
		migration_fail(m, &err);
		return;
	}
	r->clock.data = r;
	uv_timer_start(&r->clock, on_clock, CLOCK_MS, CLOCK_MS);
	ask(r, &r->image);
	uv_target_poke(r->leg);
}

void migration_break_off_leg(struct migrate_run *r, const struct err *err)
{
	if (r->leg)
		uv_target_stop(r->leg, err);
}

/* --- volumes --- */

static void next_tree(struct migration *m);

static void on_progress(void *ctx, uint64_t done)
{
	(void)ctx;
	(void)done;
}

static void say_notes(const struct migration_tree *t)
{
	char text[TREE_SENTENCE_MAX];

	for (unsigned k = 0; k < TREE_NOTE_KINDS; k++) {
		if (t->result.report.notes[k].n > 0)
			log_warn("volume %s: %s", t->name,
				tree_note_text(&t->result.report, (enum tree_note_kind)k, text));
	}
}

static void on_tree(void *ctx, const struct tree_result *result, const struct err *err)
{
	struct migration *m = ctx;

	if (err) {
		migration_fail(m, err);
		return;
	}
	m->trees[m->at].result = *result;
	m->round_bytes += result->report.bytes_read;
	m->at++;
	next_tree(m);
}

static void next_tree(struct migration *m)
{
	struct migration_tree *t = &m->trees[m->at];
	struct line_tree tree = { .volume = t->name,
		.root = t->root,
		.cache = t->cache,
		.reread = m->run->o->reread && m->rounds == 0 };

	if (m->run->stopping) {
		interrupted(m);
		return;
	}
	if (m->at == m->n_trees) {
		m->then(m);
		return;
	}
	memcpy(tree.migration, m->j.id, sizeof(tree.migration));
	line_send_tree(m->run->line, &tree, on_progress, on_tree, m);
}

void migration_send_trees(struct migration *m, void (*then)(struct migration *m))
{
	m->then = then;
	m->at = 0;
	m->round_bytes = 0;
	if (m->n_trees > 0)
		migrate_say_phase(m, "sending volumes");
	next_tree(m);
}

/* --- PREPARE --- */

static int check_report(const struct migration *m, struct err *err)
{
	char first[600];
	size_t n = migrate_missing(m->report, first, sizeof(first));

	if (!m->j.require_full || n == 0)
		return 0;
	return err_set(err, ERR_FAILED, "--require-full: %zu of the container's fields %s (%s)", n,
		n == 1 ? "would not be as it was" : "would not be as they were", first);
}

static void prepared(void *ctx, const struct line_answer *answer, const struct err *failed)
{
	struct migration *m = ctx;
	struct err err;

	if (failed) {
		migration_fail(m, failed);
		return;
	}
	json_decref(m->report);
	m->report = json_incref(answer->report);
	snprintf(m->made, sizeof(m->made), "%s", answer->container);
	if (answer->stage != STAGE_PREPARED)
		err_set(&err, ERR_PROTOCOL, "the target did not prepare the container");
	if (answer->stage != STAGE_PREPARED || check_report(m, &err) != 0)
		migration_fail(m, &err);
	else if (m->run->stopping)
		interrupted(m);
	else
		migration_ask_commit(m);
}

void migration_prepare(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_PREPARE);

	migrate_say_phase(m, "preparing");
	call.image = m->config;
	line_ask(m->run->line, &call, prepared, m);
}

/* --- the order of things --- */

/* The last time: nothing changes any more. */
static void final_trees(struct migration *m)
{
	for (size_t i = 0; i < m->n_trees; i++)
		say_notes(&m->trees[i]);
	migration_prepare(m);
}

static void image_sent(struct migration *m)
{
	migration_send_trees(m, final_trees);
}

static void is_committed(struct migration *m)
{
	migration_send_image(m, m->j.image, image_sent);
}

static void is_down(struct migration *m)
{
	migration_commit_image(m, true, is_committed);
}

static void take_down(struct migration *m)
{
	migration_take_down(m, is_down);
}

/* --- OFFER --- */

static void offered(void *ctx, const struct line_answer *answer, const struct err *failed)
{
	struct migration *m = ctx;
	struct err err;

	if (failed) {
		migration_fail(m, failed);
		return;
	}
	m->offered = true;
	json_decref(m->report);
	m->report = json_incref(answer->report);
	if (answer->stage == STAGE_UNDONE || answer->stage > STAGE_PREPARED)
		err_set(&err, ERR_FAILED, "the target has this migration as over already");
	else if (check_report(m, &err) == 0)
		err.code = ERR_NONE;
	if (m->run->o->way == MIGRATE_WAY_PLAN) {
		migrate_say_findings(m);
		migration_go_back(m);
	} else if (err.code != ERR_NONE) {
		migration_fail(m, &err);
	} else if (m->run->stopping) {
		interrupted(m);
	} else if (m->j.live && m->j.was_running && m->j.stage == CUTOVER_OPEN) {
		migration_send_ahead(m, take_down);
	} else {
		take_down(m);
	}
}

void migration_offer(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_OFFER);

	call.flags = m->j.overwrite ? MIGRATE_OVERWRITE : 0;
	call.manifest = &m->order;
	line_ask(m->run->line, &call, offered, m);
}
