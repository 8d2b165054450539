/* An admin command without a serve. Blocking; main thread. */
#pragma once

#include "server/admin/admin_show.h"

/* Runs the row on the state directory, store by store. What it ended with is in `show`; failing is
 * for what could not even begin. The caller holds STATE/lock if the command needs it. */
int admin_local_run(const char *state, const char *command, json_t *parameters,
	struct admin_show *show, struct err *err) MUST_CHECK;

/* A root that works on another user's state goes on as that user: what root makes there, that
 * user's serve could not use. */
int admin_local_become_owner(const char *state, struct err *err) MUST_CHECK;
