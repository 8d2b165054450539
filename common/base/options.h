/*
 * The one option table: both programs and all their commands describe their options as rows, and
 * parsing, checking and --help come from the rows. "--name VALUE", "--name=VALUE", "-x VALUE",
 * "-xVALUE" and "--" work as in GNU getopt_long; options and arguments may be mixed.
 */
#pragma once

#include "common/base/err.h"

enum option_kind {
	OPTION_FLAG,	/* bool *                          */
	OPTION_TEXT,	/* const char **, points into argv  */
	OPTION_LIST,	/* struct option_list *, repeatable */
	OPTION_SIZE,	/* uint64_t *, text_parse_size      */
	OPTION_SECONDS, /* uint64_t *, text_parse_seconds   */
};

#define OPTION_LIST_MAX 64

struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t n;
};

struct option_row {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter;	  /* 0: none */
	enum option_kind kind;
	void *to;
	const char *value; /* the value's word in --help ("NAME"); NULL for flags */
	const char *help;
};

/* Parses argv[1..argc). Arguments that are no options are moved to the front of argv (from 1) and
 * counted in `ret_args`. Unknown options, missing or wrong values are ERR_USAGE with what to do.
 * "--help" and "-h" (where no row has that letter) set *ret_help. */
int options_parse(const struct option_row *rows, int argc, char **argv, int *ret_args,
	bool *ret_help, struct err *err) MUST_CHECK;

/* Prints the rows to stdout, aligned, for --help. */
void options_print(const struct option_row *rows);
