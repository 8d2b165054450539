/*
 * COMMIT: the container goes live. Happy path: COMMITTED in the journal -> started -> healthy in
 * time -> its restart policy -> what became of it -> LIVE in the journal. Failure mode: what does
 * not come up is stopped; only when the engine says that it does not run is it PREPARED again,
 * which tells the agent that its own copy may start. As long as that is not certain the call fails
 * and it stays COMMITTED. The same call again goes on wherever it was.
 */
#include "server/container/engine_migrate.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define STOP_SECONDS 10

static struct engine *engine_of(const struct migrate_job *j)
{
	return j->job.host->engine;
}

static int enter(struct migrate_job *j, enum migrate_stage stage, struct err *err)
{
	enum migrate_stage before = j->m->stage;

	j->m->stage = stage;
	if (migration_journal(j->job.host, j->m, err) == 0)
		return 0;
	j->m->stage = before;
	return -1;
}

/* --- it did not come up --- */

/* The answer is PREPARED with a reason instead of a report. */
static void certainly_down(struct migrate_job *j)
{
	char shown[ERR_TEXT_MAX];
	struct err err;
	json_t *why;

	j->m->started = false; /* it never was up: what it may have written is nobody's */
	if (enter(j, STAGE_PREPARED, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	text_escape(shown, sizeof(shown), j->why.text, strlen(j->why.text));
	why = json_pack("{s:s}", "error", shown);
	log_warn("%s did not come up: %s", container_order_name(&j->m->order), j->why.text);
	migrate_answer(j, why);
	json_decref(why);
}

static void state_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	const json_t *state = json_object_get(o, "State");
	struct err err;

	if (failed && failed->code != ERR_NOT_FOUND) {
		migrate_failed(j, failed);
		return;
	}
	if (!failed && (json_is_true(json_object_get(state, "Running")) ||
			       json_is_true(json_object_get(state, "Restarting")))) {
		err_set(&err, ERR_ENGINE,
			"the container does not come up (%.300s) nor does it stop", j->why.text);
		migrate_failed(j, &err);
		return;
	}
	certainly_down(j);
}

static void stopped(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (failed && failed->code != ERR_NOT_FOUND)
		migrate_failed(j, failed);
	else
		engine_inspect_container(engine_of(j), j->m->container, state_known, j);
}

/* An engine that is away cannot say: then it may be live. */
static void take_back(struct migrate_job *j, const struct err *why)
{
	if (why->code == ERR_UNREACHABLE || why->code == ERR_INTERRUPTED) {
		migrate_failed(j, why);
		return;
	}
	j->why = *why;
	engine_stop_container(engine_of(j), j->m->container, STOP_SECONDS, stopped, j);
}

/* --- it is up --- */

static void live(struct migrate_job *j)
{
	struct err err = { 0 };

	json_decref(j->m->report);
	j->m->report = fidelity_json(&j->report);
	if (!j->m->report)
		err_nomem(&err);
	if (err.code != ERR_NONE || enter(j, STAGE_LIVE, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	log_info("%s is live", container_order_name(&j->m->order));
	migrate_answer(j, NULL);
}

static void policy_set(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (migrate_went_well(j, failed))
		migrate_compare(j, live);
}

static void set_policy(struct migrate_job *j)
{
	const json_t *policy = container_restart_policy(j->m->order.manifest);
	const char *name = json_string_value(json_object_get(policy, "Name"));

	if (!name)
		policy_set(j, NULL);
	else
		engine_set_restart(engine_of(j), j->m->container, name,
			json_integer_value(json_object_get(policy, "MaximumRetryCount")),
			policy_set, j);
}

static void is_up(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (failed) {
		take_back(j, failed);
		return;
	}
	/* Without a health check it was up when it had started. */
	if (container_has_health_check(j->m->order.manifest))
		j->up_since = uv_now(j->job.host->idle.loop);
	set_policy(j);
}

static void started(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;
	uint64_t seconds = j->seconds;
	struct err err;

	j->up_since = uv_now(j->job.host->idle.loop);
	if (failed)
		take_back(j, failed);
	else if (engine_await_container(
			 engine_of(j), j->m->container, seconds * 1000, is_up, j, &err) != 0)
		take_back(j, &err);
}

void migrate_commit(struct migrate_job *j)
{
	struct err err;

	if (j->m->stage == STAGE_LIVE) {
		migrate_answer(j, NULL);
		return;
	}
	if (j->m->stage != STAGE_PREPARED && j->m->stage != STAGE_COMMITTED) {
		err_set(&err, ERR_USAGE, "the container is not made, or not any more");
		migrate_failed(j, &err);
		return;
	}
	j->m->started = j->m->started || !(j->flags & MIGRATE_NO_START);
	if (enter(j, STAGE_COMMITTED, &err) != 0)
		migrate_failed(j, &err);
	else if (j->flags & MIGRATE_NO_START)
		set_policy(j);
	else
		engine_start_container(engine_of(j), j->m->container, started, j);
}
