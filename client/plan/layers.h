/* What `dray layers` prints of an image: its history from the top, as docker shows it. Main thread.
 */
#pragma once

#include "client/plan/uv_survey.h"

struct layers {
	struct survey_image image;
	const char *target;	      /* asked about it; NULL: none */
	struct survey_answer *answer; /* of the target */
	uint64_t bytes;		      /* sent to ask */
	double seconds;		      /* for all */
};

/* A table and a line about the target; or one JSON object a line; or the diffIDs of the layers,
 * with a target of those that it lacks. False without memory. */
bool layers_print_text(const struct layers *l) MUST_CHECK;
void layers_print_json(const struct layers *l);
void layers_print_names(const struct layers *l);
