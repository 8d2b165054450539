/* `drayd revoke`: takes a key, and invitations for its name, back. */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "common/base/text.h"
#include "server/admin/admin_client.h"

#include <string.h>

#define SHOWN_MAX 80

static const char revoke_text[] =
	"Removes the key: its client can do nothing any more, nor can an invitation for that\n"
	"name. Sessions that it has with a running serve end at once.\n";

static int revoke(const char *state, const char *name)
{
	json_t *parameters = json_pack("{s:s}", "name", name);
	char shown[SHOWN_MAX];
	struct err err;

	if (parameters)
		return admin_client_run(state, "revoke", parameters, false);
	/* Not even UTF-8. */
	err_set(&err, ERR_NOT_FOUND, "'%s' is no key's name; drayd keys lists them",
		text_escape(shown, sizeof(shown), name, strlen(name)));
	return program_fail(&err);
}

int cmd_revoke(int argc, char **argv)
{
	const char *state = cmd_state_dir();
	bool help = false;
	const struct option_row rows[] = {
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		return program_fail(&err);
	if (help) {
		program_help("revoke NAME [OPTION]...", revoke_text, rows);
		return 0;
	}
	if (n != 1) {
		err_set(&err, ERR_USAGE, "revoke takes one name; drayd keys lists them");
		return program_fail(&err);
	}
	return revoke(state, argv[1]);
}
