/*
 * OFFER: may it be, and what stands in the way? Happy path: what the engine can take -> is the name
 * free -> networks -> volumes -> the journal. Nothing is touched in the engine.
 */
#include "server/container/engine_migrate.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- volumes --- */

json_t *migrate_volume_body(const struct container_request *request, const char *name)
{
	for (size_t i = 0; i < json_array_size(request->volumes); i++) {
		json_t *body = json_array_get(request->volumes, i);
		const char *s = json_string_value(json_object_get(body, "Name"));

		if (s && strcmp(s, name) == 0)
			return body;
	}
	return NULL;
}

/* Is this where a bind mount of the order lies at the target? */
static bool is_bind(const struct container_order *order, const char *path)
{
	bool found = false;

	for (size_t i = 0; i < container_mount_count(order->manifest) && !found; i++) {
		struct container_mount mount = container_mount_at(order->manifest, i);
		struct buf mapped;

		if (!mount.source)
			continue;
		buf_init(&mapped, VOLUME_NAME_MAX + 1);
		container_map_path(&order->choice, mount.source, &mapped);
		found = buf_ok(&mapped) && strcmp((char *)buf_bytes(&mapped), path) == 0;
		buf_done(&mapped);
	}
	return found;
}

/* One that is filled by this migration already may be filled again. */
int migrate_check_bind(const struct migration *m, bool overwrite, const char *path, struct err *err)
{
	char shown[4 * VOLUME_NAME_MAX + 1];
	bool empty = false;

	if (overwrite || (m && migration_made(m->binds, path)) || access(path, F_OK) != 0)
		return 0;
	if (migrate_is_empty(path, &empty, err) != 0)
		return -1;
	if (empty)
		return 0;
	return err_set(err, ERR_FAILED,
		"the target has something in %s: --overwrite replaces it, without --binds it is "
		"taken "
		"as it is",
		text_escape(shown, sizeof(shown), path, strlen(path)));
}

static int check_binds(const struct migrate_job *j, struct err *err)
{
	const struct container_order *order = migrate_order(j);
	int r = 0;

	for (size_t i = 0; i < container_mount_count(order->manifest) && r == 0; i++) {
		struct container_mount mount = container_mount_at(order->manifest, i);
		struct buf mapped;

		if (!mount.source || !order->choice.binds)
			continue;
		buf_init(&mapped, VOLUME_NAME_MAX + 1);
		container_map_path(&order->choice, mount.source, &mapped);
		if (buf_ok(&mapped))
			r = migrate_check_bind(j->m, j->flags & MIGRATE_OVERWRITE,
				(char *)buf_bytes(&mapped), err);
		buf_done(&mapped);
	}
	return r;
}

bool migrate_volume_travels(const struct container_order *order, const char *name)
{
	if (name[0] == '/')
		return order->choice.binds && is_bind(order, name);

	for (size_t i = 0; i < container_mount_count(order->manifest); i++) {
		struct container_mount mount = container_mount_at(order->manifest, i);

		if (mount.volume && strcmp(mount.volume, name) == 0)
			return !order->choice.no_volumes;
	}
	return false;
}

const char *migrate_mountpoint(const json_t *volume)
{
	const char *path = json_string_value(json_object_get(volume, "Mountpoint"));

	return path && path[0] == '/' ? path : NULL;
}

int migrate_is_empty(const char *dir, bool *ret, struct err *err)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return err_errno(err, errno, "cannot look into %s", dir);
	*ret = true;
	while (*ret && (errno = 0, e = readdir(d)))
		*ret = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return 0;
}

/* One that holds something is never overwritten unasked. */
static int check_volume(
	const struct migrate_job *j, const char *name, const json_t *there, struct err *err)
{
	const char *path = migrate_mountpoint(there);
	char shown[4 * VOLUME_NAME_MAX + 1];
	bool empty = false;

	if (!migrate_volume_travels(migrate_order(j), name) || (j->flags & MIGRATE_OVERWRITE) ||
		(j->m && migration_made(j->m->volumes, name)))
		return 0;
	text_escape(shown, sizeof(shown), name, strlen(name));
	if (!path)
		return err_set(err, ERR_FAILED,
			"the target has a volume %s, and keeps it where dray cannot look", shown);
	if (migrate_is_empty(path, &empty, err) != 0)
		return -1;
	if (!empty)
		return err_set(err, ERR_FAILED,
			"the target has a volume %s with something in it: --overwrite replaces it, "
			"--no-volumes takes it as it is",
			shown);
	return 0;
}

/* --- the end --- */

