/* What drayd's parts share while it serves. Loop's thread. */
#pragma once

#include "server/admission.h"
#include "server/engine_port.h"
#include "server/keyring.h"
#include "server/uv_depot.h"

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
