/*
 * What every admin command of drayd does with its parameters: asks the serve that runs, or does it
 * itself. Blocking; main thread.
 */
#pragma once

#include "server/admin/admin.h"

#define ADMIN_PATIENCE_MS 5000u

/*
 * Runs the command on the state and shows what it says. `parameters` are taken over (NULL: there
 * was no memory for them); `json` is added to them. Returns the exit code.
 *
 * The serve that holds STATE/lock is asked over STATE/admin.sock; one that does not answer yet is
 * waited for (ADMIN_PATIENCE_MS). Where none is, the row runs here: under STATE/lock if it works on
 * the stores, else under the keys' own lock, so that a serve that starts at this moment is not in
 * its way. A key can be revoked even beside a serve that is stuck: it looks at the keys by itself.
 */
int admin_client_run(const char *state, const char *command, json_t *parameters, bool json);
