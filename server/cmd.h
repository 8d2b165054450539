/* The commands of drayd: each takes its own arguments (argv[0] is its name) and gives the exit
 * code. Main thread. */
#pragma once

int cmd_invite(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_serve(int argc, char **argv);

/* Where the state is without --state: DRAYD_STATE_DIR, else /var/lib/dray. */
const char *cmd_state_dir(void);
