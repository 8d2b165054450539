/* The commands of dray: each takes its own arguments (argv[0] is its name) and gives the exit code.
 * Main thread. */
#pragma once

#include "client/client.h"

int cmd_doctor(int argc, char **argv);
int cmd_layers(int argc, char **argv);
int cmd_pair(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_plan_migrate(int argc, char **argv); /* argv[0] is "migrate" */
int cmd_push(int argc, char **argv);
int cmd_forget(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_snapshots(int argc, char **argv);
int cmd_targets(int argc, char **argv);
