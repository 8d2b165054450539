/* `dray backup`: its options. */
#include "client/cmd/cmd.h"

#include "client/backup/uv_backup.h"
#include "client/cmd/transfer_options.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "common/engine/engine_choice.h"
#include "protocol/grant.h"
#include "protocol/limits.h"

#include <string.h>

static const char backup_text[] =
	"Keeps volumes at TARGET, each run a snapshot: what it has of them already does not cross\n"
	"the wire, and files that look as they did at the last backup are not read. A volume is "
	"read\n"
	"as it is: stop or quiesce what writes to it, where that matters.\n";

struct typed {
	struct transfer_options transfer;
	const char *to, *engine;
	bool reread, json, quiet, verbose, help;
};

static int parse_names(int n, char **argv, struct backup_options *o, struct err *err)
{
	char shown[200];

	if (n == 0)
		return err_set(err, ERR_USAGE,
			"backup: of what? (dray backup volume:NAME... --to TARGET)");
	if ((size_t)n > BACKUPS_MAX)
		return err_set(err, ERR_USAGE, "backup: at most %u things in one run", BACKUPS_MAX);
	for (int i = 1; i <= n; i++) {
		const char *name = argv[i] + strlen(BACKUP_VOLUME);

		text_escape(shown, sizeof(shown), argv[i], strlen(argv[i]));
		if (strncmp(argv[i], BACKUP_VOLUME, strlen(BACKUP_VOLUME)) != 0)
			return err_set(err, ERR_USAGE,
				"backup: %s: this version keeps volumes (volume:NAME)", shown);
		if (!name[0] || strlen(name) > VOLUME_NAME_MAX)
			return err_set(
				err, ERR_USAGE, "backup: %s: no volume can have this name", shown);
	}
	o->names = (const char *const *)argv + 1;
	o->n_names = (size_t)n;
	return 0;
}

static int take(const struct typed *t, struct backup_options *o, struct err *err)
{
	enum engine_read read;

	if (!t->to)
		return err_set(
			err, ERR_USAGE, "backup: where to? (--to TARGET; dray targets lists them)");
	if (t->json && t->quiet)
		return err_set(err, ERR_USAGE, "--json and -q exclude each other");
	o->style = t->json ? REPORT_JSON : t->quiet ? REPORT_QUIET : REPORT_TEXT;
	o->reread = t->reread;
	o->vault.engine = t->engine;
	o->vault.with_engine = true;
	o->vault.quiet = t->quiet;
	o->vault.retry_for_ms = transfer_retry_ms(&t->transfer);
	o->vault.grants = GRANT_BACKUP;
	o->vault.needs = "does not let this key add backups (drayd invite --allow backup,restore "
			 "there)";
	return transfer_take(&t->transfer, &o->vault.lanes, &read, &o->vault.level, err);
}

int cmd_backup(int argc, char **argv)
{
	struct typed t = { .transfer = TRANSFER_DEFAULTS };
	struct backup_options o = { 0 };
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &t.to, "TARGET", "the target, a name given to dray pair" },
		ENGINE_OPTION_ROW(&t.engine),
		{ "reread", 0, OPTION_FLAG, &t.reread, NULL,
			"read all files, also those that look as they did" },
		TRANSFER_LINK_ROWS(&t.transfer),
		{ "json", 0, OPTION_FLAG, &t.json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &t.quiet, NULL, "print only the snapshots' IDs" },
		{ "verbose", 'v', OPTION_FLAG, &t.verbose, NULL, "say more" },
		{ 0 },
	};
	struct key_pair *key = NULL;
	struct err err;
	int n, code;

	if (options_parse(rows, argc, argv, &n, &t.help, &err) != 0)
		return program_fail(&err);
	if (t.help) {
		program_help("backup volume:NAME... --to TARGET", backup_text, rows);
		return 0;
	}
	if (parse_names(n, argv, &o, &err) != 0 || take(&t, &o, &err) != 0)
		return program_fail(&err);
	log_start("dray", t.verbose ? LOG_DEBUG : LOG_INFO, false);
	if (vault_target(t.to, &key, &o.vault, &err) != 0)
		return program_fail(&err);
	code = backup_run(&o);
	client_close(key, o.vault.target);
	return code;
}
