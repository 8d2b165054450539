/*
 * Owns the vault and the list. Happy path: the list -> what no rule keeps, of this key's alone ->
 * FORGET, some at a time -> said when it is so. Failure mode: the link; the same again is passed
 * over there for what was forgotten already.
 */
#include "client/backup/uv_forget.h"

#include "client/backup/uv_snapshots.h"
#include "client/view/json_line.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "common/cargo/snapshot_name.h"
#include "protocol/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 300

struct forget_run {
	const struct forget_options *o;
	struct vault vault;
	struct snapshots_ask ask;
	const struct snapshot_info **drop; /* points into the list */
	size_t n, told, kept;
	struct line_talk talk;
	uint32_t job;
	struct err err;
};

static size_t batch_of(const struct forget_run *r)
{
	return min_size(r->n - r->told, FORGET_MAX);
}

static void say_one(const struct forget_run *r, const struct snapshot_info *s)
{
	char id[DIGEST_HEX_LEN + 1], when[SNAPSHOT_TIME_MAX], host[SHOWN_MAX], name[SHOWN_MAX];

	digest_hex(&s->id, id);
	snapshot_time_text(when, s->time_ms);
	if (r->o->style == REPORT_JSON)
		json_line(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event",
			r->o->dry_run ? "would_forget" : "forget", "id", id, "time", when, "host",
			s->host, "name", s->name, "kind", s->kind));
	else if (r->o->style == REPORT_QUIET)
		printf("%s\n", id);
	else
		printf("%s %.*s  %s  %s/%s\n", r->o->dry_run ? "would forget" : "forgot",
			(int)SNAPSHOT_SHORT_LEN, id, when,
			text_escape(host, sizeof(host), s->host, strlen(s->host)),
			text_escape(name, sizeof(name), s->name, strlen(s->name)));
}

static void say_batch(struct forget_run *r)
{
	for (size_t end = r->told + batch_of(r); r->told < end; r->told++)
		say_one(r, r->drop[r->told]);
}

static int begin(void *ctx, struct uv_conn *conn, uint32_t job, struct err *err)
{
	struct forget_run *r = ctx;
	struct message m = { .type = MSG_FORGET };
	static struct digest ids[FORGET_MAX];

	r->job = job;
	for (size_t i = 0; i < batch_of(r); i++)
		ids[i] = r->drop[r->told + i]->id;
	m.forget.job = job;
	m.forget.snapshots = (wire_digests){ .at = ids, .n = (uint32_t)batch_of(r) };
	return uv_conn_send(conn, &m, err);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct forget_run *r = ctx;

	(void)err;
	if (m->type == MSG_FORGOTTEN && m->forgotten.job == r->job) {
		say_batch(r);
		line_talk_end(r->vault.line, NULL);
	}
	return 0;
}

static bool may_retry(void *ctx)
{
	(void)ctx;
	return true;
}

static void go_on(void *ctx, const struct err *err)
{
	struct forget_run *r = ctx;

	if (err)
		r->err = *err;
	while (!err && r->o->dry_run && r->told < r->n)
		say_batch(r);
	if (err || r->told == r->n)
		vault_leave(&r->vault);
	else
		line_start_talk(r->vault.line, &r->talk, go_on, r);
}

static int choose(struct forget_run *r, const struct snapshot_list *list, struct err *err)
{
	const char *key = r->o->vault.target->key_name;
	CLEANUP(cleanup_free) bool *keep = calloc(list->n + 1, sizeof(*keep));

	r->drop = calloc(list->n + 1, sizeof(*r->drop));
	if (!r->drop || !keep)
		return err_nomem(err);
	if (retention_apply(&r->o->keep, list, keep, err) != 0)
		return -1;
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i].key, key) != 0)
			continue;
		if (keep[i])
			r->kept++;
		else
			r->drop[r->n++] = &list->items[i];
	}
	return 0;
}

static void on_list(void *ctx, const struct snapshot_list *list, const struct err *failed)
{
	struct forget_run *r = ctx;
	struct err err;

	if (failed || choose(r, list, &err) == 0)
		go_on(r, failed);
	else
		go_on(r, &err);
}

static int say_result(const struct forget_run *r)
{
	bool json = r->o->style == REPORT_JSON;

	if (r->err.code != ERR_NONE) {
		if (json)
			json_line(json_pack("{s:s, s:b, s:s, s:I, s:s, s:s}", "event", "result",
				"ok", 0, "kind", "forget", "forgotten",
				(json_int_t)(r->o->dry_run ? 0 : r->told), "code",
				err_code_name(r->err.code), "error", r->err.text));
		return program_fail(&r->err);
	}
	if (json)
		json_line(json_pack("{s:s, s:b, s:s, s:b, s:I, s:I}", "event", "result", "ok", 1,
			"kind", "forget", "dry_run", r->o->dry_run, "forgotten", (json_int_t)r->n,
			"kept", (json_int_t)r->kept));
	else if (r->o->style == REPORT_TEXT)
		printf("%zu %s, %zu kept\n", r->n,
			r->o->dry_run ? "would be forgotten" : "forgotten", r->kept);
	return 0;
}

int forget_run(const struct forget_options *options)
{
	struct forget_run r = { .o = options,
		.ask = { .host = options->host, .name = options->name },
		.talk = { .begin = begin, .message = on_message, .may_retry = may_retry } };
	int code;

	if (vault_open(&r.vault, &options->vault, &r.err) != 0)
		vault_leave(&r.vault);
	else
		snapshots_list(&r.ask, &r.vault, on_list, &r);
	vault_run(&r.vault);
	code = say_result(&r);
	free(r.drop);
	snapshots_done(&r.ask);
	return code;
}
