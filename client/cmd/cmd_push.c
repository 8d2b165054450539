/* `dray push`: its options. */
#include "client/cmd/cmd.h"

#include "client/cmd/transfer_options.h"
#include "client/push/uv_push_run.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/cargo/reference.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct push_options {
	struct transfer_options transfer;
	const char *to, *engine;
	bool json, quiet, verbose, dry_run, help;
};

static const char push_text[] =
	"Sends images from the engine beside this command to the one beside each TARGET, as far as "
	"it\n"
	"lacks them, and gives them the same names there. Each image is read once, however many\n"
	"targets there are. A push that was cut off goes on when it is run again.\n";

static int parse(int argc, char **argv, struct push_options *o, struct push_run_options *run,
	struct err *err)
{
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &o->to, "TARGET[,TARGET...]",
			"the targets, names given to dray pair" },
		ENGINE_OPTION_ROW(&o->engine),
		{ "dry-run", 0, OPTION_FLAG, &o->dry_run, NULL, "only say what would be sent" },
		TRANSFER_ROWS(&o->transfer),
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
	run->retry_for_ms = transfer_retry_ms(&o->transfer);
	run->style = o->json ? REPORT_JSON : o->quiet ? REPORT_QUIET : REPORT_TEXT;
	return transfer_take(&o->transfer, &run->lanes, &run->read, &run->level, err);
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
	struct push_options o = { .transfer = TRANSFER_DEFAULTS };
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
