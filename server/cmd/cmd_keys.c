/* `drayd keys`: who may do what, and which invitations wait. */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "server/admin/admin_client.h"

static const char keys_text[] = "Lists the keys that may connect, and invitations that wait.\n";

int cmd_keys(int argc, char **argv)
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

	if (!program_options(argc, argv, keys_text, rows, &code))
		return code;
	return admin_client_run(state, "keys", json_object(), json);
}
