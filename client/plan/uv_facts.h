/*
 * What a push has to know of its source before it connects: the engine, the image, the names it is
 * to have at the target. Asked once, however often the push itself is tried. Loop's thread.
 */
#pragma once

#include "client/plan/names.h"
#include "common/engine/engine.h"

struct facts {
	bool engine_known, image_known, sizes_known;
	struct engine_info info;
	struct engine_image image; /* a copy */
	uint64_t *layer_sizes;	   /* NULL: unknown */
	const char **tags;	   /* wanted at the target; point into the image or to as_typed */
	size_t n_tags;
	char as_typed[REFERENCE_TEXT_MAX + 1];

	struct engine *engine;
	const char *typed; /* the image, by the user */
	void (*fn)(void *ctx, const struct err *err);
	void *ctx;
};

/* Asks the engine what is not known yet, and in any case whether it is there. `fn` fires once from
 * the loop, err NULL on success; ERR_NOT_FOUND: there is no such image. `f` is zeroed before the
 * first time; `typed` must last. */
void facts_ask(struct facts *f, struct engine *engine, const char *typed,
	void (*fn)(void *ctx, const struct err *err), void *ctx);

/* Not while they are asked for. */
void facts_done(struct facts *f);
