/*
 * One line for a terminal: text, bars and colours put together up to a number of columns; what does
 * not fit is left out, so that the line never wraps. Text is ASCII (escaped before). Pure.
 */
#pragma once

#include "common/base/base.h"

#define TERMINAL_COLUMNS_MAX 250u
/* A letter of a bar takes three bytes, a change of colour five, and there are few. */
#define TERMINAL_LINE_MAX (TERMINAL_COLUMNS_MAX * 3 + 128)

enum terminal_colour { COLOUR_NONE, COLOUR_DIM, COLOUR_GOOD, COLOUR_BAD, COLOUR_BUSY };

struct terminal_line {
	char bytes[TERMINAL_LINE_MAX]; /* terminated */
	size_t n;
	unsigned width, columns; /* taken; there are */
	bool colour, unicode;
};

void terminal_line_start(struct terminal_line *l, unsigned columns, bool colour, bool unicode);

/* As much of it as fits. */
void terminal_line_text(struct terminal_line *l, enum terminal_colour colour, const char *text);

/* As much of it as fits into `width` columns, and blanks up to them. */
void terminal_line_field(
	struct terminal_line *l, enum terminal_colour colour, const char *text, unsigned width);

/* A bar of that width (all of it, or none when it does not fit), filled in proportion. */
void terminal_line_bar(struct terminal_line *l, unsigned width, uint64_t done, uint64_t total);
