/*
 * Owns what was said when. Happy path: start -> states and progress of the pairs -> a result each
 * -> end. On a terminal the block is redrawn at most ten times a second, elsewhere each target has
 * a line every few seconds.
 */
#include "client/view/report.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_MS 100u
#define FIRST_LINE_MS 1000u
#define LINE_EVERY_MS 3000u
#define EVENT_EVERY_MS 1000u

int report_start(struct report *r, enum report_style style, const char *const *images,
	size_t n_images, const char *const *targets, size_t n_targets, uint64_t now_ms,
	struct err *err)
{
	*r = (struct report){ .style = style,
		.n_pairs = n_images * n_targets,
		.n_images = n_images,
		.n_targets = n_targets,
		.started_ms = now_ms };
	r->pairs = calloc(r->n_pairs, sizeof(*r->pairs));
	if (!r->pairs)
		return err_nomem(err);
	for (size_t i = 0; i < r->n_pairs; i++) {
		struct pair_progress *p = &r->pairs[i];
		const char *image = images[i % n_images];

		text_escape(p->image, sizeof(p->image), image, strlen(image));
		p->target = targets[i / n_images];
		p->started_ms = p->state_ms = now_ms;
	}
	if (style == REPORT_TEXT)
		report_terminal_look(r);
	/* What is behind the pipe may print to the same terminal: there the events are enough. */
	r->silent = style == REPORT_QUIET || (style == REPORT_JSON && isatty(STDERR_FILENO) == 1);
	return 0;
}

void report_end(struct report *r)
{
	report_terminal_clear(r);
	r->n_pairs = 0;
	r->terminal = false;
	free(r->pairs);
	r->pairs = NULL;
}

struct pair_progress *report_pair(struct report *r, size_t image, size_t target)
{
	return &r->pairs[target * r->n_images + image];
}

/* --- progress --- */

/* "app:1 -> b: sending 12MB of 40MB, 8.1MB/s, 3.5s left", for what is under way at each target. */
static void print_lines(const struct report *r, uint64_t now_ms)
{
	char text[PAIR_TEXT_MAX];

	for (size_t i = 0; i < r->n_pairs; i++) {
		const struct pair_progress *p = &r->pairs[i];

		if (pair_active(p))
			fprintf(stderr, "%s -> %s: %s%s\n", p->image, p->target,
				pair_moves(p) ? "sending " : "", pair_text(text, p, now_ms));
	}
	fflush(stderr);
}

static void maybe_show(struct report *r, uint64_t now_ms)
{
	if (r->silent)
		return;
	if (r->terminal) {
		if (r->lines_open > 0 && now_ms - r->shown_ms < REDRAW_MS)
			return;
		report_terminal_draw(r, now_ms);
	} else {
		/* What takes no second says nothing but its result. */
		if (now_ms - r->shown_ms < LINE_EVERY_MS || now_ms - r->started_ms < FIRST_LINE_MS)
			return;
		print_lines(r, now_ms);
	}
	r->shown_ms = now_ms;
}

void report_state(struct report *r, struct pair_progress *p, enum pair_state state, uint64_t now_ms)
{
	bool ended = state == PAIR_DONE || state == PAIR_FAILED;

	if (state == p->state && state != PAIR_ASKING)
		return;
	if (!p->begun)
		p->started_ms = now_ms;
	p->begun = true;
	p->state = state;
	p->state_ms = now_ms;
	if (ended)
		p->ended_ms = now_ms;
	if (r->style == REPORT_JSON && state != PAIR_WAITING && state != PAIR_CONNECTING &&
		state != PAIR_RETRYING) {
		if (state == PAIR_APPLYING)
			report_json_progress(p, now_ms);
		report_json_phase(p);
		p->told_ms = now_ms;
	}
	if (!ended || r->terminal)
		maybe_show(r, now_ms);
}

void report_progress(struct report *r, struct pair_progress *p, uint64_t now_ms)
{
	rate_add(&p->rate, pair_sum(p).done, now_ms);
	maybe_show(r, now_ms);
}

