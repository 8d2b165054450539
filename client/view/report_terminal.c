/*
 * Owns the block of lines at the foot of the terminal: drawn over itself, never wider or higher
 * than the terminal, gone before anything else is printed.
 */
#include "client/view/report.h"

#include "common/base/log.h"
#include "common/base/terminal.h"

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
	struct terminal t = terminal_look(STDERR_FILENO);
	const char *term = getenv("TERM");

	/* One that is dumb cannot be drawn over. */
	r->terminal = t.is_terminal && term && term[0] && strcmp(term, "dumb") != 0;
	r->colour = t.colour;
	r->unicode = t.utf8;
	the_report = r->terminal ? r : NULL;
	log_set_hook(r->terminal ? before_line : NULL);
}

/* As it is now: it may have been resized since it was looked at. */
static void look_at_size(unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize size;

	*ret_rows = ROWS_DEFAULT;
	*ret_columns = COLUMNS_DEFAULT;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2 || size.ws_row < 2)
		return;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

/* To the first letter of the block. In a terminal that became narrower its lines are wrapped, and
 * in one that became lower the first ones are lost. */
static void go_up(const struct report *r, unsigned rows, unsigned columns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->lines_open; i++)
		n += r->widths[i] > columns ? (r->widths[i] + columns - 1) / columns : 1;
	n = n < rows ? n : rows;
	fputc('\r', stderr);
	if (n > 1)
		fprintf(stderr, "\033[%uA", n - 1);
}

void report_terminal_clear(struct report *r)
{
	unsigned rows, columns;

	if (r->lines_open == 0)
		return;
	look_at_size(&rows, &columns);
	go_up(r, rows, columns);
	fputs("\033[J", stderr);
	fflush(stderr);
	r->lines_open = 0;
}

/* One column and one row are left free: a full line would wrap at some terminals, a full screen
 * scroll. */
void report_terminal_draw(struct report *r, uint64_t now_ms)
{
	static struct terminal_line lines[SCREEN_ROWS_MAX];
	unsigned rows, columns, n;

	look_at_size(&rows, &columns);
	for (unsigned i = 0; i < SCREEN_ROWS_MAX; i++)
		terminal_line_start(&lines[i], columns - 1, r->colour, r->unicode);
	n = screen_compose(
		lines, (unsigned)min_size(rows - 1, SCREEN_ROWS_MAX), r->pairs, r->n_pairs, now_ms);
	if (r->lines_open > 0)
		go_up(r, rows, columns);
	for (unsigned i = 0; i < n; i++) {
		fprintf(stderr, "%s%s\033[K", i > 0 ? "\n" : "", lines[i].bytes);
		r->widths[i] = lines[i].width;
	}
	fputs("\033[J", stderr);
	fflush(stderr);
	r->lines_open = n;
}
