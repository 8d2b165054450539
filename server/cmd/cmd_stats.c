/* `drayd stats`: what is stored, and who is being served. */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "server/admin/admin_client.h"

static const char stats_text[] =
	"Says what the stores hold, for each domain (a key's, or a group's) and in all, and which\n"
	"sessions there are.\n";

int cmd_stats(int argc, char **argv)
{
	const char *state = cmd_state_dir();
	bool json = false;
	const struct option_row rows[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	int code;

	if (!program_options(argc, argv, stats_text, rows, &code))
		return code;
	return admin_client_run(state, "stats", json_object(), json);
}
