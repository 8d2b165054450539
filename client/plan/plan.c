#include "client/plan/plan.h"

#include "client/view/json_line.h"
#include "client/view/layer_cells.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <string.h>
#include <unistd.h>

#define PARTLY 3 /* the exit code of what is done in part */
#define NAME_SHOWN_MAX 800

static const struct survey_answer *answer(const struct plan *p, size_t target, size_t image)
{
	return &p->targets[target].answers[image];
}

static bool failed(const struct survey_answer *a)
{
	return a->err.code != ERR_NONE;
}

int plan_exit_code(const struct plan *p)
{
	const struct err *first = NULL;
	size_t failures = 0;

	for (size_t t = 0; t < p->n_targets; t++) {
		for (size_t i = 0; i < p->n_images; i++) {
			if (!failed(answer(p, t, i)))
				continue;
			failures++;
			if (!first)
				first = &answer(p, t, i)->err;
		}
	}
	if (!first)
		return 0;
	return failures == p->n_targets * p->n_images ? err_exit_code(first) : PARTLY;
}

/* --- for people --- */

static void print_head(const struct survey_image *image, const struct terminal *terminal)
{
	const struct engine_image *facts = &image->facts.image;
	char name[NAME_SHOWN_MAX], size[TEXT_SIZE_MAX], hex[DIGEST_HEX_LEN + 1];

	text_escape(name, sizeof(name), image->typed, strlen(image->typed));
	digest_hex(&facts->id, hex);
	printf("%s%s%s  sha256:%.*s, %s in %zu layer%s, from the lowest up:\n",
		tone_begin(terminal, TONE_STRONG), name, tone_end(terminal, TONE_STRONG),
		LAYER_NAME_LEN, hex, text_size(size, facts->size), facts->n_diff_ids,
		facts->n_diff_ids == 1 ? "" : "s");
}

static bool print_layers(const struct plan *p, size_t i, const struct terminal *terminal)
{
	const struct survey_image *image = &p->images[i];
	struct table_column columns[2 + PLAN_TARGETS_MAX] = { { .head = "LAYER" },
		{ .head = "SIZE", .right = true } };
	char heads[PLAN_TARGETS_MAX][TEXT_NAME_MAX + 4];
	struct table table;

	for (size_t t = 0; t < p->n_targets; t++) {
		snprintf(heads[t], sizeof(heads[t]), "AT %s", p->targets[t].target->name);
		columns[2 + t] = (struct table_column){ .head = heads[t], .least = 10 };
	}
	table_start(&table, columns, 2 + p->n_targets);
	for (size_t k = 0; k < image->facts.image.n_diff_ids; k++) {
		layer_cell_name(&table, &image->facts.image.diff_ids[k]);
		layer_cell_size(&table, history_of_layer(&image->history, k));
		for (size_t t = 0; t < p->n_targets; t++) {
			if (failed(answer(p, t, i)))
				table_cell(&table, TONE_FAINT, "?");
			else
				layer_cell_state(&table, answer(p, t, i), k);
		}
	}
	return table_print(&table, terminal, stdout);
}

static void print_names(const struct facts *f)
{
	char name[NAME_SHOWN_MAX];

	printf(f->n_tags == 0	 ? "   it would have no name there"
		: f->n_tags == 1 ? "   its name there:"
				 : "   its names there:");
	for (size_t i = 0; i < f->n_tags; i++)
		printf("%s %s", i ? "," : "",
			text_escape(name, sizeof(name), f->tags[i], strlen(f->tags[i])));
	putchar('\n');
}

static void print_account(const struct survey_image *image, const struct survey_answer *a)
{
	struct layer_account sum = layer_account(image, a);
	char size[TEXT_SIZE_MAX];

	if (a->image_present) {
		printf("the image is in its engine; only its names would be set\n");
		return;
	}
	printf("has %zu of %zu layer%s", sum.present, a->n_layers, a->n_layers == 1 ? "" : "s");
	if (sum.missing == 0) {
		printf("; nothing but the image's config would be sent\n");
		return;
	}
	printf("; the other %zu would be read", sum.missing);
	if (sum.missing > sum.missing_unsized)
		printf(" (%s%s)", text_size(size, sum.missing_bytes),
			sum.missing_unsized ? " and more" : "");
	else
		printf(" (their sizes are not known)");
	printf("\n   and at most that be sent: compressed, and without what its store has of it\n");
}

static void print_verdict(const struct plan *p, size_t t, size_t i, const struct terminal *terminal)
{
	const struct survey_answer *a = answer(p, t, i);

	if (failed(a))
		return;
	printf("%s%s%s: ", tone_begin(terminal, TONE_STRONG), p->targets[t].target->name,
		tone_end(terminal, TONE_STRONG));
	print_account(&p->images[i], a);
	print_names(&p->images[i].facts);
}

