/*
 * Where an engine is and how it is spoken to: a unix socket, or a host and port, with TLS or
 * without. Pure: text in, a struct out. Any thread.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

#define ENGINE_SOCKET "/var/run/docker.sock" /* Docker's own */
#define ENGINE_WHY_MAX 200u

struct engine_address {
	char *shown;  /* for messages: "unix:///var/run/docker.sock", "tcp://10.0.0.5:2376" */
	char *socket; /* the unix socket's path; NULL: it is TCP */
	char *base;   /* what stands between "http://" and a call's path: "10.0.0.5:2376" */

	/* Of the choice (engine_choice.h): */
	char why[ENGINE_WHY_MAX]; /* what named this engine: "DOCKER_HOST" */
	bool podmans;		  /* Podman's socket, as there is no Docker's */
	bool tls;		  /* of TCP only */
	bool verify; /* the engine must prove who it is, by `ca` or, where that is empty, by an
		      * authority that this system trusts */
	struct buf ca, cert, key; /* PEM, or empty */
};

/* Of a TCP address without TLS: whoever can reach it, or change what passes, has the engine. */
static inline bool engine_address_is_open(const struct engine_address *a)
{
	return !a->socket && !a->tls;
}

/* Is the engine on this machine, so that its files may be? */
static inline bool engine_address_is_local(const struct engine_address *a)
{
	return a->socket != NULL;
}

/* Reads an address as docker does: unix:///PATH, tcp://HOST[:PORT][/PATH] or HOST[:PORT]; without a
 * port it is 2375. What cannot be reached from here (ssh://, npipe://, fd://) or is no address is
 * ERR_USAGE. The fields of the choice are zero. `ret` is for engine_address_done. */
int engine_address_parse(const char *text, struct engine_address *ret, struct err *err) MUST_CHECK;

/* Frees what it holds and wipes the key; zeros are fine. */
void engine_address_done(struct engine_address *a);
