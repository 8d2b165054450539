/* `dray migrate`: its options. `dray plan migrate` comes here, too. */
#include "client/cmd/cmd.h"

#include "client/cmd/transfer_options.h"
#include "client/migrate/journal.h"
#include "client/migrate/uv_migrate.h"
#include "client/push/retry.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/cargo/container_order.h"
#include "common/engine/engine_choice.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>

struct typed {
	struct transfer_options transfer;
	const char *to, *engine, *mode, *name, *resume, *undo;
	struct option_list maps;
	uint64_t health;
	bool binds, live, keep, no_start, no_volumes, require_full, overwrite, reread;
	bool json, quiet, verbose, help;
};

static const char migrate_text[] = "Recreates containers on the host of TARGET, with all that they "
				   "are made of: image, what they\n"
				   "wrote, configuration, volumes, networks. The container here is "
				   "stopped first, and is started\n"
				   "again when anything goes wrong before the other one was told "
				   "to start; it is never removed.\n";

static const char plan_text[] =
	"Asks what would stand in the way of a migration, and which fields of the container would\n"
	"change. Nothing is touched.\n";

static int parse_names(
	int n, char **argv, const struct typed *t, struct migrate_options *o, struct err *err)
{
	const char *old = t->resume ? t->resume : t->undo;

	if (t->resume && t->undo)
		return err_set(err, ERR_USAGE, "--resume and --undo exclude each other");
	if (old && n > 0)
		return err_set(
			err, ERR_USAGE, "migrate --resume and --undo take no other container");
	if (old)
		return 0;
	if (n == 0)
		return err_set(err, ERR_USAGE,
			"migrate: which container? (dray migrate CONTAINER... --to TARGET)");
	if ((size_t)n > MIGRATE_CONTAINERS_MAX)
		return err_set(err, ERR_USAGE, "migrate: at most %u containers in one run",
			MIGRATE_CONTAINERS_MAX);
	if (t->name && n > 1)
		return err_set(err, ERR_USAGE, "--name is for one container");
	if (!t->to)
		return err_set(err, ERR_USAGE,
			"migrate: where to? (--to TARGET; dray targets lists them)");
	if (t->name && !container_is_name(t->name))
		return err_set(err, ERR_USAGE, "--name: no container can have this name");
	o->names = (const char *const *)argv + 1;
	o->n_names = (size_t)n;
	return 0;
}

static int check_maps(const struct option_list *maps, struct err *err)
{
	for (size_t i = 0; i < maps->n; i++) {
		CLEANUP(cleanup_free) char *copy = strdup(maps->items[i]);
		struct container_path_map map;

		if (!copy)
			return err_nomem(err);
		if (container_path_map_parse(copy, &map, err) != 0)
			return -1;
	}
	return 0;
}

static int take(const struct typed *t, struct migrate_options *o, struct err *err)
{
	if (t->mode && strcmp(t->mode, "flat") != 0 && strcmp(t->mode, "layers") != 0)
		return err_set(err, ERR_USAGE, "--mode takes layers or flat");
	o->flat = t->mode && strcmp(t->mode, "flat") == 0;
	if (o->flat && (t->live || t->keep))
		return err_set(err, ERR_USAGE,
			"--mode flat is for a container that is stopped: not with --live or "
			"--keep");
	if (t->live && t->keep)
		return err_set(err, ERR_USAGE, "--live and --keep exclude each other");
	if (t->json && t->quiet)
		return err_set(err, ERR_USAGE, "--json and -q exclude each other");
	if (t->health == 0 || t->health > HEALTH_SECONDS_MAX)
		return err_set(err, ERR_USAGE, "--health-timeout is from 1 second to 1 hour");
	o->engine = t->engine;
	o->live = t->live;
	o->keep = t->keep;
	o->no_start = t->no_start;
	o->choice.name = t->name;
	o->choice.binds = t->binds;
	o->maps = t->maps.items;
	o->n_maps = t->maps.n;
	if (check_maps(&t->maps, err) != 0)
		return -1;
	o->choice.no_volumes = t->no_volumes;
	o->require_full = t->require_full;
	o->overwrite = t->overwrite;
	o->reread = t->reread;
	o->health_seconds = (uint32_t)t->health;
	o->style = t->json ? REPORT_JSON : t->quiet ? REPORT_QUIET : REPORT_TEXT;
	o->retry_for_ms = transfer_retry_ms(&t->transfer);
	o->way = t->resume ? MIGRATE_WAY_RESUME : t->undo ? MIGRATE_WAY_UNDO : MIGRATE_WAY_NEW;
	return transfer_take(&t->transfer, &o->lanes, &o->read, &o->level, err);
}

