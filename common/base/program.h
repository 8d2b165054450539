/*
 * What both programs do before and around their commands: harden the process, choose the command,
 * print help. Main thread.
 */
#pragma once

#include "common/base/options.h"

struct program_command {
	const char *name; /* NULL ends the table */
	const char *line; /* what it does, in one line of help; NULL: not for people, not listed */
	int (*run)(
		int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
};

struct program {
	const char *name;
	const char *about; /* one line */
	const struct program_command *commands;
};

/* Ignores SIGPIPE, forbids core dumps, sets umask 077, then runs the command that argv[1] names.
 * Without one, or with --help or --version, prints what is asked. Returns the exit code. */
int program_run(const struct program *p, int argc, char **argv);

/* Prints the error as the program's one line on stderr; returns its exit code. */
int program_fail(const struct err *err);

/* Parses the options of a command that takes nothing else. False: it is over, with *ret_code: its
 * --help was asked for and printed, or what was typed was wrong and said so. */
bool program_options(
	int argc, char **argv, const char *text, const struct option_row *rows, int *ret_code);

/* A command's --help: usage, what it does, options. `usage` goes behind the program's name; `text`
 * is whole lines. */
void program_help(const char *usage, const char *text, const struct option_row *rows);
