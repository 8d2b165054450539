#include "client/cmd/cmd.h"

#include "common/base/program.h"

int main(int argc, char **argv)
{
	static const struct program_command commands[] = {
		{ "pair", "meet a receiver with the token that its drayd printed", cmd_pair },
		{ "targets", "list the receivers that this host knows, or forget one",
			cmd_targets },
		{ "push", "send an image to a receiver's engine", cmd_push },
		{ "migrate", "recreate containers on a receiver's host", cmd_migrate },
		{ "backup", "keep volumes at a receiver, as snapshots", cmd_backup },
		{ "snapshots", "list what a receiver keeps", cmd_snapshots },
		{ "restore", "make a volume anew of a snapshot", cmd_restore },
		{ "forget", "drop the snapshots that a policy does not keep", cmd_forget },
		{ "plan", "ask what a push or a migration would come to", cmd_plan },
		{ "layers", "show an image's layers, and which of them a receiver has",
			cmd_layers },
		{ "doctor", "look at what dray needs: files, engine, speed, the way to a receiver",
			cmd_doctor },
		{ 0 },
	};
	static const struct program dray = { .name = "dray",
		.about = "Sends images and containers from this host's engine to another host's.",
		.commands = commands };

	return program_run(&dray, argc, argv);
}
