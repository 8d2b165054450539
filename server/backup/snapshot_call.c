/*
 * Owns one question about snapshots while it is with the store's thread, which it may outlive. A
 * list goes in pages that fit into a message; whoever wants more asks for what comes after the last
 * one.
 */
#include "server/backup/snapshot_call.h"

#include "common/store/snapshot.h"
#include "protocol/grant.h"
#include "protocol/limits.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A page is full at this many bytes: the next row always still fits. */
#define PAGE_BYTES (CONTROL_MESSAGE_MAX / 2)
_Static_assert(
	PAGE_BYTES >= 6 * (SNAPSHOT_NAME_MAX + 2 * SNAPSHOT_HOST_MAX + SNAPSHOT_KIND_MAX) + 1024,
	"a row fits behind a page");

struct snapshot_call {
	struct depot_call call; /* first */
	struct snapshot_call_config c;
	uint32_t number;
	char *key;
	bool gone; /* nobody waits for it */
	/* SNAPSHOTS */
	char *host, *name, *kind; /* "": any */
	uint64_t after_ms;
	struct digest after;
	struct buf rows; /* JSON */
	bool more;
	/* FORGET */
	struct digest *ids;
	size_t n;
};

static void call_free(struct snapshot_call *c)
{
	free(c->key);
	free(c->host);
	free(c->name);
	free(c->kind);
	free(c->ids);
	buf_done(&c->rows);
	free(c);
}

/* --- the store's thread --- */

static int add_row(struct snapshot_call *c, const struct snapshot_info *i, struct err *err)
{
	char id[DIGEST_HEX_LEN + 1];
	CLEANUP(cleanup_free) char *text = NULL;
	json_t *row;

	digest_hex(&i->id, id);
	row = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I}", "id", id, "time_ms",
		(json_int_t)i->time_ms, "host", i->host, "key", i->key, "name", i->name, "kind",
		i->kind, "bytes_total", (json_int_t)i->bytes_total, "bytes_new",
		(json_int_t)i->bytes_new);
	text = row ? json_dumps(row, JSON_COMPACT) : NULL;
	json_decref(row);
	if (!text)
		return err_nomem(err);
	if (buf_len(&c->rows) > 1)
		buf_append(&c->rows, ",", 1);
	buf_append(&c->rows, text, strlen(text));
	return buf_ok(&c->rows) ? 0 : err_nomem(err);
}

static bool is_before(const struct snapshot_call *c, const struct snapshot_info *i)
{
	return i->time_ms < c->after_ms ||
	       (i->time_ms == c->after_ms && memcmp(i->id.bytes, c->after.bytes, DIGEST_LEN) <= 0);
}

static int add_rows(struct snapshot_call *c, const struct snapshot_list *all, struct err *err)
{
	buf_append(&c->rows, "[", 1);
	for (size_t i = 0; i < all->n && !c->more; i++) {
		if (is_before(c, &all->items[i]))
			continue;
		if (buf_len(&c->rows) >= PAGE_BYTES)
			c->more = true;
		else if (add_row(c, &all->items[i], err) != 0)
			return -1;
	}
	buf_append(&c->rows, "]", 1);
	return buf_ok(&c->rows) ? 0 : err_nomem(err);
}

static const char *any(const char *text)
{
	return text[0] ? text : NULL;
}

static int run_list(struct depot_call *d, struct store *store, struct err *err)
{
	struct snapshot_call *c = (struct snapshot_call *)d;
	const struct snapshot_filter filter = { .host = any(c->host),
		.name = any(c->name),
		.kind = any(c->kind),
		.from_ms = c->after_ms };
	struct snapshot_list all CLEANUP(snapshot_list_done) = { 0 };

	if (store_snapshots(store, &filter, &all, err) != 0)
		return -1;
	return add_rows(c, &all, err);
}

