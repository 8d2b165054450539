/* `dray snapshots`: what does a target keep? */
#include "client/cmd/cmd.h"

#include "client/backup/uv_snapshots.h"
#include "client/push/retry.h"
#include "client/view/json_line.h"
#include "client/view/table.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "common/cargo/snapshot_name.h"
#include "protocol/grant.h"

#include <string.h>
#include <unistd.h>

static const char snapshots_text[] =
	"Lists what this key's domain has at TARGET, the oldest first. Times are the target's, in\n"
	"UTC.\n";

#define SHOWN_MAX 300

struct listing {
	struct vault vault;
	struct snapshots_ask ask;
	bool json, quiet;
	struct err err;
};

static char *shown(char ret[SHOWN_MAX], const char *text)
{
	return text_escape(ret, SHOWN_MAX, text, strlen(text));
}

static void print_json(const struct snapshot_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct snapshot_info *s = &list->items[i];
		char id[DIGEST_HEX_LEN + 1], when[SNAPSHOT_TIME_MAX];

		digest_hex(&s->id, id);
		json_line(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "event",
			"snapshot", "id", id, "time", snapshot_time_text(when, s->time_ms), "host",
			s->host, "key", s->key, "name", s->name, "kind", s->kind, "bytes_total",
			(json_int_t)s->bytes_total, "bytes_new", (json_int_t)s->bytes_new));
	}
	json_line(json_pack("{s:s, s:b, s:s, s:I}", "event", "result", "ok", 1, "kind", "snapshots",
		"snapshots", (json_int_t)list->n));
}

static int print_text(const struct snapshot_list *list, struct err *err)
{
	static const struct table_column columns[] = { { .head = "ID" }, { .head = "TIME" },
		{ .head = "HOST", .least = 8 }, { .head = "KIND" }, { .head = "NAME", .least = 12 },
		{ .head = "SIZE", .right = true }, { .head = "NEW", .right = true } };
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	struct table t;

	table_start(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < list->n; i++) {
		const struct snapshot_info *s = &list->items[i];
		char id[DIGEST_HEX_LEN + 1], when[SNAPSHOT_TIME_MAX], text[SHOWN_MAX];
		char size[TEXT_SIZE_MAX];

		digest_hex(&s->id, id);
		table_cell(&t, TONE_STRONG, "%.*s", (int)SNAPSHOT_SHORT_LEN, id);
		table_cell(&t, TONE_PLAIN, "%s", snapshot_time_text(when, s->time_ms));
		table_cell(&t, TONE_PLAIN, "%s", shown(text, s->host));
		table_cell(&t, TONE_PLAIN, "%s", shown(text, s->kind));
		table_cell(&t, TONE_PLAIN, "%s", shown(text, s->name));
		table_cell(&t, TONE_PLAIN, "%s", text_size(size, s->bytes_total));
		table_cell(&t, TONE_PLAIN, "%s", text_size(size, s->bytes_new));
	}
	return table_print(&t, &terminal, stdout) ? 0 : err_nomem(err);
}

static void on_list(void *ctx, const struct snapshot_list *list, const struct err *err)
{
	struct listing *l = ctx;
	char id[DIGEST_HEX_LEN + 1];

	if (err)
		l->err = *err;
	else if (l->json)
		print_json(list);
	else if (!l->quiet)
		(void)!print_text(list, &l->err);
	for (size_t i = 0; !err && l->quiet && i < list->n; i++) {
		digest_hex(&list->items[i].id, id);
		puts(id);
	}
	vault_leave(&l->vault);
}

static int run(struct listing *l, const struct vault_options *o)
{
	if (vault_open(&l->vault, o, &l->err) != 0)
		vault_leave(&l->vault);
	else
		snapshots_list(&l->ask, &l->vault, on_list, l);
	vault_run(&l->vault);
	snapshots_done(&l->ask);
	if (l->err.code == ERR_NONE)
		return 0;
	if (l->json)
		json_line(json_pack("{s:s, s:b, s:s, s:s, s:s}", "event", "result", "ok", 0, "kind",
			"snapshots", "code", err_code_name(l->err.code), "error", l->err.text));
	return program_fail(&l->err);
}

int cmd_snapshots(int argc, char **argv)
{
	struct listing l = { 0 };
	struct vault_options o = {
		.lanes = { .lanes = 1 },
		.retry_for_ms = RETRY_FOR_SECONDS * 1000,
		.grants = GRANT_RESTORE,
		.needs = "does not let this key read backups (drayd invite --allow restore there)"
	};
	const char *from = NULL;
	bool verbose = false;
	const struct option_row rows[] = {
		{ "from", 0, OPTION_TEXT, &from, "TARGET",
			"the target, a name given to dray pair" },
		{ "host", 0, OPTION_TEXT, &l.ask.host, "HOST", "only of this host" },
		{ "name", 0, OPTION_TEXT, &l.ask.name, "NAME", "only of this name" },
		{ "kind", 0, OPTION_TEXT, &l.ask.kind, "KIND", "only of this kind, as volume" },
		{ "json", 0, OPTION_FLAG, &l.json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &l.quiet, NULL, "print only the IDs" },
		{ "verbose", 'v', OPTION_FLAG, &verbose, NULL, "say more" },
		{ 0 },
	};
	struct key_pair *key = NULL;
	struct err err;
	int code;

	if (!program_options(argc, argv, snapshots_text, rows, &code))
		return code;
	if (!from)
		err_set(&err, ERR_USAGE,
			"snapshots: where from? (--from TARGET; dray targets lists them)");
	else if (l.json && l.quiet)
		err_set(&err, ERR_USAGE, "--json and -q exclude each other");
	else
		err.code = ERR_NONE;
	if (err.code != ERR_NONE)
		return program_fail(&err);
	log_start("dray", verbose ? LOG_DEBUG : LOG_INFO, false);
	o.quiet = l.quiet;
	if (vault_target(from, &key, &o, &err) != 0)
		return program_fail(&err);
	code = run(&l, &o);
	client_close(key, o.target);
	return code;
}
