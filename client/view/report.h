/*
 * What `dray push` says while it works and at the end: results on stdout (text, one JSON object a
 * line, or the bare ID), progress on stderr (a block of lines redrawn on a terminal, a line for
 * each target every few seconds elsewhere) or, as events, among the JSON. Loop's thread.
 */
#pragma once

#include "client/push/uv_push.h"
#include "client/view/screen.h"

enum report_style { REPORT_TEXT, REPORT_JSON, REPORT_QUIET };

struct report {
	enum report_style style;
	bool terminal, colour, unicode; /* stderr */
	bool silent;			/* no progress there */
	bool mute;			/* errors are for its owner to tell */
	struct pair_progress *pairs;	/* image by image for each target */
	size_t n_pairs, n_images, n_targets;
	uint64_t started_ms, shown_ms;
	unsigned lines_open;		  /* of the block that stands on the terminal */
	unsigned widths[SCREEN_ROWS_MAX]; /* theirs */
};

/* What became of a pair, for its result. */
struct report_outcome {
	const struct digest *id; /* NULL: it was never known */
	struct push_result result;
	struct err err; /* ERR_NONE: done */
	uint64_t bytes_sent;
	bool dry_run;
};

/* `images` as typed; names of targets must last. */
int report_start(struct report *r, enum report_style style, const char *const *images,
	size_t n_images, const char *const *targets, size_t n_targets, uint64_t now_ms,
	struct err *err) MUST_CHECK;

/* Takes the progress off the terminal and forgets all. */
void report_end(struct report *r);

/* The report's view of a pair: the owner of the push gives it its layers and leaves the rest alone.
 */
struct pair_progress *report_pair(struct report *r, size_t image, size_t target);

void report_state(
	struct report *r, struct pair_progress *p, enum pair_state state, uint64_t now_ms);

/* Its layers changed. */
void report_progress(struct report *r, struct pair_progress *p, uint64_t now_ms);

/* Time passed: to be called a few times a second, so that clocks go on. */
void report_tick(struct report *r, uint64_t now_ms);

void report_note(struct report *r, const char *text);

/* A try failed just now. There is another one after `wait_ms`, and others for at most `left_ms`. */
void report_retry(struct report *r, struct pair_progress *p, const struct err *err,
	uint64_t wait_ms, uint64_t left_ms, uint64_t now_ms);

/* The target was slower than others and goes on by itself. */
void report_behind(struct report *r, const struct pair_progress *p, const struct err *err);

/* A line on stderr about a pair that failed for good; NULL: the text says of itself what it is
 * about. */
void report_error(struct report *r, const struct pair_progress *p, const struct err *err);

/* The last word about a pair. */
void report_result(
	struct report *r, const struct pair_progress *p, const struct report_outcome *outcome);

/* A line of the target's, which is no warning. */
void report_said(struct report *r, const struct pair_progress *p, const char *text);

/* --- report_json.c --- */

void report_json_phase(const struct pair_progress *p);
void report_json_progress(const struct pair_progress *p, uint64_t now_ms);
void report_json_retry(
	const struct pair_progress *p, const struct err *err, uint64_t wait_ms, uint64_t left_ms);
void report_json_result(const struct pair_progress *p, const struct report_outcome *outcome);

/* --- report_terminal.c --- */

/* Whether stderr is a terminal, and what it can show. */
void report_terminal_look(struct report *r);
void report_terminal_draw(struct report *r, uint64_t now_ms);
void report_terminal_clear(struct report *r);
