/* drayd's listening sockets. Loop's thread. */
#pragma once

#include "server/server.h"

struct uv_listener;

/* Is this a text that uv_listener_start takes? It may still be no address of this machine. */
int uv_listener_check(const char *address, struct err *err) MUST_CHECK;

/* Binds and listens on every address ("ADDR:PORT", "[v6]:PORT", ":PORT" for all, default port
 * 7747). A port that is taken is ERR_FAILED with what to do. */
int uv_listener_start(struct server *server, const char *const *addresses, size_t n,
	struct uv_listener **ret, struct err *err) MUST_CHECK;

/* Closes the sockets; frees from the loop. NULL is fine. */
void uv_listener_close(struct uv_listener *l);
