/*
 * Owns the block of lines at the foot of the terminal: drawn over itself, never wider or higher
 * than the terminal, gone before anything else is printed.
 */
#include "client/report.h"

#include "common/base/log.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROWS_DEFAULT 24u
#define COLUMNS_DEFAULT 80u

static struct report *the_report; /* whose block has to be out of the way of the log */

static void before_line(void)
{
	if (the_report)
		report_terminal_clear(the_report);
}

void report_terminal_look(struct report *r)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	bool dumb = !term || !term[0] || strcmp(term, "dumb") == 0;

	r->terminal = isatty(STDERR_FILENO) == 1 && !dumb;
	r->colour = r->terminal && !(no_colour && no_colour[0]);
	if (r->terminal && setlocale(LC_CTYPE, ""))
		r->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	the_report = r->terminal ? r : NULL;
	log_set_hook(r->terminal ? before_line : NULL);
}

/* One column and one row are left free: a full line would wrap at some terminals, a full screen
 * scroll. */
static void look_at_size(unsigned *ret_rows, unsigned *ret_columns)
{
	unsigned rows = ROWS_DEFAULT, columns = COLUMNS_DEFAULT;
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && size.ws_row > 1) {
		rows = size.ws_row;
		columns = size.ws_col;
	}
	*ret_rows = (unsigned)min_size(rows - 1, SCREEN_ROWS_MAX);
	*ret_columns = columns - 1;
}

static void go_up(struct report *r)
{
	fputc('\r', stderr);
	if (r->lines_open > 1)
		fprintf(stderr, "\033[%uA", r->lines_open - 1);
}

void report_terminal_clear(struct report *r)
{
	if (r->lines_open == 0)
		return;
	go_up(r);
	fputs("\033[J", stderr);
	fflush(stderr);
	r->lines_open = 0;
}

void report_terminal_draw(struct report *r, uint64_t now_ms)
{
	static struct terminal_line lines[SCREEN_ROWS_MAX];
	unsigned rows, columns, n;

	look_at_size(&rows, &columns);
	for (unsigned i = 0; i < rows; i++)
		terminal_line_start(&lines[i], columns, r->colour, r->unicode);
	n = screen_compose(lines, rows, r->pairs, r->n_pairs, now_ms);
	/* A terminal that became lower has lost what is above it. */
	r->lines_open = (unsigned)min_size(r->lines_open, rows);
	if (r->lines_open > 0)
		go_up(r);
	for (unsigned i = 0; i < n; i++)
		fprintf(stderr, "%s%s\033[K", i > 0 ? "\n" : "", lines[i].bytes);
	fputs("\033[J", stderr);
	fflush(stderr);
	r->lines_open = n;
}