void report_tick(struct report *r, uint64_t now_ms)
{
	for (size_t i = 0; i < r->n_pairs; i++) {
		struct pair_progress *p = &r->pairs[i];

		if (p->state == PAIR_SENDING)
			rate_add(&p->rate, pair_sum(p).done, now_ms);
		if (r->style == REPORT_JSON && pair_active(p) && p->layers &&
			p->state != PAIR_RETRYING && now_ms - p->told_ms >= EVENT_EVERY_MS) {
			report_json_progress(p, now_ms);
			p->told_ms = now_ms;
		}
	}
	maybe_show(r, now_ms);
}

void report_note(struct report *r, const char *text)
{
	if (r->style != REPORT_QUIET)
		log_warn("%s", text);
}

void report_retry(struct report *r, struct pair_progress *p, const struct err *err,
	uint64_t wait_ms, uint64_t left_ms, uint64_t now_ms)
{
	char wait[TEXT_SECONDS_MAX], left[TEXT_SECONDS_MAX], line[ERR_TEXT_MAX + 100];

	if (r->style == REPORT_JSON)
		report_json_retry(p, err, wait_ms, left_ms);
	snprintf(line, sizeof(line), "%s; trying again in %s (for at most %s more)", err->text,
		text_seconds(wait, (double)wait_ms / 1000),
		text_seconds(left, (double)left_ms / 1000));
	/* What may well be a refusal is soon known to be one, or is no news. */
	if (err->code == ERR_REFUSED)
		log_debug("%s", line);
	else
		report_note(r, line);
	report_state(r, p, PAIR_RETRYING, now_ms);
}

void report_said(struct report *r, const struct pair_progress *p, const char *text)
{
	if (r->style != REPORT_QUIET)
		log_info("%s -> %s: %s", p->image, p->target, text);
}

void report_behind(struct report *r, const struct pair_progress *p, const struct err *err)
{
	report_said(r, p, err->text);
}

void report_error(struct report *r, const struct pair_progress *p, const struct err *err)
{
	if (r->mute)
		return;
	if (p && r->n_pairs > 1)
		log_error("%s -> %s: %s", p->image, p->target, err->text);
	else
		log_error("%s", err->text);
}

/* --- results --- */

static void print_text(
	const struct report *r, const struct pair_progress *p, const struct report_outcome *o)
{
	char total[TEXT_SIZE_MAX], sent[TEXT_SIZE_MAX], took[TEXT_SECONDS_MAX];
	const struct push_result *result = &o->result;
	char name[PAIR_NAME_MAX + 80], id[DIGEST_TEXT_LEN + 1];

	digest_text(o->id, id);
	text_size(total, result->bytes_total);
	if (o->dry_run && result->image_present)
		printf("%s (%s, %s): %s has it; only its names would be set\n", p->image, id, total,
			p->target);
	else if (o->dry_run)
		printf("%s (%s, %s): %s has %zu of %zu layers; the rest would be sent\n", p->image,
			id, total, p->target, result->layers_skipped, result->layers);
	if (o->dry_run)
		return;
	snprintf(name, sizeof(name), "%s%s%s", p->image, r->n_targets > 1 ? " -> " : "",
		r->n_targets > 1 ? p->target : "");
	printf("%s %s: %zu of %zu layers were there, %s of %s sent in %s\n", name, id,
		result->layers_skipped, result->layers, text_size(sent, o->bytes_sent), total,
		text_seconds(took, (double)(p->ended_ms - p->started_ms) / 1000));
}

void report_result(
	struct report *r, const struct pair_progress *p, const struct report_outcome *outcome)
{
	char id[DIGEST_TEXT_LEN + 1];

	report_terminal_clear(r);
	if (r->style == REPORT_JSON) {
		report_json_result(p, outcome);
	} else if (outcome->err.code == ERR_NONE && r->style == REPORT_QUIET) {
		digest_text(outcome->id, id);
		puts(id);
	} else if (outcome->err.code == ERR_NONE) {
		print_text(r, p, outcome);
	}
	fflush(stdout);
}