static int parse(int argc, char **argv, struct typed *t, struct migrate_options *o, struct err *err)
{
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &t->to, "TARGET", "the target, a name given to dray pair" },
		ENGINE_OPTION_ROW(&t->engine),
		{ "mode", 0, OPTION_TEXT, &t->mode, "MODE",
			"layers (the default): its image and one more; flat: one layer of all its "
			"files" },
		{ "name", 0, OPTION_TEXT, &t->name, "NEW", "call it so there" },
		{ "live", 0, OPTION_FLAG, &t->live, NULL,
			"send what changes little while it still runs here" },
		{ "keep", 0, OPTION_FLAG, &t->keep, NULL,
			"leave the one here as it is, running; the other is a copy" },
		{ "no-start", 0, OPTION_FLAG, &t->no_start, NULL,
			"make it there, do not start it" },
		{ "no-volumes", 0, OPTION_FLAG, &t->no_volumes, NULL,
			"leave the contents of its volumes here" },
		{ "binds", 0, OPTION_FLAG, &t->binds, NULL,
			"send the contents of bind mounts, too" },
		{ "map", 0, OPTION_LIST, &t->maps, "/SRC=/DST",
			"what is bound from /SRC here is bound from /DST there" },
		{ "overwrite", 0, OPTION_FLAG, &t->overwrite, NULL,
			"replace what volumes of the same names, or binds, hold there" },
		{ "require-full", 0, OPTION_FLAG, &t->require_full, NULL,
			"do not go on unless everything is carried as it is" },
		{ "health-timeout", 0, OPTION_SECONDS, &t->health, "TIME",
			"how long it may take until it is up and healthy there (default 60s)" },
		{ "reread", 0, OPTION_FLAG, &t->reread, NULL,
			"read all files of volumes, also those that look as they did" },
		{ "resume", 0, OPTION_TEXT, &t->resume, "NAME", "go on with one that was cut off" },
		{ "undo", 0, OPTION_TEXT, &t->undo, "NAME", "have one that was cut off back" },
		TRANSFER_ROWS(&t->transfer),
		{ "json", 0, OPTION_FLAG, &t->json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &t->quiet, NULL, "print only the new container's ID" },
		{ "verbose", 'v', OPTION_FLAG, &t->verbose, NULL, "say more" },
		{ 0 },
	};
	int n;

	if (options_parse(rows, argc, argv, &n, &t->help, err) != 0)
		return -1;
	if (t->help) {
		program_help("migrate CONTAINER... --to TARGET | --resume NAME | --undo NAME",
			migrate_text, rows);
		return 0;
	}
	if (parse_names(n, argv, t, o, err) != 0)
		return -1;
	return take(t, o, err);
}

/* Where one that was cut off was going. */
static int open_old(
	const struct typed *t, struct migrate_options *o, struct journal *j, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	const char *name = t->resume ? t->resume : t->undo;

	if (journal_dir(&dir, err) != 0)
		return -1;
	if (journal_read(dir, name, j, err) != 0)
		return err->code == ERR_NOT_FOUND
			       ? err_set(err, ERR_NOT_FOUND,
					 "no migration of %s was cut off: there is nothing to %s",
					 name, t->resume ? "resume" : "undo")
			       : -1;
	if (t->to && strcmp(t->to, j->target) != 0)
		return err_set(err, ERR_USAGE, "%s was on its way to %s, not to %s", name,
			j->target, t->to);
	o->n_names = 1;
	return targets_load(j->target, &o->target, err);
}

static int run(const struct typed *t, struct migrate_options *o)
{
	struct key_pair *key = NULL;
	struct journal j;
	const char *name = j.name;
	struct err err;
	int r, code;

	if (o->way == MIGRATE_WAY_RESUME || o->way == MIGRATE_WAY_UNDO) {
		r = open_old(t, o, &j, &err);
		o->names = &name;
	} else {
		r = targets_load(t->to, &o->target, &err);
		/* "Not found" is for containers. */
		if (r != 0 && err.code == ERR_NOT_FOUND)
			err.code = ERR_USAGE;
	}
	if (r == 0)
		r = client_key(&key, &err);
	o->key = key;
	code = r == 0 ? migrate_run(o) : program_fail(&err);
	client_close(key, o->target);
	return code;
}

int cmd_migrate(int argc, char **argv)
{
	struct typed t = { .transfer = TRANSFER_DEFAULTS, .health = HEALTH_SECONDS_DEFAULT };
	struct migrate_options o = { 0 };
	struct err err;

	if (parse(argc, argv, &t, &o, &err) != 0)
		return program_fail(&err);
	if (t.help)
		return 0;
	log_start("dray", t.verbose ? LOG_DEBUG : LOG_INFO, false);
	return run(&t, &o);
}

/* --- plan --- */

int cmd_plan_migrate(int argc, char **argv)
{
	struct typed t = { .transfer = TRANSFER_DEFAULTS, .health = HEALTH_SECONDS_DEFAULT };
	struct migrate_options o = { 0 };
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &t.to, "TARGET", "the target, a name given to dray pair" },
		ENGINE_OPTION_ROW(&t.engine),
		{ "name", 0, OPTION_TEXT, &t.name, "NEW", "call it so there" },
		{ "no-volumes", 0, OPTION_FLAG, &t.no_volumes, NULL,
			"leave the contents of its volumes here" },
		{ "binds", 0, OPTION_FLAG, &t.binds, NULL,
			"send the contents of bind mounts, too" },
		{ "map", 0, OPTION_LIST, &t.maps, "/SRC=/DST",
			"what is bound from /SRC here is bound from /DST there" },
		{ "overwrite", 0, OPTION_FLAG, &t.overwrite, NULL,
			"replace what volumes of the same names hold there" },
		{ "json", 0, OPTION_FLAG, &t.json, NULL, "one JSON object a line on stdout" },
		{ "verbose", 'v', OPTION_FLAG, &t.verbose, NULL, "say more" },
		{ 0 },
	};
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &t.help, &err) != 0)
		return program_fail(&err);
	if (t.help) {
		program_help("plan migrate CONTAINER... --to TARGET", plan_text, rows);
		return 0;
	}
	if (parse_names(n, argv, &t, &o, &err) != 0 || take(&t, &o, &err) != 0)
		return program_fail(&err);
	o.way = MIGRATE_WAY_PLAN;
	log_start("dray", t.verbose ? LOG_DEBUG : LOG_INFO, false);
	return run(&t, &o);
}
