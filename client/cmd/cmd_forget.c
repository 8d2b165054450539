/* `dray forget`: its options. */
#include "client/cmd/cmd.h"

#include "client/backup/uv_forget.h"
#include "client/push/retry.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "protocol/grant.h"

static const char forget_text[] = "Forgets the snapshots of this host's key at TARGET that no rule "
				  "keeps. Each host's (kind's)\n"
				  "each name is looked at by itself, by the target's time of "
				  "receipt alone, in UTC. A rule of N\n"
				  "periods keeps the last snapshot of each of the N latest periods "
				  "that have one. Their room is\n"
				  "free after the next prune there.\n";

int cmd_forget(int argc, char **argv)
{
	struct forget_options o = { .style = REPORT_TEXT,
		.vault = { .lanes = { .lanes = 1 },
			.retry_for_ms = RETRY_FOR_SECONDS * 1000,
			.grants = GRANT_FORGET,
			.needs = "does not let this key forget backups (drayd invite --allow "
				 "backup,restore,forget there)" } };
	bool json = false, quiet = false, verbose = false;
	const char *from = NULL;
	const struct option_row rows[] = {
		{ "from", 0, OPTION_TEXT, &from, "TARGET",
			"the target, a name given to dray pair" },
		{ "keep-last", 0, OPTION_SIZE, &o.keep.last, "N", "keep the last N" },
		{ "keep-hourly", 0, OPTION_SIZE, &o.keep.hourly, "N", "one of each of N hours" },
		{ "keep-daily", 0, OPTION_SIZE, &o.keep.daily, "N", "of N days" },
		{ "keep-weekly", 0, OPTION_SIZE, &o.keep.weekly, "N",
			"of N weeks, from Monday on" },
		{ "keep-monthly", 0, OPTION_SIZE, &o.keep.monthly, "N", "of N months" },
		{ "keep-yearly", 0, OPTION_SIZE, &o.keep.yearly, "N", "of N years" },
		{ "keep-within", 0, OPTION_SECONDS, &o.keep.within_seconds, "TIME",
			"all of so long before the newest, as 7d" },
		{ "host", 0, OPTION_TEXT, &o.host, "HOST", "only of this host" },
		{ "name", 0, OPTION_TEXT, &o.name, "NAME", "only of this name" },
		{ "dry-run", 0, OPTION_FLAG, &o.dry_run, NULL, "only say what would be forgotten" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "print only the IDs" },
		{ "verbose", 'v', OPTION_FLAG, &verbose, NULL, "say more" },
		{ 0 },
	};
	struct key_pair *key = NULL;
	struct err err = { 0 };
	int code;

	if (!program_options(argc, argv, forget_text, rows, &code))
		return code;
	if (!from)
		err_set(&err, ERR_USAGE,
			"forget: where from? (--from TARGET; dray targets lists them)");
	else if (json && quiet)
		err_set(&err, ERR_USAGE, "--json and -q exclude each other");
	else if (retention_is_empty(&o.keep))
		err_set(&err, ERR_USAGE,
			"forget needs to know what to keep, at least one of --keep-last, "
			"--keep-hourly, --keep-daily, --keep-weekly, --keep-monthly, --keep-yearly "
			"and --keep-within");
	if (err.code != ERR_NONE)
		return program_fail(&err);
	log_start("dray", verbose ? LOG_DEBUG : LOG_INFO, false);
	o.style = json ? REPORT_JSON : quiet ? REPORT_QUIET : REPORT_TEXT;
	o.vault.quiet = quiet;
	if (vault_target(from, &key, &o.vault, &err) != 0)
		return program_fail(&err);
	code = forget_run(&o);
	client_close(key, o.vault.target);
	return code;
}
