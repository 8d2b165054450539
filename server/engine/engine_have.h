/* Which chains, and which image, the engine holds as far as a key may see. */
#pragma once

#include "common/engine/engine.h"
#include "server/engine/engine_host.h"

/* The caller fills in the upper part, with `present` zeroed; it lives until `fn`. */
struct have_check {
	struct engine_host *host;
	const char *key;
	const struct digest *image;
	const struct digest *chains;
	size_t n;
	uint8_t *present; /* n bytes: 1 for a chain that is there */
	engine_done_fn *fn;
	void *ctx;

	bool image_present;
};

void have_check_start(struct have_check *c);
