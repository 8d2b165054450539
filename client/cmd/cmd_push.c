/* `dray push`: its options, and the parts of the contract that are not there yet, refused rather
 * than ignored. */
#include "client/cmd/cmd.h"

#include "client/push/retry.h"
#include "client/push/uv_push_run.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/cargo/reference.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL_MAX 19
#define CONGESTION_NAME_MAX 15u /* TCP_CA_NAME_MAX less its NUL */

struct push_options {
	const char *to, *engine, *read, *compress, *lanes, *congestion;
	uint64_t retry_for, limit_rate;
	bool json, quiet, verbose, dry_run, help;
};

static const char push_text[] =
	"Sends images from the engine beside this command to the one beside each TARGET, as far as "
	"it\n"
	"lacks them, and gives them the same names there. Each image is read once, however many\n"
	"targets there are. A push that was cut off goes on when it is run again.\n";

/* "auto", "none" or a level of zstd. */
static int parse_level(const char *s, int *ret, struct err *err)
{
	char *end;
	long level;

	if (!s || strcmp(s, "auto") == 0) {
		*ret = LEVEL_AUTO;
		return 0;
	}
	if (strcmp(s, "none") == 0) {
		*ret = 0;
		return 0;
	}
	level = strtol(s, &end, 10);
	if (*s == '\0' || *end != '\0' || level < 1 || level > LEVEL_MAX)
		return err_set(err, ERR_USAGE,
			"--compress takes auto, none or a level from 1 to %d", LEVEL_MAX);
	*ret = (int)level;
	return 0;
}

/* "auto" or a number of connections. */
static int parse_lanes(const char *s, unsigned *ret, struct err *err)
{
	char *end;
	long n;

	*ret = 0;
	if (!s || strcmp(s, "auto") == 0)
		return 0;
	n = strtol(s, &end, 10);
	if (*s == '\0' || *end != '\0' || n < 1 || n > (long)LANES_MAX)
		return err_set(
			err, ERR_USAGE, "--lanes takes auto or a number from 1 to %u", LANES_MAX);
	*ret = (unsigned)n;
	return 0;
}

/* "auto", "system" or a name that the kernel is to know. */
static int parse_congestion(const char *s, const char **ret, struct err *err)
{
	*ret = NULL;
	if (!s || strcmp(s, "auto") == 0)
		return 0;
	if (*s == '\0' || strlen(s) > CONGESTION_NAME_MAX ||
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(s))
		return err_set(err, ERR_USAGE,
			"--congestion takes auto, system or a name such as bbr or cubic");
	*ret = s;
	return 0;
}

static int parse_link(const struct push_options *o, struct lanes_options *ret, struct err *err)
{
	if (o->limit_rate && o->limit_rate < UV_RATE_MIN)
		return err_set(err, ERR_USAGE,
			"--limit-rate is at least %u bytes a second (as in 500k or 10M)",
			UV_RATE_MIN);
	ret->limit_rate = o->limit_rate;
	if (parse_lanes(o->lanes, &ret->lanes, err) != 0)
		return -1;
	return parse_congestion(o->congestion, &ret->congestion, err);
}

static int parse_read(const char *s, enum engine_read *ret, struct err *err)
{
	static const char *const words[] = {
		[READ_AUTO] = "auto", [READ_DIRECT] = "direct", [READ_API] = "api"
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(s, words[i]) == 0) {
			*ret = (enum engine_read)i;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "--read takes auto, direct or api");
}

