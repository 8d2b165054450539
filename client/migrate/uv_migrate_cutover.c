/*
 * The cutover and the ways back. Happy path: SENT in the journal -> COMMIT -> the target is live ->
 * LIVE in the journal -> the commit's image goes -> DONE -> the journal goes. Back from where
 * COMMIT may have been heard: UNDOING in the journal -> UNDO -> "undone" -> BACK -> the source
 * starts. Failure mode: a target that does not answer; then COMMIT is sent again until the time in
 * which the copy should have come up is over, and the journal stays.
 */
#include "client/migrate/uv_migrate_impl.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 1000u
#define LATE_MS 30000u /* what the target may take besides the health's time */

static void hide_error(struct migration *m)
{
	m->err = (struct err){ 0 };
}

/* --- over --- */

static void journal_gone(struct migration *m)
{
	struct err err;

	if (m->journaled && journal_remove(m->run->dir, m->j.name, &err) != 0)
		log_warn("%s", err.text);
	m->journaled = false;
	migration_over(m);
}

/* Without this word the target forgets it by itself, a day later. */
static void done_told(void *ctx, const struct line_answer *answer, const struct err *err)
{
	(void)answer;
	if (err)
		log_debug("%s", err->text);
	journal_gone(ctx);
}

static void tell_done(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_DONE);

	call.once = true;
	line_ask(m->run->line, &call, done_told, m);
}

/* --- live --- */

static void closed(struct migration *m)
{
	if (migration_enter(m, CUTOVER_FINISHED) == 0)
		tell_done(m);
}

void migration_close(struct migration *m)
{
	hide_error(m);
	migration_drop_image(m, closed);
}

static void is_live(struct migration *m, const struct line_answer *answer)
{
	m->up_ms = migration_now_ms() - answer->up_ms;
	snprintf(m->made, sizeof(m->made), "%s", answer->container);
	json_decref(m->report);
	m->report = json_incref(answer->report);
	if (migration_enter(m, CUTOVER_IS_LIVE) == 0)
		migration_close(m);
}

/* --- COMMIT --- */

static void ask_commit(struct migration *m);

static void on_look_again(uv_timer_t *timer)
{
	ask_commit(((struct migrate_run *)timer->data)->now);
}

/* Nothing is known: until when it may still be told. */
static void maybe_look_again(struct migration *m, const struct err *err)
{
	struct migrate_run *r = m->run;
	uint64_t until = m->commit_ms + (uint64_t)m->j.health_seconds * 1000 + LATE_MS;

	if (r->stopping || migration_now_ms() >= until) {
		m->err = *err;
		migration_fail(m, err);
		return;
	}
	r->timer.data = r;
	uv_timer_start(&r->timer, on_look_again, LOOK_AGAIN_MS, 0);
}

/* It is down again, the target says, but a COMMIT that is late would start it: UNDO first. */
static void did_not_come_up(struct migration *m, const struct line_answer *answer)
{
	const char *why = json_string_value(json_object_get(answer->report, "error"));
	char shown[ERR_TEXT_MAX / 2];

	err_set(&m->err, ERR_FAILED, "%s did not come up at the target: %s", m->j.name,
		why ? text_escape(shown, sizeof(shown), why, strlen(why)) : "it does not say why");
	migration_turn_back(m);
}

/* An error of the target's own: its copy is not to be had, and it says so of a COMMIT. */
static bool is_final(const struct err *err)
{
	return err->code == ERR_USAGE || err->code == ERR_NOT_FOUND || err->code == ERR_REFUSED;
}

static void committed(void *ctx, const struct line_answer *answer, const struct err *failed)
{
	struct migration *m = ctx;
	struct err err;

	if (failed && is_final(failed)) {
		m->err = *failed;
		migration_turn_back(m);
	} else if (failed) {
		maybe_look_again(m, failed);
	} else if (answer->stage == STAGE_LIVE) {
		is_live(m, answer);
	} else if (answer->stage == STAGE_PREPARED) {
		did_not_come_up(m, answer);
	} else {
		err_set(&err, ERR_AGAIN, "the target is not done with it");
		maybe_look_again(m, &err);
	}
}

static void ask_commit(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_COMMIT);

	call.flags = m->j.no_start || !m->j.was_running ? MIGRATE_NO_START : 0;
	call.seconds = m->j.health_seconds;
	line_ask(m->run->line, &call, committed, m);
}

void migration_ask_commit(struct migration *m)
{
	migrate_say_phase(m, "starting");
	m->commit_ms = migration_now_ms();
	if (migration_enter(m, CUTOVER_SEND) == 0)
		ask_commit(m);
}

/* --- UNDO, whose answer counts --- */

static void turned_back(void *ctx, const struct line_answer *answer, const struct err *failed)
{
	struct migration *m = ctx;
	struct err err;

	if (!failed && answer->stage == STAGE_UNDONE) {
		if (migration_enter(m, CUTOVER_IS_UNDONE) == 0)
			migration_go_back(m);
		return;
	}
	if (!failed)
		err_set(&err, ERR_NOT_FOUND,
			"the target knows nothing of this migration any more: see there that no "
			"copy runs, then docker start %s here",
			m->j.name);
	if (m->err.code == ERR_NONE)
		m->err = failed ? *failed : err;
	migration_fail(m, &m->err);
}

void migration_turn_back(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_UNDO);

	if (migration_enter(m, CUTOVER_TURN_BACK) == 0)
		line_ask(m->run->line, &call, turned_back, m);
}

/* --- BACK --- */

static void undo_told(void *ctx, const struct line_answer *answer, const struct err *err)
{
	struct migration *m = ctx;

	if (err) {
		log_info("the target could not be told to undo (%s): it does so by itself, a day "
			 "later",
			err->text);
		journal_gone(m);
	} else if (answer->stage == STAGE_UNDONE) {
		tell_done(m);
	} else {
		journal_gone(m);
	}
}

static void image_gone(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_UNDO);
	enum cutover_stage to;

	if (m->journaled && cutover_next(m->j.stage, CUTOVER_STARTED, &to))
		m->j.stage = to;
	call.once = true;
	if (m->offered)
		line_ask(m->run->line, &call, undo_told, m);
	else
		journal_gone(m);
}

static void is_back(struct migration *m)
{
	m->up_ms = migration_now_ms();
	migration_drop_image(m, image_gone);
}

void migration_go_back(struct migration *m)
{
	migration_put_back(m, is_back);
}
