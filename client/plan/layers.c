#include "client/plan/layers.h"

#include "client/view/age.h"
#include "client/view/json_line.h"
#include "client/view/layer_cells.h"
#include "common/base/text.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_SHOWN_MAX 800
#define COMMAND_SHOWN_MAX 65536u /* bytes, escaped: no builder's command comes near */
#define COMMAND_WIDTH_LEAST 12

/* --- the table --- */

/* The picture of a tree: a knot for each layer, a line past what is none. */
static const char *branch(const struct history *h, size_t i, bool utf8)
{
	bool layer = h->rows[i].layer >= 0;

	if (!utf8)
		return layer ? "*" : i > 0 ? "|" : " ";
	if (!layer)
		return i > 0 ? "\u2502" : " ";
	return i + 1 == h->n && i > 0 ? "\u252c" : i > 0 ? "\u251c" : "\u2514";
}

static void cell_name(struct table *t, const struct layers *l, const struct history_row *row)
{
	if (row->layer >= 0)
		layer_cell_name(t, &l->image.facts.image.diff_ids[row->layer]);
	else
		table_cell(t, TONE_FAINT, row->layer == HISTORY_NO_LAYER ? "-" : "?");
}

static void cell_age(struct table *t, const struct history_row *row)
{
	char age[AGE_MAX];

	if (row->created > 0)
		table_cell(t, TONE_PLAIN, "%s", age_words(age, (int64_t)time(NULL) - row->created));
	else
		table_cell(t, TONE_FAINT, "?");
}

static void cell_state(struct table *t, const struct layers *l, const struct history_row *row)
{
	if (row->layer >= 0 && l->answer->err.code == ERR_NONE)
		layer_cell_state(t, l->answer, (size_t)row->layer);
	else
		table_cell(t, TONE_FAINT, row->layer == HISTORY_NO_LAYER ? "" : "?");
}

/* Builders put "/bin/sh -c #(nop) " before steps that ran nothing; it says nothing. Runs of white
 * space are one blank, as a long command was written over many lines. */
static void squeeze(char *to, size_t size, const char *command)
{
	const char *nop = strstr(command, "#(nop) ");
	const char *at = nop ? nop + strlen("#(nop) ") : command;
	size_t n = 0;

	while (*at && n + 1 < size) {
		size_t blanks = strspn(at, " \t\n\r");

		if (blanks > 0 && n > 0 && at[blanks])
			to[n++] = ' ';
		at += blanks;
		if (*at && blanks == 0)
			to[n++] = *at++;
	}
	to[n] = '\0';
}

static bool cell_command(struct table *t, const struct history_row *row)
{
	size_t size = row->command ? strlen(row->command) + 1 : 0;
	CLEANUP(cleanup_free) char *plain = NULL;
	CLEANUP(cleanup_free) char *shown = NULL;

	if (!row->command) {
		table_cell(t, TONE_FAINT, "?");
		return true;
	}
	plain = malloc(size);
	shown = malloc(COMMAND_SHOWN_MAX);
	if (!plain || !shown)
		return false;
	squeeze(plain, size, row->command);
	table_cell(t, row->layer == HISTORY_NO_LAYER ? TONE_FAINT : TONE_PLAIN, "%s",
		text_escape(shown, COMMAND_SHOWN_MAX, plain, strlen(plain)));
	return true;
}

static bool add_row(struct table *t, const struct layers *l, size_t i, bool utf8)
{
	const struct history_row *row = &l->image.history.rows[i];

	table_cell(t, TONE_FAINT, "%s", branch(&l->image.history, i, utf8));
	cell_name(t, l, row);
	cell_age(t, row);
	if (row->layer == HISTORY_NO_LAYER)
		table_cell(t, TONE_FAINT, "0B");
	else
		layer_cell_size(t, row);
	if (l->target)
		cell_state(t, l, row);
	return cell_command(t, row);
}

static bool print_table(const struct layers *l, const struct terminal *terminal)
{
	char at[TEXT_NAME_MAX + 4];
	const struct table_column with[] = { { .head = "" }, { .head = "LAYER" },
		{ .head = "CREATED" }, { .head = "SIZE", .right = true },
		{ .head = at, .least = 10 },
		{ .head = "CREATED BY", .least = COMMAND_WIDTH_LEAST } };
	const struct table_column without[] = { with[0], with[1], with[2], with[3], with[5] };
	struct table table;
	bool whole = true;

	snprintf(at, sizeof(at), "AT %s", l->target ? l->target : "");
	table_start(&table, l->target ? with : without,
		l->target ? ARRAY_LEN(with) : ARRAY_LEN(without));
	for (size_t i = l->image.history.n; whole && i-- > 0;)
		whole = add_row(&table, l, i, terminal->utf8);
	return table_print(&table, terminal, stdout) && whole;
}

