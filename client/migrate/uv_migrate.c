/*
 * Owns the loop, the engine, the line and one migration after the other. Happy path of a new one:
 * OFFER -> (--live: what changes little is sent while it runs) -> the source is stopped ->
 * committed
 * -> image and volumes are sent -> PREPARE -> COMMIT -> live (cutover.h has the stages). Failure
 * modes: before COMMIT is sent everything is put back; afterwards only the target's word counts,
 * and without it the journal stays and the user is told that the target may be live.
 */
#include "client/migrate/uv_migrate_impl.h"

#include "client/cmd/exit_code.h"
#include "common/base/log.h"
#include "protocol/grant.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_UNKNOWN 3

uint64_t migration_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- stages --- */

int migration_note(struct migration *m)
{
	struct err err;

	if (journal_write(m->run->dir, &m->j, &err) == 0) {
		m->journaled = true;
		return 0;
	}
	migration_fail(m, &err);
	return -1;
}

int migration_enter(struct migration *m, enum cutover_event event)
{
	enum cutover_stage before = m->j.stage, to;
	struct err err;

	if (!cutover_next(before, event, &to)) {
		err_set(&err, ERR_FAILED, "the migration cannot go on from \"%s\"",
			cutover_name(before));
	} else {
		m->j.stage = to;
		if (journal_write(m->run->dir, &m->j, &err) == 0) {
			m->journaled = true;
			return 0;
		}
		m->j.stage = before;
	}
	migration_fail(m, &err);
	return -1;
}

/* Where the stage allows no way back, the journal keeps what is known. */
static void stay(struct migration *m)
{
	m->unknown = m->j.stage == CUTOVER_SENT || m->j.stage == CUTOVER_UNDOING;
	migration_over(m);
}

void migration_fail(struct migration *m, const struct err *err)
{
	enum cutover_stage to;
	struct err ignored;

	if (m->err.code == ERR_NONE)
		m->err = *err;
	if (!m->journaled) {
		migration_over(m);
		return;
	}
	if (m->j.stage != CUTOVER_OPEN && m->j.stage != CUTOVER_DOWN) {
		stay(m);
		return;
	}
	if (!cutover_next(m->j.stage, CUTOVER_GIVE_UP, &to)) {
		stay(m);
		return;
	}
	/* A journal that cannot be written still says less than is true: the target cannot be
	 * live. */
	m->j.stage = to;
	if (journal_write(m->run->dir, &m->j, &ignored) != 0)
		log_warn("%s", ignored.text);
	migration_go_back(m);
}

/* --- one after the other --- */

static void next_migration(struct migrate_run *r);

void migration_over(struct migration *m)
{
	struct migrate_run *r = m->run;

	migrate_say_result(m);
	if (m->lock >= 0)
		close(m->lock);
	m->lock = -1;
	r->at++;
	next_migration(r);
}

static void resume(struct migration *m)
{
	bool back = m->run->o->way == MIGRATE_WAY_UNDO;
	enum cutover_step step = back ? cutover_backward(m->j.stage) : cutover_forward(m->j.stage);

	m->undone = back;
	switch (step) {
	case CUTOVER_TRANSFER:
		migration_begin(m);
		break;
	case CUTOVER_ASK_COMMIT:
		migration_ask_commit(m);
		break;
	case CUTOVER_ASK_UNDO:
		migration_turn_back(m);
		break;
	case CUTOVER_START_SOURCE:
		if (m->j.stage == CUTOVER_BACK || migration_enter(m, CUTOVER_GIVE_UP) == 0)
			migration_go_back(m);
		break;
	case CUTOVER_CLOSE:
		migration_close(m);
		break;
	case CUTOVER_NOTHING:
		migration_over(m);
		break;
	}
}

static int open_journal(struct migration *m, struct err *err)
{
	const struct migrate_options *o = m->run->o;
	bool old = o->way == MIGRATE_WAY_RESUME || o->way == MIGRATE_WAY_UNDO;

	if (!old)
		return 0; /* the container's own name is not known yet */
	if (journal_lock(m->run->dir, m->typed, &m->lock, err) != 0)
		return -1;
	if (journal_read(m->run->dir, m->typed, &m->j, err) != 0) {
		if (err->code == ERR_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND,
				"no migration of %s was cut off: there is nothing to resume or "
				"undo",
				m->typed);
		return -1;
	}
	m->journaled = m->offered = m->resumed = true;
	return 0;
}

static void next_migration(struct migrate_run *r);

static void close_run(struct migrate_run *r);

static void next_migration(struct migrate_run *r)
{
	struct migration *m;
	struct err err;

	if (r->at == r->o->n_names) {
		r->now = NULL;
		close_run(r);
		return;
	}
	m = r->now = &r->list[r->at];
	m->started_ms = migration_now_ms();
	if (r->stopping)
		err_set(&err, ERR_INTERRUPTED, "interrupted");
	if (r->stopping || open_journal(m, &err) != 0) {
		m->err = err;
		migration_over(m);
	} else if (m->journaled) {
		resume(m);
	} else {
		migration_begin(m);
	}
}

/* --- signals --- */

