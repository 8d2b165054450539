/*
 * What is done to the container at the source. Happy path: restart policy "no" -> stopped ->
 * committed, or exported. The way back: its policy -> started. Failure modes: the engine's; what
 * cannot be put back stays in the journal, for --undo.
 */
#include "client/migrate/uv_migrate_impl.h"

#include "common/base/log.h"

#include <stdio.h>
#include <string.h>

/* Stands in the history of a commit's image, behind it the ID of the image that the container was
 * made of: the next move finds by it what need not pile up. */
#define BASE_COMMENT "dray.base="

static struct engine *engine_of(const struct migration *m)
{
	return m->run->engine;
}

bool migration_went_well(struct migration *m, const struct err *err)
{
	if (m->run->stopping && m->err.code == ERR_NONE && !err) {
		struct err stopped;

		err_set(&stopped, ERR_INTERRUPTED, "interrupted");
		migration_fail(m, &stopped);
		return false;
	}
	if (err)
		migration_fail(m, err);
	return !err;
}

/* --- down --- */

static void stopped(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (migration_went_well(m, err))
		m->then(m);
}

static void policy_cleared(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (migration_went_well(m, err))
		engine_stop_container(engine_of(m), m->j.container, -1, stopped, m);
}

void migration_take_down(struct migration *m, void (*then)(struct migration *m))
{
	if (m->j.keep || (!m->j.was_running && !m->j.policy[0])) {
		then(m);
		return;
	}
	m->then = then;
	m->j.taken_down = true;
	if (m->j.down_ms == 0)
		m->j.down_ms = migration_now_ms();
	if (migration_enter(m, CUTOVER_TAKE_DOWN) != 0)
		return;
	migrate_say_phase(m, "stopping");
	engine_set_restart(engine_of(m), m->j.container, "no", 0, policy_cleared, m);
}

/* --- the commit --- */

static void committed(void *ctx, const char *id, const struct err *err)
{
	struct migration *m = ctx;

	if (!migration_went_well(m, err))
		return;
	snprintf(m->j.image, sizeof(m->j.image), "%s%s",
		strncmp(id, "sha256:", 7) == 0 ? "" : "sha256:", id);
	if (migration_note(m) == 0)
		m->then(m);
}

static void flat_made(void *ctx, const struct digest *id, const struct err *err)
{
	struct migration *m = ctx;
	char text[DIGEST_TEXT_LEN + 1];

	m->flat = NULL;
	digest_text(id, text);
	committed(m, text, err);
}

/* As the one layer of an image that has its image's settings. */
static void flatten(struct migration *m)
{
	const json_t *image = json_object_get(m->manifest, "image");
	const char *base = container_image_id(m->manifest);
	char comment[100];
	struct err err;

	snprintf(comment, sizeof(comment), BASE_COMMENT "%.80s", base ? base : "");
	migrate_say_phase(m, "exporting");
	if (m->run->o->style != REPORT_QUIET)
		log_info("%s: an export has no extended attributes of users (user.*) and no times "
			 "below a second",
			m->j.name);
	if (flat_image_start(engine_of(m), m->j.container, json_object_get(image, "config"),
		    comment, flat_made, m, &m->flat, &err) != 0)
		migration_fail(m, &err);
}

static void commit_now(struct migration *m)
{
	const char *base = container_image_id(m->manifest);
	char comment[100];
	struct engine_commit commit = {
		.container = m->j.container, .pause = m->pause, .comment = comment
	};

	snprintf(comment, sizeof(comment), BASE_COMMENT "%.80s", base ? base : "");
	if (m->j.flat) {
		flatten(m);
		return;
	}
	migrate_say_phase(m, "committing");
	engine_commit_container(engine_of(m), &commit, committed, m);
}

void migration_commit_image(struct migration *m, bool pause, void (*then)(struct migration *m))
{
	m->then = then;
	m->pause = pause;
	if (m->j.image[0])
		migration_drop_image(m, commit_now); /* of an earlier try */
	else
		commit_now(m);
}

static void image_dropped(void *ctx, const struct err *err)
{
	struct migration *m = ctx;
	void (*then)(struct migration * m) = m->after_drop;

	if (err && err->code != ERR_NOT_FOUND)
		log_info("the image of a commit is left: %s", err->text);
	else
		m->j.image[0] = '\0';
	then(m);
}

void migration_drop_image(struct migration *m, void (*then)(struct migration *m))
{
	struct digest id;

	m->after_drop = then;
	if (!m->j.image[0] || digest_parse(m->j.image, &id, NULL) != 0)
		then(m);
	else
		engine_remove_image(engine_of(m), &id, image_dropped, m);
}

/* --- back --- */

static void cannot_go_back(struct migration *m, const struct err *err)
{
	log_error("%s could not be put back as it was: %s; dray migrate --undo %s tries again",
		m->j.name, err->text, m->j.name);
	if (m->err.code == ERR_NONE)
		m->err = *err;
	migration_over(m);
}

/* Somebody removed it meanwhile. */
static bool is_gone(struct migration *m, const struct err *err)
{
	if (!err || err->code != ERR_NOT_FOUND)
		return false;
	log_warn("%s is not there any more", m->j.name);
	m->then(m);
	return true;
}

static void started(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (is_gone(m, err))
		return;
	if (err)
		cannot_go_back(m, err);
	else
		m->then(m);
}

static void surely_stopped(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (is_gone(m, err))
		return;
	if (err)
		cannot_go_back(m, err);
	else
		engine_start_container(engine_of(m), m->j.container, started, m);
}

/* The policy first: an engine does not change it while the container is about to end. */
static void policy_back(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (is_gone(m, err))
		return;
	if (err)
		cannot_go_back(m, err);
	else if (m->j.was_running && m->resumed)
		/* The engine may still be at a stop that a process before this one asked for. */
		engine_stop_container(engine_of(m), m->j.container, -1, surely_stopped, m);
	else if (m->j.was_running)
		engine_start_container(engine_of(m), m->j.container, started, m);
	else
		m->then(m);
}

void migration_put_back(struct migration *m, void (*then)(struct migration *m))
{
	m->then = then;
	if (!m->j.taken_down) {
		then(m);
		return;
	}
	migrate_say_phase(m, "starting again");
	if (m->j.policy[0])
		engine_set_restart(engine_of(m), m->j.container, m->j.policy, m->j.policy_maximum,
			policy_back, m);
	else
		policy_back(m, NULL);
}
