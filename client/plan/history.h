/*
 * Which step of an image's history made which of its layers. The image's config tells; where it
 * cannot be read, the sizes that the engine tells are enough for most images. What is not certain
 * is said to be unknown. Pure.
 */
#pragma once

#include "common/engine/engine.h"

#define HISTORY_NO_LAYER (-1) /* the step changed only the config */
#define HISTORY_UNKNOWN (-2)  /* it may have made one */

struct history_row {
	int layer; /* from 0, the lowest; or one of the above */
	bool size_known;
	uint64_t size;	 /* of the layer's files */
	int64_t created; /* seconds since 1970; 0: not known */
	char *command;	 /* as it stands in the image, unescaped; NULL: not known */
};

struct history {
	struct history_row *rows; /* the first step first; every layer has its row */
	size_t n;
};

/* From the engine's steps and the config (NULL: none could be read) of an image with n_layers. A
 * config that is not understood counts as none. For history_done. */
int history_build(const struct engine_step *steps, size_t n_steps, const void *config,
	size_t config_len, size_t n_layers, struct history *ret, struct err *err) MUST_CHECK;

void history_done(struct history *h);

/* The row of a layer. */
const struct history_row *history_of_layer(const struct history *h, size_t layer);
