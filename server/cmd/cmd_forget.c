/* `drayd forget`: drops the snapshots that a policy does not keep. */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "server/admin/admin_client.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 6

static const char forget_text[] =
	"Forgets the snapshots that no rule keeps. Each host's (key's, kind's) each name is "
	"looked\n"
	"at by itself, by the time of receipt alone, in UTC. A rule of N periods keeps the last\n"
	"snapshot of each of the N latest periods that have one. drayd prune then makes the room\n"
	"free.\n";

static const char *const rules[] = { "keep-last", "keep-hourly", "keep-daily", "keep-weekly",
	"keep-monthly", "keep-yearly" };

/* A number of snapshots, put into the parameters. NULL: not given. */
static int set_number(json_t *to, const char *rule, const char *text, struct err *err)
{
	if (!text)
		return 0;
	if (!text[0] || strlen(text) > DIGITS_MAX || strspn(text, "0123456789") != strlen(text))
		return err_set(err, ERR_USAGE, "--%s takes a number of snapshots, as 7", rule);
	if (json_object_set_new(to, rule, json_integer(strtol(text, NULL, 10))) != 0)
		return err_nomem(err);
	return 0;
}

int cmd_forget(int argc, char **argv)
{
	const char *state = cmd_state_dir(), *host = NULL, *name = NULL;
	const char *numbers[ARRAY_LEN(rules)] = { 0 };
	bool json = false, dry_run = false;
	uint64_t within = 0;
	const struct option_row rows[] = {
		{ rules[0], 0, OPTION_TEXT, &numbers[0], "N", "keep the last N" },
		{ rules[1], 0, OPTION_TEXT, &numbers[1], "N", "one of each of N hours" },
		{ rules[2], 0, OPTION_TEXT, &numbers[2], "N", "of N days" },
		{ rules[3], 0, OPTION_TEXT, &numbers[3], "N", "of N weeks, from Monday on" },
		{ rules[4], 0, OPTION_TEXT, &numbers[4], "N", "of N months" },
		{ rules[5], 0, OPTION_TEXT, &numbers[5], "N", "of N years" },
		{ "keep-within", 0, OPTION_SECONDS, &within, "TIME",
			"all of so long before the newest, as 7d" },
		{ "host", 0, OPTION_TEXT, &host, "HOST", "only of this host" },
		{ "name", 0, OPTION_TEXT, &name, "NAME", "only of this name" },
		{ "dry-run", 0, OPTION_FLAG, &dry_run, NULL, "only say what would be forgotten" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	struct err err;
	int code;

	if (!program_options(argc, argv, forget_text, rows, &code))
		return code;
	json_t *to = json_pack("{s:s*, s:s*, s:b, s:I}", "host", host, "name", name, "dry-run",
		dry_run, "keep-within", (json_int_t)(within > INT64_MAX ? INT64_MAX : within));
	for (size_t i = 0; to && i < ARRAY_LEN(rules); i++)
		if (set_number(to, rules[i], numbers[i], &err) != 0) {
			json_decref(to);
			return program_fail(&err);
		}
	return admin_client_run(state, "forget", to, json);
}
