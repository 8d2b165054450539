/*
 * One connection of a client: handshake, pairing or jobs. Loop's thread.
 */
#pragma once

#include "server/server.h"

struct uv_peer;

/* Takes the next connection of a listening socket; refusals (limits) are logged and closed here. */
void uv_peer_accept(struct server *server, uv_stream_t *listener);

/* Hands a message of the engine side to the job that it is for, if that job is still there. */
void uv_peer_dispatch(struct server *server, const struct port_message *m);

/* Looks at the keyring again and ends the sessions of keys that left it. */
void uv_peer_close_revoked(struct server *server);

/* Closes every connection; they leave server->peers from the loop. */
void uv_peer_close_all(struct server *server);
