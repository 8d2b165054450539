/* `drayd check`: are the stores what they should be? */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "server/admin/admin_client.h"

static const char check_text[] =
	"Looks whether the stores hold what their indexes say. What is damaged counts as missing\n"
	"from then on, so that the next push sends it again. Goes beside a running serve. Exit\n"
	"code 7: damage was found.\n";

int cmd_check(int argc, char **argv)
{
	const char *state = cmd_state_dir();
	bool json = false, read_data = false, rebuild = false;
	const struct option_row rows[] = {
		{ "read-data", 0, OPTION_FLAG, &read_data, NULL,
			"read and hash everything that is stored" },
		{ "rebuild-index", 0, OPTION_FLAG, &rebuild, NULL,
			"first make the indexes anew from what is stored" },
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	int code;

	if (!program_options(argc, argv, check_text, rows, &code))
		return code;
	return admin_client_run(state, "check",
		json_pack("{s:b, s:b}", "read-data", read_data, "rebuild-index", rebuild), json);
}
