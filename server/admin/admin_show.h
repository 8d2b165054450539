/*
 * Shows what an admin command says to whoever typed it: results on stdout, notes on stderr, and how
 * far it is: in place on a terminal, else a line every few seconds. Main thread.
 */
#pragma once

#include "server/admin/admin.h"

struct admin_show {
	struct buf line; /* what has come of a line */
	bool terminal;
	uint64_t said_ms;  /* when progress was said last */
	bool result_shown; /* the result line of --json */
	bool over;	   /* "done" has come: */
	struct err result;
};

void admin_show_init(struct admin_show *s);
void admin_show_done(struct admin_show *s); /* wipes what is left */

/* Takes replies, whole lines or not. ERR_PROTOCOL, ERR_LIMIT: this is none. */
int admin_show_take(struct admin_show *s, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* The process's exit code; says why it is not 0. `json`: also as a result line, if none came. */
int admin_show_end(struct admin_show *s, const char *command, bool json, const struct err *why);
