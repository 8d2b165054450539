#include "client/report.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_MS 100u
#define FIRST_LINE_MS 1000u
#define LINE_EVERY_MS 3000u

void report_start(struct report *r, enum report_style style, const char *name, const char *target,
	uint64_t now_ms)
{
	*r = (struct report){ .style = style,
		.terminal = isatty(STDERR_FILENO) == 1,
		.target = target,
		.started_ms = now_ms };
	text_escape(r->name, sizeof(r->name), name, strlen(name));
}

/* Columns that a line may take without wrapping, which would break its redrawing. */
static int columns(const struct report *r)
{
	struct winsize size;

	if (!r->terminal)
		return INT_MAX;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
		return 79;
	return size.ws_col - 1;
}

void report_clear(struct report *r)
{
	if (r->line_open)
		fputs("\r\033[K", stderr);
	r->line_open = false;
}

/* "app:1 -> b: sending 12MB of 40MB, 8.1MB/s, 3.5s left" */
static void show(struct report *r, uint64_t now_ms)
{
	static const char *const words[] = { [PUSH_ASKING] = "asking what is there",
		[PUSH_SENDING] = "sending",
		[PUSH_APPLYING] = "the engine is applying it" };
	char done[TEXT_SIZE_MAX], all[TEXT_SIZE_MAX], rate[TEXT_SIZE_MAX], took[TEXT_SECONDS_MAX];
	double seconds = (double)(now_ms - r->started_ms) / 1000;
	char line[REPORT_NAME_MAX + 200];
	int n;
	uint64_t speed = seconds > 0 ? (uint64_t)((double)r->settled / seconds) : 0;

	n = snprintf(line, sizeof(line), "%s -> %s: %s", r->name, r->target,
		r->waiting ? "waiting to try again" : words[r->phase]);
	if (r->phase == PUSH_SENDING && !r->waiting && r->begun > 0 && (size_t)n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %s of %s read, %s/s",
			text_size(done, r->settled), text_size(all, r->begun),
			text_size(rate, speed));
	if ((size_t)n < sizeof(line))
		snprintf(line + n, sizeof(line) - (size_t)n, ", %s", text_seconds(took, seconds));
	fprintf(stderr, r->terminal ? "\r\033[K%.*s" : "%.*s\n", columns(r), line);
	fflush(stderr);
	r->line_open = r->terminal;
	r->shown_ms = now_ms;
}

static void maybe_show(struct report *r, uint64_t now_ms)
{
	if (r->style == REPORT_QUIET)
		return;
	/* Elsewhere than on a terminal, what takes no second says nothing but its result. */
	if (r->terminal ? now_ms - r->shown_ms >= REDRAW_MS
			: now_ms - r->shown_ms >= LINE_EVERY_MS &&
				  now_ms - r->started_ms >= FIRST_LINE_MS)
		show(r, now_ms);
}

static void print_json(json_t *json)
{
	char *line = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (line)
		puts(line);
	else
		log_error("out of memory");
	fflush(stdout);
	free(line);
	json_decref(json);
}

void report_phase(struct report *r, enum push_phase phase, uint64_t now_ms)
{
	static const char *const words[] = {
		[PUSH_ASKING] = "asking", [PUSH_SENDING] = "sending", [PUSH_APPLYING] = "applying"
	};

	if (phase == r->phase && phase != PUSH_ASKING)
		return;
	r->waiting = false;
	r->phase = phase;
	if (r->style == REPORT_JSON)
		print_json(json_pack("{s:s, s:s, s:s, s:s}", "event", "phase", "name", r->name,
			"target", r->target, "phase", words[phase]));
	maybe_show(r, now_ms);
}

void report_progress(struct report *r, uint64_t settled, uint64_t begun, uint64_t now_ms)
{
	/* Another try comes by the same bytes again: until it is past them, nothing is new. */
	if (settled > r->settled)
		r->settled = settled;
	if (begun > r->begun)
		r->begun = begun;
	maybe_show(r, now_ms);
}

