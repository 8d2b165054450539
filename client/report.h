/*
 * What `dray` says while it works and at the end: results on stdout (text, one JSON object a line,
 * or the bare ID), progress on stderr (one line redrawn on a terminal, a line every few seconds
 * elsewhere). Loop's thread.
 */
#pragma once

#include "client/uv_push.h"

enum report_style { REPORT_TEXT, REPORT_JSON, REPORT_QUIET };

#define REPORT_NAME_MAX 800

struct report {
	enum report_style style;
	bool terminal;
	char name[REPORT_NAME_MAX]; /* of what is moved, as the user typed it, escaped */
	const char *target;	    /* where to */
	enum push_phase phase;
	bool waiting;		 /* for another try; the rest stays as it was */
	uint64_t settled, begun; /* the most that any try came to */
	uint64_t started_ms, shown_ms;
	bool line_open; /* a progress line stands on the terminal */
};

void report_start(struct report *r, enum report_style style, const char *name, const char *target,
	uint64_t now_ms);

void report_phase(struct report *r, enum push_phase phase, uint64_t now_ms);
void report_progress(struct report *r, uint64_t settled, uint64_t begun, uint64_t now_ms);

/* Time passed: to be called a few times a second, so that the clock in the line goes on. */
void report_tick(struct report *r, uint64_t now_ms);

void report_note(struct report *r, const char *text);

/* A try failed just now. There is another one after `wait_ms`, and others for at most `left_ms`. */
void report_retry(struct report *r, const struct err *err, uint64_t wait_ms, uint64_t left_ms,
	uint64_t now_ms);

/* The last word: the result of a push that worked. `bytes_sent` are those on the wire. */
void report_done(struct report *r, const struct digest *id, const struct push_result *result,
	uint64_t bytes_sent, bool dry_run, uint64_t now_ms);

/* Or why it did not: a line on stderr, and the result object with --json. */
void report_failed(struct report *r, const struct err *err, uint64_t now_ms);

/* Takes the progress line off the terminal. */
void report_clear(struct report *r);
