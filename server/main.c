#include "server/cmd/cmd.h"

#include "common/base/program.h"

#include <stdlib.h>

const char *cmd_state_dir(void)
{
	const char *dir = getenv("DRAYD_STATE_DIR");

	return dir && dir[0] ? dir : "/var/lib/dray";
}

int main(int argc, char **argv)
{
	static const struct program_command commands[] = {
		{ "serve", "receive for the container engine of this host", cmd_serve },
		{ "invite", "print a one-time token that lets a client pair", cmd_invite },
		{ "keys", "list who may do what", cmd_keys },
		{ "revoke", "take a key back", cmd_revoke },
		{ "check", "look for damage in what is stored", cmd_check },
		{ "prune", "give up what is stored and not needed", cmd_prune },
		{ "snapshots", "list what backups left here", cmd_snapshots },
		{ "forget", "drop snapshots that a policy does not keep", cmd_forget },
		{ "stats", "say what is stored, and who is served", cmd_stats },
		{ "net-process", NULL, cmd_net_process },
		{ "engine-process", NULL, cmd_engine_process },
		{ 0 },
	};
	static const struct program drayd = { .name = "drayd",
		.about =
			"Receives images from dray and gives them to this host's container engine.",
		.commands = commands };

	return program_run(&drayd, argc, argv);
}
