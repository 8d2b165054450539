/* `dray restore`: its options. */
#include "client/cmd/cmd.h"

#include "client/backup/uv_restore.h"
#include "client/cmd/transfer_options.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "protocol/grant.h"
#include "protocol/limits.h"

#include <string.h>

static const char restore_text[] =
	"Makes a volume anew of a snapshot: an ID or the beginning of one, NAME, HOST/NAME, or "
	"one\n"
	"of these with @latest or @TIME (dray snapshots lists them). Every chunk and the whole "
	"are\n"
	"checked against their names. A volume that holds something is left as it is without\n"
	"--overwrite. Device nodes are left out; they are in the archive.\n";

int cmd_restore(int argc, char **argv)
{
	struct restore_options o = { .style = REPORT_TEXT };
	const char *from = NULL;
	bool json = false, quiet = false, verbose = false, help;
	uint64_t retry_for = RETRY_FOR_SECONDS;
	const struct option_row rows[] = {
		{ "from", 0, OPTION_TEXT, &from, "TARGET",
			"the target, a name given to dray pair" },
		ENGINE_OPTION_ROW(&o.vault.engine),
		{ "name", 0, OPTION_TEXT, &o.name, "NEW", "call the volume so" },
		{ "to-archive", 0, OPTION_TEXT, &o.archive, "FILE",
			"write a plain tar instead; no engine is needed" },
		{ "overwrite", 0, OPTION_FLAG, &o.overwrite, NULL,
			"replace what the volume, or the file, holds" },
		{ "retry-for", 0, OPTION_SECONDS, &retry_for, "TIME",
			"give up after so long without a session (default 2m; 0: at once)" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "print only what was made" },
		{ "verbose", 'v', OPTION_FLAG, &verbose, NULL, "say more" },
		{ 0 },
	};
	struct key_pair *key = NULL;
	struct err err;
	int n, code;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		return program_fail(&err);
	if (help) {
		program_help("restore SNAPSHOT --from TARGET", restore_text, rows);
		return 0;
	}
	err.code = ERR_NONE;
	if (n != 1)
		err_set(&err, ERR_USAGE,
			"restore: which one? (dray restore SNAPSHOT --from TARGET; dray snapshots "
			"lists them)");
	else if (!from)
		err_set(&err, ERR_USAGE,
			"restore: where from? (--from TARGET; dray targets lists them)");
	else if (json && quiet)
		err_set(&err, ERR_USAGE, "--json and -q exclude each other");
	else if (o.archive && o.name)
		err_set(&err, ERR_USAGE, "--to-archive and --name exclude each other");
	else if (o.name && (!o.name[0] || strlen(o.name) > VOLUME_NAME_MAX))
		err_set(&err, ERR_USAGE, "--name: no volume can have this name");
	if (err.code != ERR_NONE)
		return program_fail(&err);
	log_start("dray", verbose ? LOG_DEBUG : LOG_INFO, false);
	o.snapshot = argv[1];
	o.style = json ? REPORT_JSON : quiet ? REPORT_QUIET : REPORT_TEXT;
	o.vault.with_engine = o.archive == NULL;
	o.vault.quiet = quiet;
	o.vault.lanes.lanes = 1;
	o.vault.retry_for_ms = min_u64(retry_for, UINT64_MAX / 1000) * 1000;
	o.vault.grants = GRANT_RESTORE;
	o.vault.needs = "does not let this key read backups (drayd invite --allow restore there)";
	if (vault_target(from, &key, &o.vault, &err) != 0)
		return program_fail(&err);
	code = restore_run(&o);
	client_close(key, o.vault.target);
	return code;
}
