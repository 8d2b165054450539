/* `drayd snapshots`: what have backups left here? */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "server/admin/admin_client.h"

static const char snapshots_text[] =
	"Lists the snapshots that are kept here, the oldest first, store by store: ID, time of\n"
	"receipt (UTC), host and name, kind, size, and what the store grew by for it.\n";

int cmd_snapshots(int argc, char **argv)
{
	const char *state = cmd_state_dir(), *host = NULL, *name = NULL, *kind = NULL;
	bool json = false;
	const struct option_row rows[] = {
		{ "host", 0, OPTION_TEXT, &host, "HOST", "only of this host" },
		{ "name", 0, OPTION_TEXT, &name, "NAME", "only of this name" },
		{ "kind", 0, OPTION_TEXT, &kind, "KIND", "only image, container or volume" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	int code;

	if (!program_options(argc, argv, snapshots_text, rows, &code))
		return code;
	return admin_client_run(state, "snapshots",
		json_pack("{s:s*, s:s*, s:s*}", "host", host, "name", name, "kind", kind), json);
}
