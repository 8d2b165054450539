/*
 * Tables for people: columns as wide as they must be, shortened where a terminal is too narrow for
 * them. A terminal column is taken to be a code point wide: text from outside is escaped, and so
 * plain, before it comes here. One thread.
 */
#pragma once

#include "common/base/terminal.h"

#include <stdio.h>

#define TABLE_COLUMNS_MAX 32

/* What a piece of text says beside its words; shown as a colour where there is one. */
enum tone { TONE_PLAIN, TONE_GOOD, TONE_NOTE, TONE_BAD, TONE_FAINT, TONE_STRONG };

struct table_column {
	const char *head;
	bool right;   /* aligned */
	size_t least; /* it may be shortened down to this; 0: never */
};

struct table_cell {
	char *text;
	enum tone tone;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	struct table_cell *cells; /* row by row */
	size_t n, cap;
	bool failed; /* out of memory */
};

/* `columns` must last. */
void table_start(struct table *t, const struct table_column *columns, size_t n);

/* The next cell, from left to right and down. */
void table_cell(struct table *t, enum tone tone, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Prints head and rows and frees them all. False when there was no memory for a part of it. */
bool table_print(struct table *t, const struct terminal *terminal, FILE *to) MUST_CHECK;

/* --- its parts, pure --- */

/* How wide the columns come out when `natural` is what they would like and the line has `available`
 * columns, two of them between each two: the widest of those that may be shortened give way. */
void table_fit(const struct table_column *columns, const size_t *natural, size_t n,
	size_t available, size_t *ret);

/* How many columns the text takes. */
size_t table_width(const char *text);

/* How many bytes of the text take at most `width` columns. *ret_cut: they are not all of it, and
 * an ellipsis, for which there is room then, is to follow. */
size_t table_shorten(const char *text, size_t width, bool utf8, bool *ret_cut);

/* How many bytes of the text fit on a line of this width when it is broken between words, or inside
 * one that is longer than the line. At least one unless it is empty. */
size_t table_line(const char *text, size_t width);

/* --- pieces of text --- */

/* The escape sequence that begins this tone, and the one that ends any; "" without colour. */
const char *tone_begin(const struct terminal *terminal, enum tone tone);
const char *tone_end(const struct terminal *terminal, enum tone tone);
