/*
 * What is to be known of a container before anything is touched. Happy path: the engine's facts ->
 * the manifest -> nobody else is at work on it -> the volumes whose contents travel -> the journal
 * -> OFFER.
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

static struct engine *engine_of(const struct migration *m)
{
	return m->run->engine;
}

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

static int add_tree(struct migration *m, const char *name, const char *path, struct err *err)
{
	struct migration_tree *t = &m->trees[m->n_trees];
	CLEANUP(cleanup_free) char *what = NULL;
	struct stat st;

	if (!path || stat(path, &st) != 0)
		return err_set(err, ERR_FAILED,
			"the contents of %s cannot be read%s%s: run dray as root beside the "
			"engine, "
			"or leave them with --no-volumes",
			name, path ? ": " : "", path ? strerror(errno) : "");
	m->n_trees++;
	t->name = strdup(name);
	t->root = strdup(path);
	if (!t->name || !t->root || asprintf(&what, "%s %s", m->run->o->target->name, path) < 0)
		return err_nomem(err);
	return journal_tree_cache(what, &t->cache, err);
}

/* A bind mount's directory, under the name of where it lies at the target. */
static int add_bind(struct migration *m, const struct container_choice *choice, const char *source,
	struct err *err)
{
	CLEANUP(buf_done) struct buf mapped;
	struct stat st;

	buf_init(&mapped, VOLUME_NAME_MAX + 1);
	if (stat(source, &st) == 0 && !S_ISDIR(st.st_mode)) {
		log_warn("%s is no directory: its contents are not sent", source);
		return 0;
	}
	container_map_path(choice, source, &mapped);
	if (!buf_ok(&mapped))
		return err_set(err, ERR_LIMIT, "%s: a path of more than %u bytes", source,
			VOLUME_NAME_MAX);
	return has_tree(m, (char *)buf_bytes(&mapped))
		       ? 0
		       : add_tree(m, (char *)buf_bytes(&mapped), source, err);
}

static int find_binds(struct migration *m, const struct container_choice *choice, struct err *err)
{
	for (size_t i = 0; m->j.binds && i < container_mount_count(m->manifest); i++) {
		struct container_mount mount = container_mount_at(m->manifest, i);

		if (mount.source && add_bind(m, choice, mount.source, err) != 0)
			return -1;
	}
	return 0;
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
		if (add_tree(m, mount.volume, path_of(container, mount.target), err) != 0)
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
	m->j.flat = o->flat;
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

/* The journal's maps, so that a resumed one has them, too. */
static int read_maps(struct migration *m, struct err *err)
{
	char *rest, *line;

	m->n_maps = 0;
	free(m->maps_text);
	m->maps_text = rest = strdup(m->j.maps);
	if (!rest)
		return err_nomem(err);
	while ((line = strsep(&rest, "\n")) && *line && m->n_maps < CONTAINER_MAPS_MAX) {
		if (container_path_map_parse(line, &m->maps[m->n_maps++], err) != 0)
			return -1;
	}
	return 0;
}

static int note_maps(struct migration *m, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < m->run->o->n_maps; i++) {
		const char *map = m->run->o->maps[i];

		if (strlen(map) + 2 > sizeof(m->j.maps) - n || strchr(map, '\n'))
			return err_set(err, ERR_USAGE, "--map: too many or too long");
		n += (size_t)snprintf(m->j.maps + n, sizeof(m->j.maps) - n, "%s\n", map);
	}
	return 0;
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
		if (note_maps(m, err) != 0 || claim(m, err) != 0)
			return -1;
		note_state(m);
	} else if (restore_state(m, err) != 0) {
		return -1;
	}
	choice.name = m->j.new_name[0] ? m->j.new_name : NULL;
	choice.no_volumes = m->j.no_volumes;
	choice.binds = m->j.binds;
	if (read_maps(m, err) != 0)
		return -1;
	choice.maps = m->maps;
	choice.n_maps = m->n_maps;
	if (check_container(m, err) != 0 || find_trees(m, facts->container, err) != 0 ||
		find_binds(m, &choice, err) != 0)
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
	if (!migration_went_well(m, failed))
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
