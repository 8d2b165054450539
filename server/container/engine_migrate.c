/*
 * Owns the list of migrations and what all calls about them have in common. Happy path: MIGRATE ->
 * may the key, is it free -> the verb's own file -> MIGRATED. Failure modes: a call for a migration
 * that another one is at work on (ERR_AGAIN); a network process that is gone, which nobody waits
 * for; what an earlier process left half made, which goes before anything else is done with it.
 */
#include "server/container/engine_migrate.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "server/container/container_grants.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- migrations --- */

struct migration *migration_find(
	const struct migrations *ms, const char *key, const uint8_t id[MIGRATION_ID_LEN])
{
	struct migration *m = ms->first;

	while (m && (memcmp(m->id, id, sizeof(m->id)) != 0 || strcmp(m->key, key) != 0))
		m = m->next;
	return m;
}

int migration_journal(struct engine_host *h, struct migration *m, struct err *err)
{
	return migration_write(h->migrations->dir, m, err);
}

/* --- the end of a call --- */

static void job_free(struct migrate_job *j)
{
	if (j->m)
		j->m->busy = false;
	container_order_done(&j->order);
	json_decref(j->version);
	container_target_done(&j->target);
	container_request_done(&j->request);
	network_plan_done(&j->plan);
	fidelity_done(&j->report);
	engine_job_free(&j->job);
}

void migrate_failed(struct migrate_job *j, const struct err *err)
{
	if (j->job.orphan && err->code != ERR_INTERRUPTED)
		log_warn("a migration: %s", err->text);
	engine_job_failed(&j->job, err);
	job_free(j);
}

/* For how long it has been up: of one that this call has started. */
static uint64_t migrate_up_ms(const struct migrate_job *j)
{
	uint64_t now = uv_now(j->job.host->idle.loop);

	return j->up_since ? now - j->up_since : 0;
}

void migrate_answer(struct migrate_job *j, json_t *report)
{
	struct port_message m = { .type = PORT_MIGRATED };
	CLEANUP(cleanup_free) char *text = NULL;
	json_t *last = report ? report : j->m ? j->m->report : NULL;
	struct err err;

	text = last ? json_dumps(last, JSON_COMPACT) : NULL;
	m.migrated.job = j->job.number;
	m.migrated.stage = (uint8_t)(j->m ? j->m->stage : STAGE_UNKNOWN);
	m.migrated.up_ms = (uint32_t)min_u64(migrate_up_ms(j), UINT32_MAX);
	if (j->m)
		m.migrated.container = wire_text_of(j->m->container, strlen(j->m->container));
	if (text && strlen(text) <= MANIFEST_MAX)
		m.migrated.report = (wire_bytes){ .p = (uint8_t *)text,
			.n = (uint32_t)strlen(text) };
	if (last && (!text || strlen(text) > MANIFEST_MAX)) {
		err_set(&err, ERR_LIMIT, "the report about the container is too long");
		migrate_failed(j, &err);
	} else {
		engine_job_reply(&j->job, &m);
		job_free(j);
	}
}

bool migrate_went_well(struct migrate_job *j, const struct err *err)
{
	if (err)
		migrate_failed(j, err);
	return !err;
}

/* --- what the engine can take --- */

static void info_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct err err;

	if (!migrate_went_well(j, failed))
		return;
	container_target_done(&j->target);
	if (container_target_read(j->version, o, &j->target, &err) != 0)
		migrate_failed(j, &err);
	else
		j->learned(j);
}

static void version_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (!migrate_went_well(j, failed))
		return;
	json_decref(j->version);
	j->version = json_incref(o);
	engine_info_object(j->job.host->engine, info_known, j);
}

void migrate_learn(struct migrate_job *j, void (*next)(struct migrate_job *j))
{
	j->learned = next;
	engine_version_object(j->job.host->engine, version_known, j);
}

const struct container_order *migrate_order(const struct migrate_job *j)
{
	return j->m ? &j->m->order : &j->order;
}

struct container_choice migrate_choice(const struct migrate_job *j)
{
	return migrate_order(j)->choice;
}

/* --- the beginning of a call --- */

static void status(struct migrate_job *j)
{
	migrate_answer(j, NULL);
}

