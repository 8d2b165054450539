/*
 * What `dray doctor` finds, printed as it is found: a marked line each, with what to do about it;
 * or one JSON object a line. Main thread.
 */
#pragma once

#include "common/base/terminal.h"

enum mark { MARK_FACT, MARK_OK, MARK_NOTE, MARK_PROBLEM };

#define CHECK_TEXT_MAX 1200

struct check {
	const char *name; /* one or two words */
	enum mark mark;
	char text[CHECK_TEXT_MAX];
	char advice[CHECK_TEXT_MAX]; /* ""; for a problem what to do */
	const char *unit;	     /* of `value`; NULL: nothing was measured */
	double value;
};

struct checks {
	bool json, quiet; /* quiet: only notes and problems */
	struct terminal terminal;
	size_t n, notes, problems;
};

void check_text(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void check_advice(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Counts and prints it. */
void checks_tell(struct checks *all, const struct check *c);

/* The last line. */
void checks_end(const struct checks *all, double seconds);
