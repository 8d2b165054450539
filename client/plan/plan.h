/*
 * A plan: what pushes of images to targets would come to. Gathered by asking; nothing is read or
 * sent. Main thread.
 */
#pragma once

#include "client/plan/uv_survey.h"

#define PLAN_TARGETS_MAX 16u

struct plan_target {
	struct target *target;
	struct survey_answer *answers; /* of each image */
	uint64_t bytes;		       /* sent to ask */
	double seconds;		       /* for asking */
};

struct plan {
	struct survey_image *images;
	size_t n_images;
	struct plan_target targets[PLAN_TARGETS_MAX];
	size_t n_targets;
};

/* For people: a table of each image, errors on stderr; or one JSON object a line, the last ones
 * results. */
void plan_print_text(const struct plan *p);
void plan_print_json(const struct plan *p);

/* 0; that of the errors, if everything failed; 3 when only some did. */
int plan_exit_code(const struct plan *p);