/* --- below it --- */

static void print_account(const struct layers *l)
{
	struct layer_account sum = layer_account(&l->image, l->answer);
	char size[TEXT_SIZE_MAX];

	if (l->answer->image_present) {
		printf("%s has the image in its engine\n", l->target);
		return;
	}
	printf("%s has %zu of %zu layer%s", l->target, sum.present, l->answer->n_layers,
		l->answer->n_layers == 1 ? "" : "s");
	if (sum.missing > sum.missing_unsized)
		printf("; %s%s would be read for it", text_size(size, sum.missing_bytes),
			sum.missing_unsized > 0 ? " and more" : "");
	putchar('\n');
}

bool layers_print_text(const struct layers *l)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);

	if (!print_table(l, &terminal))
		return false;
	if (l->target && l->answer->err.code == ERR_NONE)
		print_account(l);
	return true;
}

/* --- for programs --- */

static json_t *json_layer(const struct layers *l, const struct history_row *row)
{
	char digest[DIGEST_TEXT_LEN + 1];
	json_t *o;

	if (row->layer < 0)
		return json_pack("{s:n, s:n}", "layer", "diff_id");
	digest_text(&l->image.facts.image.diff_ids[row->layer], digest);
	o = json_pack("{s:i, s:s}", "layer", row->layer, "diff_id", digest);
	if (o && l->target && l->answer->err.code == ERR_NONE)
		json_object_set_new(
			o, "state", json_string(layer_state_word(l->answer, (size_t)row->layer)));
	return o;
}

static json_t *json_command(const struct history_row *row)
{
	CLEANUP(cleanup_free) char *shown = row->command ? malloc(COMMAND_SHOWN_MAX) : NULL;

	if (!shown)
		return json_null();
	return json_string(
		text_escape(shown, COMMAND_SHOWN_MAX, row->command, strlen(row->command)));
}

static void json_row(const struct layers *l, const struct history_row *row)
{
	json_t *o = json_layer(l, row);
	json_t *rest = json_pack("{s:s, s:b, s:o, s:o, s:o}", "event", "layer", "empty",
		row->layer == HISTORY_NO_LAYER, "size",
		row->size_known ? json_integer((json_int_t)row->size) : json_null(), "created",
		row->created > 0 ? json_integer(row->created) : json_null(), "command",
		json_command(row));

	if (o && rest && json_object_update(rest, o) == 0) {
		json_line(rest);
	} else {
		json_line(NULL);
		json_decref(rest);
	}
	json_decref(o);
}

/* What the target has; nothing when it was not asked, or did not answer. */
static void add_account(json_t *o, const struct layers *l)
{
	struct layer_account sum;

	if (!l->target)
		return;
	json_object_set_new(o, "target", json_string(l->target));
	json_object_set_new(o, "bytes_sent", json_integer((json_int_t)l->bytes));
	if (l->answer->err.code != ERR_NONE) {
		json_object_set_new(o, "code", json_string(err_code_name(l->answer->err.code)));
		json_object_set_new(o, "error", json_string(l->answer->err.text));
		return;
	}
	sum = layer_account(&l->image, l->answer);
	json_object_set_new(o, "image_present", json_boolean(l->answer->image_present));
	json_object_set_new(o, "layers_skipped", json_integer((json_int_t)sum.present));
	json_object_set_new(o, "bytes_to_read", json_integer((json_int_t)sum.missing_bytes));
}

void layers_print_json(const struct layers *l)
{
	const struct engine_image *image = &l->image.facts.image;
	char name[NAME_SHOWN_MAX], id[DIGEST_TEXT_LEN + 1];
	json_t *o;

	for (size_t i = l->image.history.n; i-- > 0;)
		json_row(l, &l->image.history.rows[i]);
	text_escape(name, sizeof(name), l->image.typed, strlen(l->image.typed));
	digest_text(&image->config, id);
	o = json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:f}", "event", "result", "ok",
		!l->target || l->answer->err.code == ERR_NONE, "kind", "layers", "name", name, "id",
		id, "mode", "layers", "layers", (json_int_t)image->n_diff_ids, "bytes_total",
		(json_int_t)image->size, "seconds", l->seconds);
	if (o)
		add_account(o, l);
	json_line(o);
}

void layers_print_names(const struct layers *l)
{
	const struct engine_image *image = &l->image.facts.image;
	char digest[DIGEST_TEXT_LEN + 1];

	for (size_t i = image->n_diff_ids; i-- > 0;) {
		if (l->target && answer_has_layer(l->answer, i))
			continue;
		digest_text(&image->diff_ids[i], digest);
		puts(digest);
	}
}
