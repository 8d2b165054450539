/* `dray plan push`: its options, the asking, and what is printed of it. `dray plan migrate` is
 * cmd_migrate.c's. */
#include "client/cmd/cmd.h"

#include "client/clock.h"
#include "client/plan/plan.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/cargo/reference.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_IMAGES_MAX 64

struct plan_options {
	const char *to, *engine;
	bool json, verbose, help;
};

static const char plan_text[] =
	"Asks what a push would come to: which layers TARGET has, and how much would be read and\n"
	"sent at most. Nothing is read or sent.\n";

static int parse_what(int n, char **argv, struct err *err)
{
	if (n > 0 && strcmp(argv[1], "backup") == 0)
		return err_set(err, ERR_USAGE,
			"plan backup: this version of dray cannot plan backups; there are plan "
			"push "
			"and plan migrate");
	if (n == 0 || strcmp(argv[1], "push") != 0)
		return err_set(err, ERR_USAGE,
			"plan: of what? (dray plan push IMAGE..., or migrate CONTAINER..., --to "
			"TARGET)");
	if (n < 2)
		return err_set(err, ERR_USAGE,
			"plan push: which image? (dray plan push IMAGE... --to TARGET)");
	if (n - 1 > PLAN_IMAGES_MAX)
		return err_set(
			err, ERR_USAGE, "plan push takes at most %d images", PLAN_IMAGES_MAX);
	for (int i = 2; i <= n; i++) {
		if (reference_check_typed(argv[i], err) != 0)
			return -1;
	}
	return 0;
}

static int parse(int argc, char **argv, struct plan_options *o, int *ret_args, struct err *err)
{
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &o->to, "TARGET", "the targets, with commas between them" },
		ENGINE_OPTION_ROW(&o->engine),
		{ "json", 0, OPTION_FLAG, &o->json, NULL, "one JSON object a line on stdout" },
		{ "verbose", 'v', OPTION_FLAG, &o->verbose, NULL, "say more" },
		{ 0 },
	};

	if (options_parse(rows, argc, argv, ret_args, &o->help, err) != 0)
		return -1;
	if (o->help) {
		program_help("plan push IMAGE... --to TARGET[,TARGET...]", plan_text, rows);
		puts("For containers: dray plan migrate --help");
		return 0;
	}
	if (parse_what(*ret_args, argv, err) != 0)
		return -1;
	if (!o->to)
		return err_set(err, ERR_USAGE,
			"plan push: where to? (--to TARGET; dray targets lists them)");
	return 0;
}

/* --- the plan --- */

/* One name of the list, which ends at a comma or at the end. */
static int add_target(struct plan *p, const char *name, size_t n, struct err *err)
{
	struct plan_target *t = &p->targets[p->n_targets];
	CLEANUP(cleanup_free) char *copy = strndup(name, n);

	if (!copy)
		return err_nomem(err);
	if (p->n_targets == PLAN_TARGETS_MAX)
		return err_set(err, ERR_USAGE, "--to takes at most %u targets", PLAN_TARGETS_MAX);
	if (targets_load(copy, &t->target, err) != 0)
		return -1;
	p->n_targets++;
	t->answers = calloc(p->n_images, sizeof(*t->answers));
	return t->answers ? 0 : err_nomem(err);
}

static int add_targets(struct plan *p, const char *list, struct err *err)
{
	for (;;) {
		size_t n = strcspn(list, ",");

		if (n == 0)
			return err_set(err, ERR_USAGE, "--to has a target without a name");
		if (add_target(p, list, n, err) != 0)
			return -1;
		if (list[n] == '\0')
			return 0;
		list += n + 1;
	}
}

static void ask_targets(struct plan *p, const struct key_pair *key)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		struct plan_target *t = &p->targets[i];
		double since = clock_seconds();

		survey_target(key, t->target, p->images, p->n_images, t->answers, &t->bytes);
		t->seconds = clock_seconds() - since;
	}
}

static void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		if (p->targets[i].answers)
			answers_done(p->targets[i].answers, p->n_images);
		free(p->targets[i].answers);
		target_free(p->targets[i].target);
	}
	if (p->images)
		survey_done(p->images, p->n_images);
	free(p->images);
}

static int run(struct plan *p, const struct plan_options *o, char **names, struct err *err)
{
	struct key_pair *key;

	p->images = calloc(p->n_images, sizeof(*p->images));
	if (!p->images)
		return err_nomem(err);
	for (size_t i = 0; i < p->n_images; i++)
		p->images[i].typed = names[i];
	if (add_targets(p, o->to, err) != 0 || client_key(&key, err) != 0)
		return -1;
	survey_engine(o->engine, p->images, p->n_images);
	ask_targets(p, key);
	client_close(key, NULL);
	if (o->json)
		plan_print_json(p);
	else
		plan_print_text(p);
	return 0;
}

int cmd_plan(int argc, char **argv)
{
	struct plan_options o = { 0 };
	struct plan *p;
	struct err err;
	int n, code;

	if (argc > 1 && strcmp(argv[1], "migrate") == 0)
		return cmd_plan_migrate(argc - 1, argv + 1);
	if (parse(argc, argv, &o, &n, &err) != 0)
		return program_fail(&err);
	if (o.help)
		return 0;
	log_start("dray", o.verbose ? LOG_DEBUG : LOG_INFO, false);
	p = calloc(1, sizeof(*p));
	if (!p) {
		err_nomem(&err);
		return program_fail(&err);
	}
	p->n_images = (size_t)n - 1;
	code = run(p, &o, argv + 2, &err) == 0 ? plan_exit_code(p) : program_fail(&err);
	plan_free(p);
	free(p);
	return code;
}
