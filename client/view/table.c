#include "client/view/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2 /* between columns */

/* --- tones --- */

const char *tone_begin(const struct terminal *terminal, enum tone tone)
{
	static const char *const codes[] = { [TONE_PLAIN] = "",
		[TONE_GOOD] = "\033[32m",
		[TONE_NOTE] = "\033[33m",
		[TONE_BAD] = "\033[31m",
		[TONE_FAINT] = "\033[2m",
		[TONE_STRONG] = "\033[1m" };

	return terminal->colour ? codes[tone] : "";
}

const char *tone_end(const struct terminal *terminal, enum tone tone)
{
	return terminal->colour && tone != TONE_PLAIN ? "\033[0m" : "";
}

/* --- widths --- */

static bool is_start(char c)
{
	return ((uint8_t)c & 0xc0) != 0x80;
}

size_t table_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += is_start(*text);
	return n;
}

/* The bytes of the first `width` code points, or of all. */
static size_t prefix(const char *text, size_t width)
{
	size_t at = 0, seen = 0;

	for (; text[at]; at++) {
		if (is_start(text[at]) && seen++ == width)
			break;
	}
	return at;
}

size_t table_shorten(const char *text, size_t width, bool utf8, bool *ret_cut)
{
	size_t dots = utf8 ? 1 : 3;

	*ret_cut = table_width(text) > width;
	if (!*ret_cut)
		return strlen(text);
	return prefix(text, width > dots ? width - dots : 0);
}

size_t table_line(const char *text, size_t width)
{
	size_t n = prefix(text, width > 0 ? width : 1), at = n;

	if (text[n] == '\0' || text[n] == ' ')
		return n;
	while (at > 0 && text[at - 1] != ' ')
		at--;
	while (at > 0 && text[at - 1] == ' ')
		at--;
	return at > 0 ? at : n;
}

/* The widest column that may still give way. */
static size_t widest(const struct table_column *columns, const size_t *widths, size_t n)
{
	size_t found = n;

	for (size_t i = 0; i < n; i++) {
		if (columns[i].least > 0 && widths[i] > columns[i].least &&
			(found == n || widths[i] > widths[found]))
			found = i;
	}
	return found;
}

void table_fit(const struct table_column *columns, const size_t *natural, size_t n,
	size_t available, size_t *ret)
{
	size_t sum = n > 0 ? GAP * (n - 1) : 0, i;

	for (i = 0; i < n; i++) {
		ret[i] = natural[i];
		sum += natural[i];
	}
	for (; sum > available && (i = widest(columns, ret, n)) < n; sum--)
		ret[i]--;
}

/* --- the table --- */

void table_start(struct table *t, const struct table_column *columns, size_t n)
{
	assert(n > 0 && n <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .columns = columns, .n_columns = n };
	for (size_t i = 0; i < n; i++)
		table_cell(t, TONE_FAINT, "%s", columns[i].head);
}

static bool grow(struct table *t)
{
	size_t cap = t->cap ? 2 * t->cap : 64;
	struct table_cell *cells = t->n < t->cap ? t->cells
						 : realloc(t->cells, cap * sizeof(*cells));

	if (!cells)
		return false;
	if (t->n == t->cap)
		t->cap = cap;
	t->cells = cells;
	return true;
}

void table_cell(struct table *t, enum tone tone, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0 || !grow(t)) {
		t->failed = true;
		free(n < 0 ? NULL : text);
		return;
	}
	t->cells[t->n++] = (struct table_cell){ .text = text, .tone = tone };
}

static void pad(FILE *to, size_t n)
{
	for (; n > 0; n--)
		fputc(' ', to);
}

static void print_row(const struct table *t, const struct table_cell *row, const size_t *widths,
	const struct terminal *terminal, FILE *to)
{
	size_t spaces = 0; /* owed; none at a line's end */

	for (size_t i = 0; i < t->n_columns; i++) {
		const char *text = row[i].text;
		bool cut;
		size_t n = table_shorten(text, widths[i], terminal->utf8, &cut);
		size_t taken = cut ? widths[i] : table_width(text), rest = widths[i] - taken;

		if (taken > 0) {
			pad(to, spaces + (t->columns[i].right ? rest : 0));
			fprintf(to, "%s%.*s%s%s", tone_begin(terminal, row[i].tone), (int)n, text,
				cut ? terminal->utf8 ? "\u2026" : "..." : "",
				tone_end(terminal, row[i].tone));
			spaces = t->columns[i].right ? 0 : rest;
		} else {
			spaces += widths[i];
		}
		spaces += GAP;
	}
	fputc('\n', to);
}

static void print_all(const struct table *t, const struct terminal *terminal, FILE *to)
{
	size_t natural[TABLE_COLUMNS_MAX] = { 0 }, widths[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < t->n; i++) {
		size_t width = table_width(t->cells[i].text), *most = &natural[i % t->n_columns];

		*most = width > *most ? width : *most;
	}
	table_fit(t->columns, natural, t->n_columns,
		terminal->is_terminal ? (size_t)terminal->columns : SIZE_MAX, widths);
	for (size_t i = 0; i + t->n_columns <= t->n; i += t->n_columns)
		print_row(t, &t->cells[i], widths, terminal, to);
}

bool table_print(struct table *t, const struct terminal *terminal, FILE *to)
{
	bool whole = !t->failed;

	if (whole)
		print_all(t, terminal, to);
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ 0 };
	return whole;
}