static struct migration *add_migration(struct migrate_job *j, struct err *err)
{
	struct migrations *ms = j->job.host->migrations;
	unsigned n = 0, of_key = 0;
	struct migration *m;

	for (m = ms->first; m; m = m->next) {
		n++;
		of_key += strcmp(m->key, j->job.key) == 0;
	}
	if (n >= MIGRATIONS_MAX || of_key >= MIGRATIONS_OF_KEY_MAX) {
		err_set(err, ERR_LIMIT, "too many unfinished migrations at the target");
		return NULL;
	}
	m = migration_new(j->id, j->job.key, &j->order);
	if (!m) {
		err_nomem(err);
		return NULL;
	}
	m->busy = true;
	m->next = ms->first;
	ms->first = m;
	return m;
}

static int keep(struct migrate_job *j, struct err *err)
{
	if (!j->m && !(j->m = add_migration(j, err)))
		return -1;
	j->m->overwrite = j->flags & MIGRATE_OVERWRITE;
	json_decref(j->m->report);
	j->m->report = fidelity_json(&j->report);
	if (!j->m->report)
		return err_nomem(err);
	return migration_journal(j->job.host, j->m, err);
}

static void offered(struct migrate_job *j)
{
	struct err err;

	if (keep(j, &err) != 0)
		migrate_failed(j, &err);
	else
		migrate_answer(j, NULL);
}

static void next_volume(struct migrate_job *j);

static void volume_seen(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	const json_t *body = json_array_get(j->request.volumes, j->at);
	const char *name = json_string_value(json_object_get(body, "Name"));
	struct err err;

	if (failed && failed->code != ERR_NOT_FOUND) {
		migrate_failed(j, failed);
		return;
	}
	if (!failed && check_volume(j, name, o, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	j->at++;
	next_volume(j);
}

static void next_volume(struct migrate_job *j)
{
	const json_t *body = json_array_get(j->request.volumes, j->at);
	const char *name = json_string_value(json_object_get(body, "Name"));

	if (!body)
		offered(j);
	else
		engine_inspect_volume(j->job.host->engine, name ? name : "", volume_seen, j);
}

/* --- networks --- */

static int check_networks(const struct network_plan *plan, struct err *err)
{
	char shown[600];

	for (size_t i = 0; i < plan->n; i++) {
		if (plan->rows[i].step == NETWORK_CLASH)
			return err_set(err, ERR_FAILED, "the network %s: %s",
				text_escape(shown, sizeof(shown), plan->rows[i].name,
					strlen(plan->rows[i].name)),
				plan->rows[i].reason);
	}
	return 0;
}

static int find_out(struct migrate_job *j, const json_t *networks, struct err *err)
{
	const json_t *manifest = migrate_order(j)->manifest;
	struct container_choice choice = migrate_choice(j);

	if (network_plan_make(manifest, networks, &j->target, &j->plan, err) != 0 ||
		check_networks(&j->plan, err) != 0 ||
		container_findings(manifest, &j->target, &choice, &j->report, err) != 0 ||
		network_plan_report(&j->plan, &j->report, err) != 0 || check_binds(j, err) != 0)
		return -1;
	return container_request_build(manifest, &j->target, &choice, &j->request, err);
}

static void networks_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct err err;

	if (!migrate_went_well(j, failed))
		return;
	if (find_out(j, o, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	j->at = 0;
	next_volume(j);
}

/* --- the name --- */

static void name_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct err err;

	(void)o;
	if (failed && failed->code != ERR_NOT_FOUND) {
		migrate_failed(j, failed);
		return;
	}
	if (!failed) {
		err_set(&err, ERR_FAILED,
			"the target has a container named %s already: --name gives the new one "
			"another name",
			container_order_name(migrate_order(j)));
		migrate_failed(j, &err);
		return;
	}
	engine_list_networks(j->job.host->engine, networks_known, j);
}

static void learned(struct migrate_job *j)
{
	engine_inspect_container(
		j->job.host->engine, container_order_name(migrate_order(j)), name_known, j);
}

static void begin(struct migrate_job *j)
{
	migrate_learn(j, learned);
}

/* Offered again: by the same agent, which lost the answer, or was stopped and goes on. */
void migrate_offer(struct migrate_job *j)
{
	struct err err;

	if (!container_is_name(container_order_name(migrate_order(j)))) {
		err_set(&err, ERR_PROTOCOL, "a name that no container can have");
		migrate_failed(j, &err);
	} else if (j->m && j->m->stage != STAGE_OFFERED) {
		migrate_answer(j, NULL);
	} else if (j->m) {
		migrate_drop_half_made(j, begin);
	} else {
		begin(j);
	}
}
