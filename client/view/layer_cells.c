#include "client/view/layer_cells.h"

#include "common/base/text.h"

static enum layer_state state_of(const struct survey_answer *a, size_t layer)
{
	return a->image_present ? LAYER_IN_ENGINE : (enum layer_state)a->layers[layer];
}

const char *layer_state_word(const struct survey_answer *a, size_t layer)
{
	enum layer_state state = state_of(a, layer);

	return state == LAYER_TO_SEND ? "missing" : state == LAYER_IN_ENGINE ? "engine" : "store";
}

void layer_cell_name(struct table *t, const struct digest *diff_id)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(diff_id, hex);
	table_cell(t, TONE_PLAIN, "%.*s", LAYER_NAME_LEN, hex);
}

void layer_cell_size(struct table *t, const struct history_row *row)
{
	char size[TEXT_SIZE_MAX];

	if (row && row->size_known)
		table_cell(t, TONE_PLAIN, "%s", text_size(size, row->size));
	else
		table_cell(t, TONE_FAINT, "?");
}

void layer_cell_state(struct table *t, const struct survey_answer *a, size_t layer)
{
	enum layer_state state = state_of(a, layer);

	if (state == LAYER_TO_SEND)
		table_cell(t, TONE_NOTE, "to be sent");
	else
		table_cell(
			t, TONE_GOOD, state == LAYER_IN_ENGINE ? "in its engine" : "in its store");
}

static bool came_before(const struct engine_image *image, size_t layer)
{
	size_t i = 0;

	while (i < layer && !digest_equal(&image->diff_ids[i], &image->diff_ids[layer]))
		i++;
	return i < layer;
}

struct layer_account layer_account(const struct survey_image *image, const struct survey_answer *a)
{
	struct layer_account sum = { 0 };

	for (size_t i = 0; i < a->n_layers; i++) {
		const struct history_row *row = history_of_layer(&image->history, i);

		if (answer_has_layer(a, i)) {
			sum.present++;
		} else if (!came_before(&image->facts.image, i)) {
			sum.missing++;
			sum.missing_unsized += !row || !row->size_known;
			sum.missing_bytes += row && row->size_known ? row->size : 0;
		}
	}
	return sum;
}
