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

/* The engine process is gone: the jobs that it owed something end and are told to try again.
 * Returns how many. */
unsigned uv_peer_engine_lost(struct server *server);

/* Jobs of all connections. */
unsigned uv_peer_jobs(const struct server *server);

/* Calls for every session: whose key, from where, how many jobs. */
void uv_peer_each_session(const struct server *server,
	void (*fn)(void *ctx, const char *key, const char *where, size_t jobs), void *ctx);

/* The receiver stops: tells clients to try again later and ends their connections: those without a
 * job, or all (`now`). Again and again until none is left. */
void uv_peer_stop(struct server *server, bool now);

/* Looks at the keyring again and ends the sessions of keys that left it. */
void uv_peer_close_revoked(struct server *server);

/* Closes every connection; they leave server->peers from the loop. */
void uv_peer_close_all(struct server *server);