/* The other copy is down for good, or nothing came of it: there is nothing left to be asked. */
static void done_with(struct migrate_job *j)
{
	struct migrations *ms = j->job.host->migrations;
	struct migration **at = &ms->first, *m = j->m;
	struct err err;

	if (m && m->stage != STAGE_LIVE && m->stage != STAGE_UNDONE) {
		err_set(&err, ERR_USAGE,
			"the migration is neither live nor undone: it cannot be done with");
		migrate_failed(j, &err);
		return;
	}
	if (m && migration_remove(ms->dir, m, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	if (m) {
		while (*at != m)
			at = &(*at)->next;
		*at = m->next;
		migration_free(m);
		j->m = NULL;
	}
	migrate_answer(j, NULL);
}

static void (*const verbs[MIGRATE_VERBS_END])(struct migrate_job *j) = {
	[MIGRATE_OFFER] = migrate_offer,
	[MIGRATE_PREPARE] = migrate_prepare,
	[MIGRATE_COMMIT] = migrate_commit,
	[MIGRATE_STATUS] = status,
	[MIGRATE_UNDO] = migrate_undo,
	[MIGRATE_DROP] = migrate_drop,
	[MIGRATE_DONE] = done_with,
};

static int unknown(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "the target knows nothing of this migration (any more)");
}

/* What the key may is asked at every call: it may have less by now. */
static int check(struct migrate_job *j, const struct port_migrate *m, struct err *err)
{
	struct engine_host *h = j->job.host;
	uint32_t grants = h->grants_of(h->ctx, j->job.key);

	if (j->verb == 0 || j->verb >= MIGRATE_VERBS_END)
		return err_set(err, ERR_PROTOCOL, "a call that there is none of");
	if (j->verb == MIGRATE_OFFER &&
		container_order_parse(m->manifest.p, m->manifest.n, &j->order, err) != 0)
		return -1;
	j->m = migration_find(h->migrations, j->job.key, j->id);
	if (j->m && j->m->busy) {
		j->m = NULL;
		return err_set(err, ERR_AGAIN, "the target is at work on this migration");
	}
	if (j->m)
		j->m->busy = true;
	if (!(grants & GRANT_MIGRATE))
		return err_set(err, ERR_REFUSED, "this key may not migrate containers");
	if (!j->m && (j->verb == MIGRATE_PREPARE || j->verb == MIGRATE_COMMIT ||
			     j->verb == MIGRATE_DROP))
		return unknown(err);
	if (j->verb == MIGRATE_UNDO || j->verb == MIGRATE_STATUS || j->verb == MIGRATE_DONE)
		return 0;
	return container_grants_check(grants, migrate_order(j), err);
}

static void go(struct engine_job *job)
{
	struct migrate_job *j = (struct migrate_job *)job;

	verbs[j->verb](j);
}

/* Nobody waits any more: what was begun goes on. */
static void take_abort(struct engine_job *job)
{
	(void)job;
}

static const struct engine_job_ops ops = { .abort = take_abort };

void engine_migrate_take(struct engine_host *h, const struct port_migrate *m)
{
	struct migrate_job *j = (struct migrate_job *)engine_job_new(
		h, sizeof(*j), &ops, m->job, &m->key, &m->image);
	struct err err;

	if (!j)
		return;
	j->verb = (enum migrate_verb)m->verb;
	j->flags = m->flags;
	j->seconds = m->seconds;
	memcpy(j->id, m->migration.bytes, sizeof(j->id));
	if (check(j, m, &err) != 0)
		migrate_failed(j, &err);
	else
		engine_job_wait(&j->job, go);
}

/* --- what nobody asks about any more --- */

static bool is_old(const struct migration *m)
{
	uint64_t now = (uint64_t)time(NULL);

	return now > m->touched && now - m->touched > MIGRATION_KEEP_SECONDS;
}

/* A call that no network process made. */
static void begin_own(struct migrations *ms, struct migration *m, enum migrate_verb verb,
	void (*begin)(struct engine_job *job))
{
	const struct digest none = { { 0 } };
	const wire_text key = wire_text_of(m->key, strlen(m->key));
	struct migrate_job *j = (struct migrate_job *)engine_job_new(
		ms->host, sizeof(*j), &ops, UINT32_MAX, &key, &none);

	if (!j)
		return;
	j->job.orphan = true;
	j->m = m;
	m->busy = true;
	j->verb = verb;
	memcpy(j->id, m->id, sizeof(j->id));
	engine_job_wait(&j->job, begin);
}

static void half_made_gone(struct migrate_job *j)
{
	migrate_answer(j, NULL);
}

static void clean(struct engine_job *job)
{
	migrate_drop_half_made((struct migrate_job *)job, half_made_gone);
}

static void look_at(struct migrations *ms, struct migration *m)
{
	if (m->busy || ms->host->closing || ms->host->stopping)
		return;
	if (m->preparing) {
		begin_own(ms, m, MIGRATE_STATUS, clean);
	} else if (is_old(m) && (m->stage == STAGE_LIVE || m->stage == STAGE_UNDONE)) {
		begin_own(ms, m, MIGRATE_DONE, go);
	} else if (is_old(m) && m->stage != STAGE_COMMITTED) {
		log_info("a migration of %s that was never finished is undone",
			container_order_name(&m->order));
		begin_own(ms, m, MIGRATE_UNDO, go);
	}
}

/* A call may end at once and take its migration with it: begin anew after each. */
static void on_timer(uv_timer_t *timer)
{
	struct migrations *ms = timer->data;

	for (struct migration *m = ms->first, *next; m; m = next) {
		next = m->next;
		look_at(ms, m);
	}
}

/* --- the whole --- */

static void free_migrations(struct migrations *ms)
{
	while (ms->first) {
		struct migration *m = ms->first;

		ms->first = m->next;
		migration_free(m);
	}
	free(ms->dir);
	free(ms);
}

int migrations_open(struct engine_host *h, uv_loop_t *loop, const char *state_dir,
	struct migrations **ret, struct err *err)
{
	struct migrations *ms = calloc(1, sizeof(*ms));
	size_t odd;

	if (ms)
		ms->dir = file_join(state_dir, "migrations");
	if (!ms || !ms->dir) {
		free(ms);
		return err_nomem(err);
	}
	if (file_make_dir(ms->dir, 0700, err) != 0 ||
		migration_list(ms->dir, &ms->first, &odd, err) != 0) {
		free_migrations(ms);
		return -1;
	}
	file_drop_temporaries(ms->dir);
	if (odd > 0)
		log_warn("%s holds %zu damaged files", ms->dir, odd);
	ms->host = h;
	uv_timer_init(loop, &ms->timer);
	ms->timer.data = ms;
	uv_timer_start(&ms->timer, on_timer, 0, MIGRATIONS_LOOK_MS);
	*ret = ms;
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	struct migrations *ms = handle->data;
	void (*closed)(void *ctx) = ms->closed;
	void *ctx = ms->closed_ctx;

	free_migrations(ms);
	closed(ctx);
}

void migrations_close(struct migrations *ms, void (*closed)(void *ctx), void *ctx)
{
	ms->closed = closed;
	ms->closed_ctx = ctx;
	uv_close((uv_handle_t *)&ms->timer, timer_closed);
}
