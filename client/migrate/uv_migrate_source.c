/*
 * What is done to the container at the source. Happy path: look -> the journal -> restart policy
 * "no" -> stopped -> committed. The way back: started -> its policy. Failure modes: the engine's;
 * what cannot be put back stays in the journal, for --undo.
 */
#include "client/migrate/uv_migrate_impl.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Stands in the history of a commit's image, behind it the ID of the image that the container was
 * made of: the next move finds by it what need not pile up. */
#define BASE_COMMENT "dray.base="

static struct engine *engine_of(const struct migration *m)
{
	return m->run->engine;
}

/* True when it went well. */
static bool well(struct migration *m, const struct err *err)
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

/* --- looking --- */

static const json_t *find_volume(const json_t *manifest, const char *name)
{
	const json_t *volumes = json_object_get(manifest, "volumes");

	for (size_t i = 0; i < json_array_size(volumes); i++) {
		const json_t *v = json_array_get(volumes, i);
		const char *s = json_string_value(json_object_get(v, "name"));

		if (s && strcmp(s, name) == 0)
			return v;
	}
	return NULL;
}

/* Of the engine's own kind, without a mount behind it: what lies in its directory is what it is. */
static bool is_plain(const json_t *manifest, const char *name)
{
	const json_t *v = find_volume(manifest, name);
	const char *driver = json_string_value(json_object_get(v, "driver"));

	return (!driver || strcmp(driver, "local") == 0) &&
	       json_object_size(json_object_get(v, "options")) == 0;
}

/* Where the engine has the contents of what is mounted there; NULL: it does not say. */
static const char *path_of(const json_t *container, const char *target)
{
	const json_t *mounts = json_object_get(container, "Mounts");

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *o = json_array_get(mounts, i);
		const char *at = json_string_value(json_object_get(o, "Destination"));

		if (at && strcmp(at, target) == 0)
			return json_string_value(json_object_get(o, "Source"));
	}
	return NULL;
}

static bool has_tree(const struct migration *m, const char *name)
{
	for (size_t i = 0; i < m->n_trees; i++) {
		if (strcmp(m->trees[i].name, name) == 0)
			return true;
	}
	return false;
}

static int add_tree(
	struct migration *m, const struct container_mount *mount, const char *path, struct err *err)
{
	struct migration_tree *t = &m->trees[m->n_trees];
	CLEANUP(cleanup_free) char *what = NULL;
	struct stat st;

	if (!path || stat(path, &st) != 0)
		return err_set(err, ERR_FAILED,
			"the contents of volume %s cannot be read%s%s: run dray as root beside the "
			"engine, or leave them with --no-volumes",
			mount->volume, path ? ": " : "", path ? strerror(errno) : "");
	t->name = mount->volume;
	t->root = strdup(path);
	if (!t->root || asprintf(&what, "%s %s", m->run->o->target->name, path) < 0)
		return err_nomem(err);
	m->n_trees++;
	return journal_tree_cache(what, &t->cache, err);
}

static int find_trees(struct migration *m, const json_t *container, struct err *err)
{
	size_t n = container_mount_count(m->manifest);

	m->trees = calloc(n + 1, sizeof(*m->trees));
	if (!m->trees)
		return err_nomem(err);
	for (size_t i = 0; i < n && !m->j.no_volumes; i++) {
		struct container_mount mount = container_mount_at(m->manifest, i);

		if (!mount.volume || has_tree(m, mount.volume))
			continue;
		if (!is_plain(m->manifest, mount.volume)) {
			log_warn(
				"volume %s is kept by a driver or a mount of its own: its contents "
				"are not sent",
				mount.volume);
			continue;
		}
		if (add_tree(m, &mount, path_of(container, mount.target), err) != 0)
			return -1;
	}
	return 0;
}

/* What the journal keeps to put back. A resumed one has it, as it was before. */
static void note_state(struct migration *m)
{
	const json_t *policy = container_restart_policy(m->manifest);
	const char *name = json_string_value(json_object_get(policy, "Name"));

	m->j.was_running = container_was_running(m->manifest);
	snprintf(m->j.policy, sizeof(m->j.policy), "%s", name ? name : "");
	m->j.policy_maximum = json_integer_value(json_object_get(policy, "MaximumRetryCount"));
}

/* The manifest says how the container was, not how the journal has it now. */
static int restore_state(struct migration *m, struct err *err)
{
	json_t *config = json_object_get(m->manifest, "config");
	json_t *policy;

	if (!m->j.taken_down)
		return 0;
	if (m->j.policy[0]) {
		policy = json_pack("{s:s, s:I}", "Name", m->j.policy, "MaximumRetryCount",
			(json_int_t)m->j.policy_maximum);
		if (json_object_set_new(config, "HostConfig.RestartPolicy", policy) != 0)
			return err_nomem(err);
	}
	return json_object_set_new(json_object_get(m->manifest, "state"), "running",
		       json_boolean(m->j.was_running)) == 0
		       ? 0
		       : err_nomem(err);
}

