/* `dray layers`: its options, the asking, and in which form it is printed. */
#include "client/cmd/cmd.h"

#include "client/clock.h"
#include "client/plan/layers.h"
#include "client/view/json_line.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "common/cargo/reference.h"

#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN_MAX 800

struct layers_options {
	const char *to, *engine;
	bool json, quiet, verbose, help;
};

static const char layers_text[] =
	"Shows an image's layers as docker history does: what made each, how large it is and how\n"
	"old. With --to also what TARGET has of them.\n";

static int parse(
	int argc, char **argv, struct layers_options *o, const char **ret_image, struct err *err)
{
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &o->to, "TARGET", "ask this target what it has" },
		ENGINE_OPTION_ROW(&o->engine),
		{ "json", 0, OPTION_FLAG, &o->json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &o->quiet, NULL,
			"print only the layers' names, with --to of those that TARGET lacks" },
		{ "verbose", 'v', OPTION_FLAG, &o->verbose, NULL, "say more" },
		{ 0 },
	};
	int n;

	if (options_parse(rows, argc, argv, &n, &o->help, err) != 0)
		return -1;
	if (o->help) {
		program_help("layers IMAGE [--to TARGET]", layers_text, rows);
		return 0;
	}
	if (n != 1)
		return err_set(err, ERR_USAGE,
			n == 0 ? "layers: of which image? (dray layers IMAGE)"
			       : "layers takes one image");
	if (o->json && o->quiet)
		return err_set(err, ERR_USAGE, "--json and -q exclude each other");
	*ret_image = argv[1];
	return reference_check_typed(argv[1], err);
}

/* A target that does not answer is no reason not to show the layers. */
static int ask_target(struct layers *l, const struct key_pair *key, const struct target *target)
{
	l->target = target->name;
	survey_target(key, target, &l->image, 1, l->answer, &l->bytes);
	return l->answer->err.code == ERR_NONE ? 0 : program_fail(&l->answer->err);
}

static int print(const struct layers *l, const struct layers_options *o, int code)
{
	struct err err;

	if (o->json)
		layers_print_json(l);
	else if (o->quiet && code == 0)
		layers_print_names(l);
	else if (!o->quiet && !layers_print_text(l)) {
		err_nomem(&err);
		return program_fail(&err);
	}
	return code;
}

/* The last line of --json tells why there is nothing else. */
static int nothing(const struct layers *l, const struct layers_options *o, const struct err *err)
{
	char name[NAME_SHOWN_MAX];

	if (o->json)
		json_line(json_pack("{s:s, s:b, s:s, s:s, s:s, s:s}", "event", "result", "ok", 0,
			"kind", "layers", "name",
			text_escape(name, sizeof(name), l->image.typed, strlen(l->image.typed)),
			"code", err_code_name(err->code), "error", err->text));
	return program_fail(err);
}

static int run(struct layers *l, const struct layers_options *o, const struct key_pair *key,
	const struct target *target)
{
	double since = clock_seconds();
	int code = 0;

	survey_engine(o->engine, &l->image, 1);
	if (l->image.err.code != ERR_NONE)
		return nothing(l, o, &l->image.err);
	if (target)
		code = ask_target(l, key, target);
	l->seconds = clock_seconds() - since;
	return print(l, o, code);
}

int cmd_layers(int argc, char **argv)
{
	struct layers_options o = { 0 };
	struct survey_answer answer = { 0 };
	struct layers l = { .answer = &answer };
	struct key_pair *key = NULL;
	struct target *target = NULL;
	struct err err;
	int code;

	if (parse(argc, argv, &o, &l.image.typed, &err) != 0)
		return program_fail(&err);
	if (o.help)
		return 0;
	log_start("dray", o.verbose ? LOG_DEBUG : LOG_INFO, false);
	if (o.to && client_open(o.to, &key, &target, &err) != 0)
		return program_fail(&err);
	code = run(&l, &o, key, target);
	survey_done(&l.image, 1);
	answers_done(&answer, 1);
	client_close(key, target);
	return code;
}
