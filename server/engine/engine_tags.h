/* Giving an image its tags, one after the other. */
#pragma once

#include "common/engine/engine.h"

struct tag_list;

/* The caller fills in all but `at`; it lives until `fn`, which may fire from tagging_start when
 * there is no tag. The first failure ends it. */
struct tagging {
	struct engine *engine;
	struct digest image; /* by the engine's ID */
	const struct tag_list *tags;
	engine_done_fn *fn;
	void *ctx;
	size_t at;
};

void tagging_start(struct tagging *t);
