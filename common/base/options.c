#include "common/base/options.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 80
#define HELP_COLUMN 28

/* Where the parser is in argv. */
struct parse {
	const struct option_row *rows;
	int argc, at;
	char **argv;
	bool help;
};

static const struct option_row *find_name(const struct option_row *rows, const char *s, size_t n)
{
	for (; rows->name; rows++) {
		if (strlen(rows->name) == n && memcmp(rows->name, s, n) == 0)
			return rows;
	}
	return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
	for (; rows->name; rows++) {
		if (rows->letter == letter)
			return rows;
	}
	return NULL;
}

static int wrong_value(
	const struct option_row *row, const char *value, const char *form, struct err *err)
{
	char shown[SHOWN_MAX];

	return err_set(err, ERR_USAGE, "--%s: '%s' is not %s", row->name,
		text_escape(shown, sizeof(shown), value, strlen(value)), form);
}

static int take_value(const struct option_row *row, const char *value, struct err *err)
{
	struct option_list *list;

	switch (row->kind) {
	case OPTION_TEXT:
		*(const char **)row->to = value;
		return 0;
	case OPTION_LIST:
		list = row->to;
		if (list->n == OPTION_LIST_MAX)
			return err_set(err, ERR_USAGE, "--%s: given more than %d times", row->name,
				OPTION_LIST_MAX);
		list->items[list->n++] = value;
		return 0;
	case OPTION_SIZE:
		if (!text_parse_size(value, row->to))
			return wrong_value(row, value, "a size; write 500k, 10M or 1.5G", err);
		return 0;
	case OPTION_SECONDS:
		if (!text_parse_seconds(value, row->to))
			return wrong_value(row, value, "a time; write 90s, 15m, 2h or 7d", err);
		return 0;
	case OPTION_FLAG:
	default:
		return err_set(err, ERR_USAGE, "--%s takes no value", row->name);
	}
}

/* `value` NULL: the next argument is the value. */
static int take_option(
	struct parse *p, const struct option_row *row, const char *value, struct err *err)
{
	if (row->kind == OPTION_FLAG && !value) {
		*(bool *)row->to = true;
		return 0;
	}
	if (!value) {
		if (p->at + 1 >= p->argc)
			return err_set(err, ERR_USAGE, "--%s needs a value (%s); see --help",
				row->name, row->value ? row->value : "VALUE");
		value = p->argv[++p->at];
	}
	return take_value(row, value, err);
}

static int unknown(const char *s, size_t n, struct err *err)
{
	char shown[SHOWN_MAX];

	return err_set(err, ERR_USAGE, "unknown option '%s'; see --help",
		text_escape(shown, sizeof(shown), s, n));
}

static int take_long(struct parse *p, const char *s, struct err *err)
{
	size_t n = strcspn(s + 2, "=");
	const struct option_row *row = find_name(p->rows, s + 2, n);
	const char *value = s[2 + n] == '=' ? s + 2 + n + 1 : NULL;

	if (row)
		return take_option(p, row, value, err);
	if (strcmp(s, "--help") != 0)
		return unknown(s, 2 + n, err);
	p->help = true;
	return 0;
}

/* "-x", "-xVALUE", or several flags in one ("-qv"). */
static int take_letters(struct parse *p, const char *s, struct err *err)
{
	for (s++; *s; s++) {
		const struct option_row *row = find_letter(p->rows, *s);

		if (!row && *s == 'h') {
			p->help = true;
			continue;
		}
		if (!row) {
			char option[2] = { '-', *s };

			return unknown(option, sizeof(option), err);
		}
		if (row->kind != OPTION_FLAG)
			return take_option(p, row, s[1] ? s + 1 : NULL, err);
		if (take_option(p, row, NULL, err) != 0)
			return -1;
	}
	return 0;
}

int options_parse(const struct option_row *rows, int argc, char **argv, int *ret_args,
	bool *ret_help, struct err *err)
{
	struct parse p = { .rows = rows, .argc = argc, .argv = argv };
	bool only_args = false;
	int n = 0;

	for (p.at = 1; p.at < argc; p.at++) {
		char *s = argv[p.at];

		if (only_args || s[0] != '-' || s[1] == '\0')
			argv[1 + n++] = s;
		else if (strcmp(s, "--") == 0)
			only_args = true;
		else if ((s[1] == '-' ? take_long(&p, s, err) : take_letters(&p, s, err)) != 0)
			return -1;
	}
	*ret_args = n;
	*ret_help = p.help;
	return 0;
}

void options_print(const struct option_row *rows)
{
	for (; rows->name; rows++) {
		char left[64];
		char letter[] = "    ";
		int n;

		if (rows->letter) {
			letter[0] = '-';
			letter[1] = rows->letter;
			letter[2] = ',';
		}
		n = snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows->name,
			rows->value ? " " : "", rows->value ? rows->value : "");
		if (n < HELP_COLUMN)
			printf("  %-*s  %s\n", HELP_COLUMN, left, rows->help);
		else
			printf("  %s\n  %*s  %s\n", left, HELP_COLUMN, "", rows->help);
	}
}
