/*
 * The admin socket of the process that serves: STATE/admin.sock, for `drayd COMMAND` beside it.
 * What the lines on it say is in server/admin.h. Only root and the user that serves are heard.
 * Loop's thread.
 */
#pragma once

#include "server/server.h"

struct uv_admin;

#define ADMIN_REQUEST_MS 10000u /* to send the request */
#define ADMIN_STALL_MS 30000u	/* to take what was written */

/*
 * Makes the socket: before the sandbox, for this needs a new AF_UNIX socket, and before any thread.
 * One that a killed process left is replaced: the caller (or its parent) holds STATE/lock. Of
 * `server` it needs the loop now, keyring and depot when the loop runs. `listen` is what
 * uv_listener_start was given, for the tokens of `drayd invite`. Everything is copied but `server`.
 */
int admin_start(struct server *server, const char *state_dir, const char *const *listen,
	size_t n_listen, struct uv_admin **ret, struct err *err) MUST_CHECK;

/* For tests: how long a client may take instead. */
void admin_set_patience(struct uv_admin *a, unsigned request_ms, unsigned stall_ms);

/* Removes the socket, tells clients that are waiting, gives up their commands. `done` (may be NULL)
 * fires from the loop when nothing is under way any more: depot_stop only after that. NULL is fine,
 * `done` is then called at once. */
void admin_close(struct uv_admin *a, void (*done)(void *ctx), void *ctx);
