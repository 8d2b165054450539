/*
 * The supervisor of `drayd serve`: it starts the network process and the engine process, joins them
 * by the engine port, starts each again when it dies or falls silent, and passes on what the
 * administrator's signals and the service manager want. It reads nothing that comes from a peer or
 * from the engine. Main thread, single-threaded.
 */
#pragma once

#include "common/base/err.h"

enum child_role { CHILD_NET, CHILD_ENGINE, CHILD_ROLES };

#define SUPERVISOR_SILENCE_MS 30000u	/* or the service manager's limit, if that is shorter */
#define SUPERVISOR_SILENCE_MIN_MS 3000u /* whatever that limit is: three signs of life */
#define SUPERVISOR_STOP_MS 20000u	/* to finish what is under way */
#define SUPERVISOR_KILL_MS 10000u	/* after that, to end at once */

/*
 * Runs until SIGTERM or SIGINT. `argv` are the children's command lines; `lock` (the state's)
 * stays the caller's. *ret_code is the
 * exit code: 0 after a clean stop; that of a child which could not begin its work at the first
 * start (it has said why); 1 when a child had to be killed to stop.
 */
int supervisor_run(
	char *const *const argv[CHILD_ROLES], int lock, int *ret_code, struct err *err) MUST_CHECK;