static void on_signal(uv_signal_t *signal, int signum)
{
	struct migrate_run *r = signal->data;
	struct err err;

	(void)signum;
	if (r->stopping || r->closing)
		return;
	r->stopping = true;
	err_set(&err, ERR_INTERRUPTED, "interrupted");
	if (r->now)
		r->now->broken_off = true;
	if (r->now && r->now->flat)
		flat_image_cancel(r->now->flat);
	migration_break_off_leg(r, &err);
	if (r->line)
		line_break_off(r->line, &err);
}

/* --- closing --- */

static void line_closed(void *ctx)
{
	struct migrate_run *r = ctx;

	r->line = NULL;
}

static void close_run(struct migrate_run *r)
{
	if (r->closing)
		return;
	r->closing = true;
	for (size_t i = 0; i < ARRAY_LEN(r->signals); i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	uv_close((uv_handle_t *)&r->timer, NULL);
	uv_close((uv_handle_t *)&r->clock, NULL);
	readings_close(r->readings);
	if (r->line)
		line_close(r->line, line_closed, r);
	if (r->engine)
		engine_close(r->engine, NULL, NULL);
}

static void free_migration(struct migration *m)
{
	for (size_t i = 0; i < m->n_trees; i++) {
		free(m->trees[i].name);
		free(m->trees[i].root);
		free(m->trees[i].cache);
	}
	free(m->trees);
	free(m->maps_text);
	json_decref(m->manifest);
	json_decref(m->report);
	buf_done(&m->order);
}

static void free_run(struct migrate_run *r)
{
	for (size_t i = 0; r->list && i < r->o->n_names; i++)
		free_migration(&r->list[i]);
	for (size_t i = 0; i < r->n_legs; i++)
		uv_target_free(r->legs[i]);
	free(r->legs);
	free(r->list);
	free(r->dir);
	report_end(&r->report);
	engine_address_done(&r->address);
	free(r);
}

/* --- the start --- */

static void on_retrying(void *ctx, const struct err *err, uint64_t wait_ms)
{
	struct migrate_run *r = ctx;

	if (r->o->style != REPORT_QUIET)
		log_warn("%s: %s; trying again in %.1fs", r->o->target->name, err->text,
			(double)wait_ms / 1000);
}

static bool no_more_readers(void *ctx, const struct digest *image)
{
	(void)ctx;
	(void)image;
	return false;
}

static void start_handles(struct migrate_run *r)
{
	static const int signums[] = { SIGINT, SIGTERM };

	for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
		uv_signal_init(&r->loop, &r->signals[i]);
		r->signals[i].data = r;
		uv_signal_start(&r->signals[i], on_signal, signums[i]);
	}
	uv_timer_init(&r->loop, &r->timer);
	uv_timer_init(&r->loop, &r->clock);
}

static int start(struct migrate_run *r, struct err *err)
{
	const char *target = r->o->target->name;
	struct line_config line = { .loop = &r->loop,
		.target = r->o->target,
		.key = r->o->key,
		.lanes = &r->o->lanes,
		.level = r->o->level,
		.retry_for_ms = r->o->retry_for_ms,
		.grants = GRANT_MIGRATE,
		.needs = "does not let this key migrate containers (drayd invite --allow "
			 "push,migrate there)",
		.retrying = on_retrying,
		.ctx = r };

	r->list = calloc(r->o->n_names, sizeof(*r->list));
	if (!r->list)
		return err_nomem(err);
	for (size_t i = 0; i < r->o->n_names; i++) {
		r->list[i] = (struct migration){ .run = r, .typed = r->o->names[i], .lock = -1 };
		buf_init(&r->list[i].order, MANIFEST_MAX);
	}
	if (report_start(&r->report, r->o->style, r->o->names, 1, &target, 1, uv_now(&r->loop),
		    err) != 0 ||
		journal_dir(&r->dir, err) != 0 ||
		client_engine(r->o->engine, &r->address, err) != 0 ||
		engine_open(&r->loop, &r->address, &r->engine, err) != 0 ||
		readings_new(&r->loop, r->engine, no_more_readers, r, &r->readings, err) != 0)
		return -1;
	r->report.mute = true;
	return line_new(&line, &r->line, err);
}

static int exit_code_of(const struct migration *m)
{
	if (m->unknown)
		return EXIT_UNKNOWN;
	return err_exit_code(&m->err);
}

static int all_codes(const struct migrate_run *r)
{
	int codes[MIGRATE_CONTAINERS_MAX];

	for (size_t i = 0; i < r->o->n_names; i++)
		codes[i] = exit_code_of(&r->list[i]);
	return exit_code_merge(codes, r->o->n_names);
}

int migrate_run(const struct migrate_options *options)
{
	struct migrate_run *r = calloc(1, sizeof(*r));
	int code, left;

	if (!r) {
		log_error("out of memory");
		return 1;
	}
	r->o = options;
	uv_loop_init(&r->loop);
	start_handles(r);
	if (start(r, &r->err) != 0) {
		log_error("%s", r->err.text);
		close_run(r);
	} else {
		next_migration(r);
	}
	uv_run(&r->loop, UV_RUN_DEFAULT);
	code = r->err.code != ERR_NONE ? err_exit_code(&r->err) : all_codes(r);
	left = uv_loop_close(&r->loop);
	assert(left == 0);
	(void)left;
	free_run(r);
	return code;
}