/* Of a target that cannot be reached, the same holds for every image. */
static bool said_before(const struct plan *p, size_t t, size_t i)
{
	return i > 0 && strcmp(answer(p, t, i)->err.text, answer(p, t, i - 1)->err.text) == 0;
}

/* An image of which nothing is known failed alike for all targets: that is said once. */
static void print_errors(const struct plan *p, size_t i)
{
	if (p->images[i].err.code != ERR_NONE) {
		log_error("%s", p->images[i].err.text);
		return;
	}
	for (size_t t = 0; t < p->n_targets; t++) {
		if (failed(answer(p, t, i)) && !said_before(p, t, i))
			log_error("%s", answer(p, t, i)->err.text);
	}
}

static bool any_answer(const struct plan *p, size_t i)
{
	size_t t = 0;

	while (t < p->n_targets && failed(answer(p, t, i)))
		t++;
	return t < p->n_targets;
}

void plan_print_text(const struct plan *p)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	bool printed = false;

	for (size_t i = 0; i < p->n_images; i++) {
		fflush(stdout);
		print_errors(p, i);
		if (!any_answer(p, i))
			continue;
		if (printed)
			putchar('\n');
		printed = true;
		print_head(&p->images[i], &terminal);
		if (!print_layers(p, i, &terminal))
			log_error("out of memory");
		for (size_t t = 0; t < p->n_targets; t++)
			print_verdict(p, t, i, &terminal);
	}
}

/* --- for programs --- */

static json_t *texts(const char *const *list, size_t n)
{
	json_t *array = json_array();
	char text[NAME_SHOWN_MAX];

	for (size_t i = 0; array && i < n; i++)
		json_array_append_new(array,
			json_string(text_escape(text, sizeof(text), list[i], strlen(list[i]))));
	return array;
}

static void json_layers(const struct plan *p, size_t t, size_t i, const char *name)
{
	const struct survey_image *image = &p->images[i];
	char digest[DIGEST_TEXT_LEN + 1];

	for (size_t k = 0; k < image->facts.image.n_diff_ids; k++) {
		const struct history_row *row = history_of_layer(&image->history, k);
		bool known = row && row->size_known;

		digest_text(&image->facts.image.diff_ids[k], digest);
		json_line(json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:s}", "event", "layer", "name",
			name, "target", p->targets[t].target->name, "layer", (json_int_t)k,
			"diff_id", digest, "size",
			known ? json_integer((json_int_t)row->size) : json_null(), "state",
			layer_state_word(answer(p, t, i), k)));
	}
}

static void json_failed(const struct plan *p, size_t t, const struct err *err, const char *name)
{
	log_error("%s", err->text);
	json_line(json_pack("{s:s, s:b, s:s, s:s, s:s, s:f, s:s, s:s}", "event", "result", "ok", 0,
		"kind", "plan", "name", name, "target", p->targets[t].target->name, "seconds",
		p->targets[t].seconds, "code", err_code_name(err->code), "error", err->text));
}

static void json_done(const struct plan *p, size_t t, size_t i, const char *name)
{
	const struct survey_answer *a = answer(p, t, i);
	const struct facts *f = &p->images[i].facts;
	struct layer_account sum = layer_account(&p->images[i], a);
	char id[DIGEST_TEXT_LEN + 1];

	digest_text(&f->image.config, id);
	json_line(json_pack(
		"{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, "
		"s:I, s:f}",
		"event", "result", "ok", 1, "kind", "plan", "name", name, "target",
		p->targets[t].target->name, "id", id, "mode", "layers", "layers",
		(json_int_t)a->n_layers, "layers_skipped", (json_int_t)sum.present,
		"layers_to_read", (json_int_t)sum.missing, "layers_unsized",
		(json_int_t)sum.missing_unsized, "bytes_total", (json_int_t)f->image.size,
		"bytes_to_read", (json_int_t)sum.missing_bytes, "image_present", a->image_present,
		"tags", texts(f->tags, f->n_tags), "bytes_sent", (json_int_t)p->targets[t].bytes,
		"seconds", p->targets[t].seconds));
}

void plan_print_json(const struct plan *p)
{
	char name[NAME_SHOWN_MAX];

	for (int results = 0; results < 2; results++) { /* the results come last */
		for (size_t i = 0; i < p->n_images; i++) {
			text_escape(
				name, sizeof(name), p->images[i].typed, strlen(p->images[i].typed));
			for (size_t t = 0; t < p->n_targets; t++) {
				const struct survey_answer *a = answer(p, t, i);

				if (!results && !failed(a))
					json_layers(p, t, i, name);
				else if (results && failed(a))
					json_failed(p, t, &a->err, name);
				else if (results)
					json_done(p, t, i, name);
			}
		}
	}
}
