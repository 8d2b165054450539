/* What is known of the terminal, or of what stands in its place, behind a descriptor: how much fits
 * on a line and what may be printed there. Reads the environment; main thread. */
#pragma once

#include "common/base/base.h"

#define TERMINAL_COLUMNS 80 /* where nothing tells */
#define TERMINAL_ROWS 24
#define TERMINAL_MAX 10000 /* columns or rows; what claims more is not believed */

struct terminal {
	int columns, rows; /* above 0. Only a terminal's width is a reason to shorten anything */
	bool is_terminal;
	bool colour; /* a terminal that is not "dumb", and NO_COLOR is not set */
	bool utf8;   /* the locale says so */
};

struct terminal terminal_look(int fd);

/* The codeset of the first of these locales that is set ("de_DE.UTF-8"). Pure; NULL and "" are not
 * set. */
bool terminal_is_utf8(const char *lc_all, const char *lc_ctype, const char *lang);
