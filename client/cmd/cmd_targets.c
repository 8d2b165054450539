/* `dray targets`: lists the receivers that this host is paired with, or removes one. */
#include "client/cmd/cmd.h"

#include "common/base/log.h"
#include "common/base/program.h"
#include "protocol/key_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIME_MAX 32

struct show {
	bool json, failed;
	size_t n, bad;
};

static const char targets_text[] =
	"Lists the receivers that this host is paired with, or forgets one. A receiver knows this\n"
	"host until `drayd revoke` there.\n";

/* Prints and frees the object. */
static void print_json(struct show *s, json_t *object)
{
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (line)
		puts(line);
	else
		s->failed = true;
	free(line);
	json_decref(object);
}

static void show_target(void *ctx, const char *name, const struct target *t, const struct err *why)
{
	char address[ADDRESS_TEXT_MAX + 1], key[KEY_TEXT_LEN + 1], seen[TIME_MAX] = "";
	struct show *s = ctx;
	time_t first_seen;
	struct tm utc;

	if (!t) {
		s->bad++;
		log_warn("target %s cannot be used: %s", name, why->text);
		return;
	}
	s->n++;
	first_seen = (time_t)t->first_seen;
	if (gmtime_r(&first_seen, &utc))
		strftime(seen, sizeof(seen), "%Y-%m-%dT%H:%M:%SZ", &utc);
	address_print(&t->address, address);
	key_text_public(t->server_key, key);
	if (s->json)
		print_json(s, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event", "target", "name",
				      name, "address", address, "key_name", t->key_name,
				      "first_seen", seen, "server_key", key));
	else
		printf("%s\n  at %s%s%s, since %s\n  %s\n", name, address,
			t->key_name[0] ? ", known there as " : "", t->key_name, seen, key);
}

static int list(bool json, struct err *err)
{
	struct show s = { .json = json };

	if (targets_each(show_target, &s, err) != 0)
		return -1;
	if (json)
		print_json(&s,
			json_pack("{s:s, s:b, s:s, s:i, s:i}", "event", "result", "ok", s.bad == 0,
				"kind", "targets", "targets", (int)s.n, "unusable", (int)s.bad));
	else if (s.n + s.bad == 0)
		fputs("no targets; dray pair makes one\n", stderr);
	if (s.failed)
		return err_nomem(err);
	if (s.bad > 0)
		return err_set(err, ERR_FAILED,
			"%zu of the targets cannot be used; see above, or pair again", s.bad);
	return 0;
}

static int run(bool json, int n, char **args, struct err *err)
{
	if (n == 0)
		return list(json, err);
	if (strcmp(args[0], "remove") != 0 || n != 2)
		return err_set(err, ERR_USAGE, "write dray targets, or dray targets remove NAME");
	if (targets_remove(args[1], err) != 0)
		return -1;
	log_info("%s is forgotten; `drayd revoke` on the receiver takes its key back", args[1]);
	return 0;
}

int cmd_targets(int argc, char **argv)
{
	bool json = false, help = false;
	const struct option_row rows[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ 0 },
	};
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		return program_fail(&err);
	if (help) {
		program_help("targets [remove NAME] [OPTION]...", targets_text, rows);
		return 0;
	}
	return run(json, n, argv + 1, &err) == 0 ? 0 : program_fail(&err);
}