static int parse(int argc, char **argv, struct push_options *o, struct push_run_options *run,
	struct err *err)
{
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &o->to, "TARGET[,TARGET...]",
			"the targets, names given to dray pair" },
		ENGINE_OPTION_ROW(&o->engine),
		{ "read", 0, OPTION_TEXT, &o->read, "HOW",
			"direct: the engine's own files; api: through it; auto (the default)" },
		{ "dry-run", 0, OPTION_FLAG, &o->dry_run, NULL, "only say what would be sent" },
		{ "compress", 0, OPTION_TEXT, &o->compress, "LEVEL",
			"auto (the default), none, or zstd's 1 to 19" },
		{ "limit-rate", 0, OPTION_SIZE, &o->limit_rate, "RATE",
			"bytes a second on the wire at most, as 500k or 10M" },
		{ "lanes", 0, OPTION_TEXT, &o->lanes, "N",
			"connections: auto (the default: as many as help), or 1 to 16" },
		{ "congestion", 0, OPTION_TEXT, &o->congestion, "NAME",
			"TCP's congestion control: auto (bbr on long links), system, or its name" },
		{ "retry-for", 0, OPTION_SECONDS, &o->retry_for, "TIME",
			"give up after so long without a session (default 2m; 0: at once)" },
		{ "json", 0, OPTION_FLAG, &o->json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &o->quiet, NULL, "print only the image's ID" },
		{ "verbose", 'v', OPTION_FLAG, &o->verbose, NULL, "say more" },
		{ 0 },
	};
	int n;

	if (options_parse(rows, argc, argv, &n, &o->help, err) != 0)
		return -1;
	if (o->help) {
		program_help("push IMAGE... --to TARGET[,TARGET...]", push_text, rows);
		return 0;
	}
	if (n == 0)
		return err_set(
			err, ERR_USAGE, "push: which image? (dray push IMAGE... --to TARGET)");
	if ((size_t)n > PUSH_IMAGES_MAX)
		return err_set(
			err, ERR_USAGE, "push: at most %u images in one run", PUSH_IMAGES_MAX);
	for (int i = 1; i <= n; i++) {
		if (reference_check_typed(argv[i], err) != 0)
			return -1;
	}
	if (!o->to)
		return err_set(
			err, ERR_USAGE, "push: where to? (--to TARGET; dray targets lists them)");
	if (o->json && o->quiet)
		return err_set(err, ERR_USAGE, "--json and -q exclude each other");
	run->images = (const char *const *)argv + 1;
	run->n_images = (size_t)n;
	run->engine = o->engine;
	run->dry_run = o->dry_run;
	run->retry_for_ms = min_u64(o->retry_for, UINT64_MAX / 1000) * 1000;
	run->style = o->json ? REPORT_JSON : o->quiet ? REPORT_QUIET : REPORT_TEXT;
	if (parse_link(o, &run->lanes, err) != 0 || parse_read(o->read, &run->read, err) != 0)
		return -1;
	return parse_level(o->compress, &run->level, err);
}

/* --- the targets --- */

struct targets {
	struct target *list[PUSH_TARGETS_MAX];
	size_t n;
};

static void close_targets(struct targets *t)
{
	while (t->n > 0)
		target_free(t->list[--t->n]);
}

static int open_target(struct targets *t, const char *name, struct err *err)
{
	if (!name[0])
		return err_set(err, ERR_USAGE, "--to: a name is missing beside a comma");
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->list[i]->name, name) == 0)
			return err_set(err, ERR_USAGE, "--to: %s is named twice", name);
	}
	if (t->n == PUSH_TARGETS_MAX)
		return err_set(
			err, ERR_USAGE, "--to: at most %u targets in one run", PUSH_TARGETS_MAX);
	if (targets_load(name, &t->list[t->n], err) != 0) {
		/* "Not found" is for images. */
		err->code = err->code == ERR_NOT_FOUND ? ERR_USAGE : err->code;
		return -1;
	}
	t->n++;
	return 0;
}

/* "a,b,c": all of them have to be there before anything begins. */
static int open_targets(struct targets *t, const char *to, struct err *err)
{
	CLEANUP(cleanup_free) char *names = strdup(to);
	char *rest = names, *name;
	int r = 0;

	if (!names)
		return err_nomem(err);
	while (r == 0 && (name = strsep(&rest, ",")))
		r = open_target(t, name, err);
	if (r != 0)
		close_targets(t);
	return r;
}

int cmd_push(int argc, char **argv)
{
	struct push_options o = { .read = "auto", .retry_for = RETRY_FOR_SECONDS };
	struct push_run_options run = { 0 };
	struct targets targets = { 0 };
	struct key_pair *key = NULL;
	struct err err;
	int code;

	if (parse(argc, argv, &o, &run, &err) != 0)
		return program_fail(&err);
	if (o.help)
		return 0;
	log_start("dray", o.verbose ? LOG_DEBUG : LOG_INFO, false);
	if (open_targets(&targets, o.to, &err) != 0)
		return program_fail(&err);
	if (client_key(&key, &err) != 0) {
		close_targets(&targets);
		return program_fail(&err);
	}
	run.key = key;
	run.targets = targets.list;
	run.n_targets = targets.n;
	code = push_run(&run);
	close_targets(&targets);
	client_close(key, NULL);
	return code;
}
