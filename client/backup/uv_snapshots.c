/*
 * Owns the list while it comes. Happy path: SNAPSHOTS -> a page of rows -> SNAPSHOTS for what comes
 * after the last one -> …, each a job of its own. Failure mode: a target that says something else;
 * a connection that is lost asks for the same page again.
 */
#include "client/backup/uv_snapshots.h"

#include "protocol/limits.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 1000000u /* snapshots */

void snapshots_done(struct snapshots_ask *a)
{
	snapshot_list_done(&a->list);
}

/* --- rows --- */

static int grow(struct snapshot_list *l, struct err *err)
{
	size_t cap = l->cap ? 2 * l->cap : 64;
	struct snapshot_info *bigger;

	if (l->n < l->cap)
		return 0;
	if (l->n >= LIST_MAX)
		return err_set(err, ERR_LIMIT, "the target has too many snapshots to list");
	bigger = reallocarray(l->items, cap, sizeof(*bigger));
	if (!bigger)
		return err_nomem(err);
	l->items = bigger;
	l->cap = cap;
	return 0;
}

static int take_row(struct snapshot_list *l, json_t *row, struct err *err)
{
	const char *id, *host, *key, *name, *kind;
	json_int_t time_ms, total, fresh;
	struct snapshot_info i = { 0 };
	char text[DIGEST_TEXT_LEN + 1];

	if (json_unpack(row, "{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I}", "id", &id, "time_ms",
		    &time_ms, "host", &host, "key", &key, "name", &name, "kind", &kind,
		    "bytes_total", &total, "bytes_new", &fresh) != 0 ||
		time_ms < 0 || total < 0 || fresh < 0)
		return err_set(err, ERR_PROTOCOL, "a row of snapshots that is none");
	snprintf(text, sizeof(text), "sha256:%s", id);
	if (digest_parse(text, &i.id, err) != 0 || grow(l, err) != 0)
		return -1;
	i.time_ms = (uint64_t)time_ms;
	i.bytes_total = (uint64_t)total;
	i.bytes_new = (uint64_t)fresh;
	i.host = strdup(host);
	i.key = strdup(key);
	i.name = strdup(name);
	i.kind = strdup(kind);
	l->items[l->n++] = i;
	return i.host && i.key && i.name && i.kind ? 0 : err_nomem(err);
}

static int take_rows(struct snapshots_ask *a, const struct msg_snapshot_rows *m, struct err *err)
{
	json_t *rows = json_loadb((const char *)m->rows.p, m->rows.n, JSON_REJECT_DUPLICATES, NULL);
	int r = json_is_array(rows)
			? 0
			: err_set(err, ERR_PROTOCOL, "a page of snapshots that is none");

	for (size_t i = 0; r == 0 && i < json_array_size(rows); i++)
		r = take_row(&a->list, json_array_get(rows, i), err);
	if (r == 0 && m->more && json_array_size(rows) == 0)
		r = err_set(err, ERR_PROTOCOL, "a page of snapshots that is empty");
	a->more = m->more;
	json_decref(rows);
	return r;
}

/* --- the talk --- */

static wire_text text_of(const char *s)
{
	return s ? wire_text_of(s, strlen(s)) : wire_text_of("", 0);
}

static int begin(void *ctx, struct uv_conn *conn, uint32_t job, struct err *err)
{
	struct snapshots_ask *a = ctx;
	struct message m = { .type = MSG_SNAPSHOTS };

	a->job = job;
	m.snapshots.job = job;
	m.snapshots.host = text_of(a->host);
	m.snapshots.name = text_of(a->name);
	m.snapshots.kind = text_of(a->kind);
	if (a->list.n > 0) {
		m.snapshots.after_ms = a->list.items[a->list.n - 1].time_ms;
		m.snapshots.after = a->list.items[a->list.n - 1].id;
	}
	return uv_conn_send(conn, &m, err);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct snapshots_ask *a = ctx;

	if (m->type != MSG_SNAPSHOT_ROWS || m->snapshot_rows.job != a->job)
		return 0; /* of a job that is over */
	if (take_rows(a, &m->snapshot_rows, err) != 0)
		return -1;
	line_talk_end(a->vault->line, NULL);
	return 0;
}

static bool may_retry(void *ctx)
{
	(void)ctx;
	return true;
}

static void on_over(void *ctx, const struct err *err)
{
	struct snapshots_ask *a = ctx;

	if (!err && a->more)
		line_start_talk(a->vault->line, &a->talk, on_over, a);
	else
		a->fn(a->ctx, &a->list, err);
}

void snapshots_list(struct snapshots_ask *a, struct vault *v,
	void (*fn)(void *ctx, const struct snapshot_list *list, const struct err *err), void *ctx)
{
	a->vault = v;
	a->fn = fn;
	a->ctx = ctx;
	a->talk = (struct line_talk){
		.begin = begin, .message = on_message, .may_retry = may_retry
	};
	line_start_talk(v->line, &a->talk, on_over, a);
}
