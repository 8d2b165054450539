/* What a job of the network side says to the engine side (engine_port.def), in its own terms. The
 * errors are those of engine_port_send. Loop's thread. */
#pragma once

#include "server/engine/engine_port.h"

struct image_port {
	struct engine_port *port;
	uint32_t job;
	const char *key; /* the key's name */
};

int image_port_have(const struct image_port *p, const struct digest *image,
	const struct digest *diff_ids, uint32_t n, struct err *err) MUST_CHECK;

/* The engine has the `there` lowest layers. */
int image_port_open(const struct image_port *p, const struct digest *image,
	const struct digest *diff_ids, uint32_t n, uint32_t there, const wire_texts *tags,
	struct err *err) MUST_CHECK;

int image_port_tag(const struct image_port *p, const struct digest *image, const wire_texts *tags,
	struct err *err) MUST_CHECK;

int image_port_commit(const struct image_port *p, struct err *err) MUST_CHECK;

/* `again`: the client may come back for the same. An engine side that is gone has dropped the load
 * itself: no error. */
void image_port_abort(const struct image_port *p, bool again);
