/*
 * All that an engine says about a container, put together to its manifest: asked the same way on
 * the source, to be sent, and on the target, to be compared. Threads, callbacks and errors as in
 * engine.h.
 */
#pragma once

#include "common/cargo/container_manifest.h"
#include "common/engine/engine_container.h"

struct container_facts {
	json_t *container; /* the engine's own inspect answer */
	json_t *manifest;
	struct container_target target; /* the engine itself */
};

/* `facts` is valid during the call; err is NULL on success. ERR_NOT_FOUND: there is no such
 * container. */
typedef void container_facts_fn(
	void *ctx, const struct container_facts *facts, const struct err *err);

int engine_container_facts(struct engine *e, const char *name, container_facts_fn *fn, void *ctx,
	struct err *err) MUST_CHECK;
