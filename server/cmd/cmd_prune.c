/* `drayd prune`: gives up what is stored and nothing needs. */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "server/admin/admin_client.h"

static const char prune_text[] =
	"Gives up what no snapshot, and no push or backup under way or lately cut off, needs. "
	"Packs\n"
	"that hold little else are written anew. Goes beside a running serve. The next push sends\n"
	"again what it needs of that, if the engine does not have it.\n";

int cmd_prune(int argc, char **argv)
{
	const char *state = cmd_state_dir();
	bool json = false, dry_run = false;
	const struct option_row rows[] = {
		{ "dry-run", 0, OPTION_FLAG, &dry_run, NULL, "only say what would be given up" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	int code;

	if (!program_options(argc, argv, prune_text, rows, &code))
		return code;
	return admin_client_run(state, "prune", json_pack("{s:b}", "dry-run", dry_run), json);
}
