/*
 * UNDO, and the half of it that clears away a container which is half made. Happy path of an UNDO:
 * the container is stopped -> one that was never started is removed, and what the migration made
 * for it: networks, volumes, the image -> UNDONE in the journal. One that was started keeps all,
 * but does not start by itself any more: what it wrote since is not this program's to throw away.
 * Failure mode: what cannot be stopped or removed; the journal keeps the migration, for the same
 * call again.
 */
#include "server/container/engine_migrate.h"

#include "common/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_SECONDS 10

static struct engine *engine_of(const struct migrate_job *j)
{
	return j->job.host->engine;
}

/* False when it is an error that counts. What is gone already is as wanted. */
static bool gone_or(struct migrate_job *j, const struct err *failed)
{
	return migrate_went_well(j, failed && failed->code != ERR_NOT_FOUND ? failed : NULL);
}

/* --- the end --- */

/* The journal keeps that it was undone: a COMMIT that is late must find that. */
static void undone(struct migrate_job *j)
{
	enum migrate_stage before = j->m->stage;
	struct err err;

	j->m->stage = STAGE_UNDONE;
	if (migration_journal(j->job.host, j->m, &err) != 0) {
		j->m->stage = before;
		migrate_failed(j, &err);
		return;
	}
	log_info("the migration of %s is undone", container_order_name(&j->m->order));
	migrate_answer(j, NULL);
}

/* --- the image --- */

static void image_removed(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (failed)
		log_info("an image is left: %s", failed->text);
	undone(j);
}

static void use_known(void *ctx, bool yes, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (failed || yes)
		image_removed(j, failed);
	else if (j->m->tagged)
		engine_remove_tag(engine_of(j), j->m->tag, image_removed, j);
	else
		engine_remove_image(engine_of(j), &j->job.image, image_removed, j);
}

/* Only one that nobody else has a name for. */
static void image_seen(void *ctx, const struct engine_image *image, const struct err *failed)
{
	struct migrate_job *j = ctx;
	size_t ours = j->m->tagged ? 1 : 0;

	if (failed || image->n_tags > ours) {
		image_removed(j, failed && failed->code != ERR_NOT_FOUND ? failed : NULL);
		return;
	}
	j->job.image = image->id;
	engine_image_in_use(engine_of(j), &image->id, use_known, j);
}

/* --- volumes, networks --- */

static void next_made(struct migrate_job *j);

static void one_removed(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (failed && (failed->code == ERR_UNREACHABLE || failed->code == ERR_INTERRUPTED)) {
		migrate_failed(j, failed);
		return;
	}
	/* Others may have come to use it: then it is theirs. */
	if (failed && failed->code != ERR_NOT_FOUND)
		log_info("what a migration made is left: %s", failed->text);
	j->at++;
	next_made(j);
}

static void next_made(struct migrate_job *j)
{
	size_t n = json_array_size(j->m->volumes);
	const char *volume = json_string_value(json_array_get(j->m->volumes, j->at));
	const char *network = j->at < n ? NULL
					: json_string_value(
						  json_array_get(j->m->networks, j->at - n));

	if (volume)
		engine_remove_volume(engine_of(j), volume, one_removed, j);
	else if (network)
		engine_remove_network(engine_of(j), network, one_removed, j);
	else if (j->m->image[0])
		engine_inspect_image(engine_of(j), j->m->image, image_seen, j);
	else
		undone(j);
}

/* --- the container --- */

static void container_removed(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (!gone_or(j, failed))
		return;
	j->at = 0;
	next_made(j);
}

static void policy_cleared(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (gone_or(j, failed))
		undone(j);
}

static void state_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	const json_t *state = json_object_get(o, "State");
	struct err err;

	if (!gone_or(j, failed))
		return;
	if (!failed && json_is_true(json_object_get(state, "Running"))) {
		err_set(&err, ERR_ENGINE, "the container does not stop");
		migrate_failed(j, &err);
	} else if (j->m->started) {
		policy_cleared(j, NULL);
	} else {
		engine_remove_container(engine_of(j), j->m->container, container_removed, j);
	}
}

static void stopped(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (gone_or(j, failed))
		engine_inspect_container(engine_of(j), j->m->container, state_known, j);
}

static void will_not_return(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (gone_or(j, failed))
		engine_stop_container(engine_of(j), j->m->container, STOP_SECONDS, stopped, j);
}

static void undo(struct migrate_job *j)
{
	if (j->m->container[0])
		engine_set_restart(engine_of(j), j->m->container, "no", 0, will_not_return, j);
	else
		container_removed(j, NULL);
}

void migrate_undo(struct migrate_job *j)
{
	if (!j->m || j->m->stage == STAGE_UNDONE)
		migrate_answer(j, NULL);
	else
		migrate_drop_half_made(j, undo);
}

/* --- half made --- */

static void half_made_over(struct migrate_job *j)
{
	struct err err;

	j->m->preparing = false;
	j->m->container[0] = '\0';
	if (migration_journal(j->job.host, j->m, &err) != 0)
		migrate_failed(j, &err);
	else
		j->learned(j);
}

static void half_made_removed(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (gone_or(j, failed))
		half_made_over(j);
}

/* One that ever ran is somebody else's of the same name. */
static void half_made_seen(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	const char *id = json_string_value(json_object_get(o, "Id"));
	const char *status = json_string_value(
		json_object_get(json_object_get(o, "State"), "Status"));

	if (!gone_or(j, failed))
		return;
	if (!failed && id && status && strcmp(status, "created") == 0)
		engine_remove_container(engine_of(j), id, half_made_removed, j);
	else
		half_made_over(j);
}

void migrate_drop_half_made(struct migrate_job *j, void (*next)(struct migrate_job *j))
{
	j->learned = next;
	if (j->m->preparing)
		engine_inspect_container(
			engine_of(j), container_order_name(&j->m->order), half_made_seen, j);
	else
		next(j);
}
