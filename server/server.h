/* What drayd's parts share while it serves. Loop's thread. */
#pragma once

#include "server/depot/uv_depot.h"
#include "server/engine/engine_port.h"
#include "server/keys/admission.h"
#include "server/keys/keyring.h"

struct uv_peer;

struct server {
	uv_loop_t *loop;
	struct keyring *keyring;
	struct admission *admission;
	struct depot *depot;
	struct engine_port *port;
	struct uv_worker *verifier;
	struct uv_peer *peers; /* every connection, in a list */
	uint32_t next_port_job;
	bool stopping; /* no new jobs */
};