static int check_container(const struct migration *m, struct err *err)
{
	bool plan = m->run->o->way == MIGRATE_WAY_PLAN;

	if (!plan && container_removes_itself(m->manifest) && !m->j.keep)
		return err_set(err, ERR_FAILED,
			"%s was started with --rm: it would be gone as soon as it stops, with no "
			"way "
			"back (--keep leaves it running)",
			m->j.name);
	if (!plan && container_was_paused(m->manifest))
		return err_set(err, ERR_FAILED, "%s is paused: docker unpause %s first", m->j.name,
			m->j.name);
	return 0;
}

static void choose(struct migration *m)
{
	const struct migrate_options *o = m->run->o;

	snprintf(m->j.target, sizeof(m->j.target), "%s", o->target->name);
	snprintf(m->j.new_name, sizeof(m->j.new_name), "%s", o->choice.name ? o->choice.name : "");
	m->j.keep = o->keep;
	m->j.no_start = o->no_start;
	m->j.overwrite = o->overwrite;
	m->j.no_volumes = o->choice.no_volumes;
	m->j.binds = o->choice.binds;
	m->j.require_full = o->require_full;
	m->j.live = o->live;
	m->j.health_seconds = o->health_seconds;
	randombytes_buf(m->j.id, sizeof(m->j.id));
}

/* Nobody else may be at work on it, and nothing be unfinished. */
static int claim(struct migration *m, struct err *err)
{
	struct journal old;

	if (journal_lock(m->run->dir, m->j.name, &m->lock, err) != 0)
		return -1;
	if (journal_read(m->run->dir, m->j.name, &old, err) == 0)
		return err_set(err, ERR_FAILED,
			"a migration of %s to %s was cut off (%s): dray migrate --resume %s goes "
			"on, "
			"--undo %s has it back",
			m->j.name, old.target, cutover_name(old.stage), m->j.name, m->j.name);
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}

static int take_facts(struct migration *m, const struct container_facts *facts, struct err *err)
{
	struct container_choice choice = m->run->o->choice;
	bool resumed = m->journaled;

	m->manifest = json_deep_copy(facts->manifest);
	if (!m->manifest)
		return err_nomem(err);
	if (!resumed) {
		snprintf(m->j.name, sizeof(m->j.name), "%s", container_name(m->manifest));
		snprintf(m->j.container, sizeof(m->j.container), "%s", container_id(m->manifest));
		choose(m);
		if (claim(m, err) != 0)
			return -1;
		note_state(m);
	} else if (restore_state(m, err) != 0) {
		return -1;
	}
	choice.name = m->j.new_name[0] ? m->j.new_name : NULL;
	choice.no_volumes = m->j.no_volumes;
	choice.binds = m->j.binds;
	if (check_container(m, err) != 0 || find_trees(m, facts->container, err) != 0)
		return -1;
	return container_order_print(m->manifest, &choice, &m->order, err);
}

static void looked(void *ctx, const struct container_facts *facts, const struct err *failed)
{
	struct migration *m = ctx;
	struct err err;

	if (failed && failed->code == ERR_NOT_FOUND && !m->journaled) {
		err_set(&err, ERR_NOT_FOUND, "no container %s in the engine at %s", m->typed,
			engine_host(engine_of(m)));
		failed = &err;
	}
	if (!well(m, failed))
		return;
	if (take_facts(m, facts, &err) != 0) {
		migration_fail(m, &err);
		return;
	}
	if (m->run->o->way != MIGRATE_WAY_PLAN && !m->journaled && migration_note(m) != 0)
		return;
	migration_offer(m);
}

void migration_begin(struct migration *m)
{
	const char *name = m->journaled ? m->j.container : m->typed;
	struct err err;

	migrate_say_phase(m, "asking");
	if (engine_container_facts(engine_of(m), name, looked, m, &err) != 0)
		migration_fail(m, &err);
}

/* --- down --- */

static void stopped(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (well(m, err))
		m->then(m);
}

static void policy_cleared(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (well(m, err))
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

	if (!well(m, err))
		return;
	snprintf(m->j.image, sizeof(m->j.image), "%s%s",
		strncmp(id, "sha256:", 7) == 0 ? "" : "sha256:", id);
	if (migration_note(m) == 0)
		m->then(m);
}

static void commit_now(struct migration *m)
{
	const char *base = container_image_id(m->manifest);
	char comment[100];
	struct engine_commit commit = {
		.container = m->j.container, .pause = m->pause, .comment = comment
	};

	snprintf(comment, sizeof(comment), BASE_COMMENT "%.80s", base ? base : "");
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

/* The policy first: an engine does not change it while the container is about to end. */
static void policy_back(void *ctx, const struct err *err)
{
	struct migration *m = ctx;

	if (is_gone(m, err))
		return;
	if (err)
		cannot_go_back(m, err);
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