/* Only what this key has brought. Those that are not there are passed over. */
static int check_own(const struct snapshot_call *c, const struct snapshot_info *i, struct err *err)
{
	char id[DIGEST_HEX_LEN + 1];

	for (size_t k = 0; k < c->n; k++) {
		if (!digest_equal(&c->ids[k], &i->id) || strcmp(i->key, c->key) == 0)
			continue;
		digest_hex(&i->id, id);
		return err_set(err, ERR_REFUSED,
			"snapshot %.12s is another key's: this one may not forget it", id);
	}
	return 0;
}

static int run_forget(struct depot_call *d, struct store *store, struct err *err)
{
	struct snapshot_call *c = (struct snapshot_call *)d;
	struct snapshot_list all CLEANUP(snapshot_list_done) = { 0 };

	if (store_snapshots(store, NULL, &all, err) != 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		if (check_own(c, &all.items[i], err) != 0)
			return -1;
	}
	return store_snapshot_forget(store, c->ids, c->n, err);
}

/* --- the loop's --- */

static void tell(struct snapshot_call *c)
{
	struct message m = { .type = MSG_FORGOTTEN, .forgotten = { .job = c->number } };

	if (!c->ids) {
		m.type = MSG_SNAPSHOT_ROWS;
		m.snapshot_rows.job = c->number;
		m.snapshot_rows.more = c->more;
		m.snapshot_rows.rows = (wire_bytes){ .p = buf_bytes(&c->rows),
			.n = (uint32_t)buf_len(&c->rows) };
	}
	c->c.ops->send(c->c.ctx, &m);
}

static void done(struct depot_call *d)
{
	struct snapshot_call *c = (struct snapshot_call *)d;
	struct message m;

	if (!c->gone && d->result == 0) {
		tell(c);
		c->c.ops->over(c->c.ctx, c, NULL);
	} else if (!c->gone) {
		m = message_fail(c->number, &d->err);
		c->c.ops->send(c->c.ctx, &m);
		c->c.ops->over(c->c.ctx, c, &d->err);
	}
	call_free(c);
}

static int take_list(struct snapshot_call *c, const struct msg_snapshots *m, struct err *err)
{
	c->number = m->job;
	c->host = wire_text_dup(&m->host);
	c->name = wire_text_dup(&m->name);
	c->kind = wire_text_dup(&m->kind);
	c->after_ms = m->after_ms;
	c->after = m->after;
	c->call.run = run_list;
	return c->host && c->name && c->kind ? 0 : err_nomem(err);
}

static int take_forget(struct snapshot_call *c, const struct msg_forget *m, struct err *err)
{
	c->number = m->job;
	c->ids = calloc(m->snapshots.n, sizeof(*c->ids));
	if (!c->ids)
		return err_nomem(err);
	c->n = m->snapshots.n;
	memcpy(c->ids, m->snapshots.at, c->n * sizeof(*c->ids));
	c->call.run = run_forget;
	return 0;
}

int snapshot_call_start(const struct snapshot_call_config *config, const struct message *m,
	struct snapshot_call **ret, struct err *err)
{
	bool forget = m->type == MSG_FORGET;
	struct snapshot_call *c;

	if (forget && !(config->grants & GRANT_FORGET))
		return err_set(err, ERR_REFUSED, "this key may not forget backups");
	if (!forget && !(config->grants & (GRANT_RESTORE | GRANT_FORGET)))
		return err_set(err, ERR_REFUSED, "this key may not read backups");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err);
	buf_init(&c->rows, CONTROL_MESSAGE_MAX - 64);
	c->c = *config;
	c->key = strdup(config->key);
	c->call.done = done;
	if (!c->key || (forget ? take_forget(c, &m->forget, err)
			       : take_list(c, &m->snapshots, err)) != 0) {
		call_free(c);
		return err_nomem(err);
	}
	depot_post(config->domain, &c->call);
	*ret = c;
	return 0;
}

void snapshot_call_abort(struct snapshot_call *c)
{
	c->gone = true;
}

uint32_t snapshot_call_number(const struct snapshot_call *c)
{
	return c->number;
}
