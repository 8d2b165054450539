/*
 * What images are made of, and what a target has of them, asked without reading or sending any of
 * it. Each function runs a loop of its own until all is answered. Main thread.
 */
#pragma once

#include "client/plan/history.h"
#include "client/plan/uv_facts.h"
#include "client/targets.h"
#include "protocol/session.h"

struct survey_image {
	const char *typed;
	struct facts facts;
	struct history history; /* every layer has its row */
	struct err err;		/* why nothing is known of it */
};

/* Asks the engine (what -H was given, or NULL) about the images, whose `typed` is set and all else
 * zero. For survey_done. */
void survey_engine(const char *engine, struct survey_image *images, size_t n);

void survey_done(struct survey_image *images, size_t n);

/* The bytes of IMAGE_STATE's layers. */
enum layer_state { LAYER_TO_SEND = 0, LAYER_IN_ENGINE = 1, LAYER_IN_STORE = 2 };

struct survey_answer {
	struct err err; /* why there is none */
	bool image_present;
	uint8_t *layers; /* enum layer_state of each, the lowest first */
	size_t n_layers;
};

/* Connects to the target, offers it those images of which all is known, one after the other, and
 * takes every offer back. Answers go to `answers`, n of them and zeroed; *ret_bytes is what was
 * sent. For answers_done. */
void survey_target(const struct key_pair *key, const struct target *target,
	const struct survey_image *images, size_t n, struct survey_answer *answers,
	uint64_t *ret_bytes);

void answers_done(struct survey_answer *answers, size_t n);

/* Is nothing of this layer to be sent? */
bool answer_has_layer(const struct survey_answer *a, size_t layer);
