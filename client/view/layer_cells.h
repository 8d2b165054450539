/* A layer in words: what `dray plan` and `dray layers` say of one alike. Pure. */
#pragma once

#include "client/plan/uv_survey.h"
#include "client/view/table.h"

#define LAYER_NAME_LEN 12 /* digits of a diffID that are shown, as docker does */

/* The cells "3f2a0c1b5d7e", "12.3MB" ("?" when not known) and "in its engine". */
void layer_cell_name(struct table *t, const struct digest *diff_id);
void layer_cell_size(struct table *t, const struct history_row *row);
void layer_cell_state(struct table *t, const struct survey_answer *a, size_t layer);

/* For --json: "engine", "store" or "missing". */
const char *layer_state_word(const struct survey_answer *a, size_t layer);

/* What is to be sent of an image. A layer that occurs twice counts once. */
struct layer_account {
	size_t present;		/* layers that need not be sent, out of all */
	size_t missing;		/* different ones that must */
	size_t missing_unsized; /* of these, ones whose size is not known */
	uint64_t missing_bytes; /* the files of the others */
};

struct layer_account layer_account(const struct survey_image *image, const struct survey_answer *a);
