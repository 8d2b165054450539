#include "common/base/program.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SHOWN_MAX 80

static const struct program *running;

/* Keys are in memory: no copy of it may reach a disk, and no file that is made is for others. */
static void harden(void)
{
	static const struct rlimit none;

	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	umask(077);
}

static void print_commands(FILE *to, const struct program *p)
{
	fprintf(to, "Usage: %s COMMAND [OPTION]...\n%s\n\nCommands:\n", p->name, p->about);
	for (const struct program_command *c = p->commands; c->name; c++)
		if (c->line)
			fprintf(to, "  %-12s  %s\n", c->name, c->line);
	fprintf(to, "\n%s COMMAND --help tells more. %s --version prints the version.\n", p->name,
		p->name);
}

/* What is printed may be all that the command is for: a full disk must not pass for success. */
static int flushed(int code)
{
	struct err err;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	err_set(&err, ERR_IO, "cannot write to stdout");
	return code ? code : program_fail(&err);
}

int program_run(const struct program *p, int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	char shown[SHOWN_MAX];
	struct err err;

	harden();
	running = p;
	log_start(p->name, LOG_INFO, false);
	if (argc < 2) {
		print_commands(stderr, p);
		return 2;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_commands(stdout, p);
		return flushed(0);
	}
	if (strcmp(name, "--version") == 0) {
		printf("%s %s\n", p->name, DRAY_VERSION);
		return flushed(0);
	}
	for (const struct program_command *c = p->commands; c->name; c++) {
		if (strcmp(c->name, name) != 0)
			continue;
		if (!c->line)
			prctl(PR_SET_NAME, c->name); /* it was run as /proc/self/exe, as "exe" */
		return flushed(c->run(argc - 1, argv + 1));
	}
	err_set(&err, ERR_USAGE, "there is no command '%s'; see %s --help",
		text_escape(shown, sizeof(shown), name, strlen(name)), p->name);
	return program_fail(&err);
}

int program_fail(const struct err *err)
{
	log_error("%s", err->text);
	return err_exit_code(err);
}

void program_help(const char *usage, const char *text, const struct option_row *rows)
{
	printf("Usage: %s %s\n%s\nOptions:\n", running->name, usage, text);
	options_print(rows);
	printf("  %-28s  %s\n", "    --help", "print this");
}

bool program_options(
	int argc, char **argv, const char *text, const struct option_row *rows, int *ret_code)
{
	char usage[SHOWN_MAX];
	bool help = false;
	struct err err;
	int n, r;

	r = options_parse(rows, argc, argv, &n, &help, &err);
	if (r == 0 && help) {
		snprintf(usage, sizeof(usage), "%s [OPTION]...", argv[0]);
		program_help(usage, text, rows);
		*ret_code = 0;
		return false;
	}
	if (r == 0 && n > 0)
		r = err_set(&err, ERR_USAGE, "%s takes options only; see %s %s --help", argv[0],
			running->name, argv[0]);
	if (r != 0)
		*ret_code = program_fail(&err);
	return r == 0;
}
