#include "client/view/terminal_line.h"

#include <string.h>

static const char *const codes[] = { [COLOUR_NONE] = "",
	[COLOUR_DIM] = "\033[2m",
	[COLOUR_GOOD] = "\033[32m",
	[COLOUR_BAD] = "\033[31m",
	[COLOUR_BUSY] = "\033[36m" };

void terminal_line_start(struct terminal_line *l, unsigned columns, bool colour, bool unicode)
{
	l->bytes[0] = '\0';
	l->n = 0;
	l->width = 0;
	l->columns = columns < TERMINAL_COLUMNS_MAX ? columns : TERMINAL_COLUMNS_MAX;
	l->colour = colour;
	l->unicode = unicode;
}

static void put(struct terminal_line *l, const char *bytes, size_t n)
{
	if (n >= sizeof(l->bytes) - l->n)
		return;
	memcpy(l->bytes + l->n, bytes, n);
	l->n += n;
	l->bytes[l->n] = '\0';
}

static void begin_colour(struct terminal_line *l, enum terminal_colour colour)
{
	if (l->colour)
		put(l, codes[colour], strlen(codes[colour]));
}

static void end_colour(struct terminal_line *l, enum terminal_colour colour)
{
	if (l->colour && colour != COLOUR_NONE)
		put(l, "\033[0m", 4);
}

static void put_cut(
	struct terminal_line *l, enum terminal_colour colour, const char *text, unsigned max)
{
	size_t room = min_size(max, l->columns - l->width), n = strnlen(text, room);

	if (n == 0)
		return;
	begin_colour(l, colour);
	put(l, text, n);
	end_colour(l, colour);
	l->width += (unsigned)n;
}

void terminal_line_text(struct terminal_line *l, enum terminal_colour colour, const char *text)
{
	put_cut(l, colour, text, l->columns);
}

void terminal_line_field(
	struct terminal_line *l, enum terminal_colour colour, const char *text, unsigned width)
{
	unsigned end = l->width + width;

	put_cut(l, colour, text, width);
	while (l->width < end && l->width < l->columns) {
		put(l, " ", 1);
		l->width++;
	}
}

static void put_times(struct terminal_line *l, const char *letter, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put(l, letter, strlen(letter));
	l->width += n;
}

/* How many of `width` are filled: all of them only when all is done. */
static unsigned filled(unsigned width, uint64_t done, uint64_t total)
{
	if (total == 0 || done >= total)
		return total == 0 ? 0 : width;
	return (unsigned)((double)done / (double)total * width);
}

void terminal_line_bar(struct terminal_line *l, unsigned width, uint64_t done, uint64_t total)
{
	unsigned inner, n;

	if (width < 3 || width > l->columns - l->width)
		return;
	inner = l->unicode ? width : width - 2;
	n = filled(inner, done, total);
	if (!l->unicode)
		put_times(l, "[", 1);
	begin_colour(l, COLOUR_GOOD);
	if (l->unicode) {
		put_times(l, "\xe2\x94\x81", n); /* heavy line */
	} else {
		put_times(l, "=", n > 0 ? n - 1 : 0);
		put_times(l, n < inner ? ">" : "=", n > 0);
	}
	end_colour(l, COLOUR_GOOD);
	begin_colour(l, COLOUR_DIM);
	put_times(l, l->unicode ? "\xe2\x94\x80" : " ", inner - n); /* light line */
	end_colour(l, COLOUR_DIM);
	if (!l->unicode)
		put_times(l, "]", 1);
}
