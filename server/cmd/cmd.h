/* The commands of drayd: each takes its own arguments (argv[0] is its name) and gives the exit
 * code. Main thread. */
#pragma once

int cmd_invite(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_prune(int argc, char **argv);
int cmd_snapshots(int argc, char **argv);
int cmd_forget(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_serve(int argc, char **argv);

/* The two processes that serve starts: no commands for people (supervisor.h). */
int cmd_net_process(int argc, char **argv);
int cmd_engine_process(int argc, char **argv);

/* Where the state is without --state: DRAYD_STATE_DIR, else /var/lib/dray. */
const char *cmd_state_dir(void);