void report_tick(struct report *r, uint64_t now_ms)
{
	maybe_show(r, now_ms);
}

void report_note(struct report *r, const char *text)
{
	report_clear(r);
	if (r->style != REPORT_QUIET)
		log_warn("%s", text);
}

void report_retry(struct report *r, const struct err *err, uint64_t wait_ms, uint64_t left_ms,
	uint64_t now_ms)
{
	char wait[TEXT_SECONDS_MAX], left[TEXT_SECONDS_MAX], line[ERR_TEXT_MAX + 100];

	r->waiting = true;
	report_clear(r);
	if (r->style == REPORT_JSON)
		print_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f}", "event", "retry",
			"name", r->name, "target", r->target, "code", err_code_name(err->code),
			"reason", err->text, "wait", (double)wait_ms / 1000, "left",
			(double)left_ms / 1000));
	snprintf(line, sizeof(line), "%s; trying again in %s (for at most %s more)", err->text,
		text_seconds(wait, (double)wait_ms / 1000),
		text_seconds(left, (double)left_ms / 1000));
	/* What may well be a refusal is soon known to be one, or is no news. */
	if (err->code == ERR_REFUSED)
		log_debug("%s", line);
	else
		report_note(r, line);
	maybe_show(r, now_ms);
}

static void print_text(const struct report *r, const struct digest *id,
	const struct push_result *result, uint64_t bytes_sent, bool dry_run, double seconds)
{
	char total[TEXT_SIZE_MAX], sent[TEXT_SIZE_MAX], took[TEXT_SECONDS_MAX];
	char name[DIGEST_TEXT_LEN + 1];

	digest_text(id, name);
	text_size(total, result->bytes_total);
	if (dry_run && result->image_present)
		printf("%s (%s, %s): %s has it; only its names would be set\n", r->name, name,
			total, r->target);
	else if (dry_run)
		printf("%s (%s, %s): %s has %zu of %zu layers; the rest would be sent\n", r->name,
			name, total, r->target, result->layers_skipped, result->layers);
	else
		printf("%s %s: %zu of %zu layers were there, %s of %s sent in %s\n", r->name, name,
			result->layers_skipped, result->layers, text_size(sent, bytes_sent), total,
			text_seconds(took, seconds));
}

void report_done(struct report *r, const struct digest *id, const struct push_result *result,
	uint64_t bytes_sent, bool dry_run, uint64_t now_ms)
{
	double seconds = (double)(now_ms - r->started_ms) / 1000;
	char name[DIGEST_TEXT_LEN + 1];

	report_clear(r);
	digest_text(id, name);
	if (r->style == REPORT_QUIET)
		puts(name);
	else if (r->style == REPORT_TEXT)
		print_text(r, id, result, bytes_sent, dry_run, seconds);
	else
		print_json(json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, "
				     "s:f, s:b}",
			"event", "result", "ok", 1, "kind", "image", "name", r->name, "target",
			r->target, "id", name, "mode", "layers", "layers",
			(json_int_t)result->layers, "layers_skipped",
			(json_int_t)result->layers_skipped, "bytes_total",
			(json_int_t)result->bytes_total, "bytes_sent", (json_int_t)bytes_sent,
			"bytes_read", (json_int_t)result->bytes_read, "seconds", seconds, "dry_run",
			dry_run));
	fflush(stdout);
}

void report_failed(struct report *r, const struct err *err, uint64_t now_ms)
{
	report_clear(r);
	log_error("%s", err->text);
	if (r->style == REPORT_JSON)
		print_json(json_pack("{s:s, s:b, s:s, s:s, s:s, s:f, s:s, s:s}", "event", "result",
			"ok", 0, "kind", "image", "name", r->name, "target", r->target, "seconds",
			(double)(now_ms - r->started_ms) / 1000, "code", err_code_name(err->code),
			"error", err->text));
}
