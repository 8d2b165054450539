/*
 * Owns a snapshot that is read and the rebuild of its blobs, whose chunks go out instead of its
 * bytes. Happy path: the manifest is read -> RESTORE_STATE -> RESTORE_PART -> BLOB_BEGIN, segments
 * as the connection takes them, BLOB_END -> … -> RESTORE_DONE. Failure modes: a snapshot that is
 * not there, damage in the store. At its end the job stays until the rebuild's thread is back from
 * the store.
 */
#include "server/backup/uv_restore_job.h"

#include "common/store/snapshot.h"
#include "link/uv_wake.h"
#include "protocol/grant.h"
#include "protocol/limits.h"
#include "server/image/rebuild.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Room that a session's output must have before a segment: itself, and messages of other jobs. */
#define ROOM_MIN (SEGMENT_MESSAGE_MAX + (512u << 10))

struct read_call;

struct restore_job {
	struct restore_job_config c;
	uint32_t number;
	struct uv_pin *pin;
	struct rebuild *rebuild;
	struct uv_wake *wake;
	struct read_call *reading; /* NULL when it has come back */
	struct snapshot snapshot;
	bool sending; /* a part is under way */
	uint32_t next_blob;
	bool over;
};

/* The manifest, on the store's thread; may outlive the job. */
struct read_call {
	struct depot_call call;	 /* first */
	struct restore_job *job; /* NULL when nobody waits for it */
	const struct uv_pin *pin;
	struct digest id;
	struct snapshot snapshot;
	bool found;
};

/* --- the end --- */

static void job_free(struct restore_job *j)
{
	struct depot_domain *domain = j->c.domain;

	rebuild_free(j->rebuild);
	uv_wake_close(j->wake);
	snapshot_done(&j->snapshot);
	uv_pin_end(j->pin, true);
	free(j);
	depot_let_go(domain);
}

static void leave(struct restore_job *j)
{
	j->over = true;
	if (j->reading)
		j->reading->job = NULL;
	rebuild_stop(j->rebuild);
	if (rebuild_stopped(j->rebuild))
		job_free(j);
}

static void give_up(struct restore_job *j, const struct err *err)
{
	struct message m = message_fail(j->number, err);

	j->c.ops->send(j->c.ctx, &m);
	j->c.ops->over(j->c.ctx, j, err);
	leave(j);
}

void restore_job_abort(struct restore_job *j)
{
	leave(j);
}

void restore_job_done(struct restore_job *j)
{
	j->c.ops->over(j->c.ctx, j, NULL);
	leave(j);
}

/* --- what the snapshot is --- */

static json_t *blobs_json(const struct snapshot *s)
{
	json_t *blobs = json_array();

	for (size_t i = 0; blobs && i < s->n_blobs; i++) {
		char digest[DIGEST_HEX_LEN + 1];
		json_t *b;

		digest_hex(&s->blobs[i].digest, digest);
		b = json_pack("{s:s, s:s, s:I}", "digest", digest, "role", s->blobs[i].role, "size",
			(json_int_t)s->blobs[i].size);
		if (json_array_append_new(blobs, b) != 0) {
			json_decref(blobs);
			blobs = NULL;
		}
	}
	return blobs;
}

static char *state_text(const struct snapshot *s)
{
	json_t *artifact = json_loads(s->artifact, 0, NULL), *blobs = blobs_json(s), *o;
	char id[DIGEST_HEX_LEN + 1], *text;

	digest_hex(&s->info.id, id);
	o = json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:o, s:o}", "id", id, "time_ms",
		(json_int_t)s->info.time_ms, "host", s->info.host, "name", s->info.name, "kind",
		s->info.kind, "bytes_total", (json_int_t)s->info.bytes_total, "artifact", artifact,
		"blobs", blobs);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

static void tell_state(struct restore_job *j)
{
	CLEANUP(cleanup_free) char *text = state_text(&j->snapshot);
	struct message m = { .type = MSG_RESTORE_STATE };
	struct err err;

	if (text && strlen(text) <= BACKUP_MESSAGE_MAX - 64) {
		m.restore_state.job = j->number;
		m.restore_state.snapshot = (wire_bytes){ .p = (const uint8_t *)text,
			.n = (uint32_t)strlen(text) };
		j->c.ops->send(j->c.ctx, &m);
		return;
	}
	err_set(&err, ERR_LIMIT, "the snapshot's manifest is too large to send");
	give_up(j, &err);
}

static int run_read(struct depot_call *c, struct store *store, struct err *err)
{
	struct read_call *r = (struct read_call *)c;
	char id[DIGEST_HEX_LEN + 1];

	if (store_snapshot_read(store, &r->id, uv_pin_of(r->pin), &r->snapshot, &r->found, err) !=
		0)
		return -1;
	if (r->found)
		return 0;
	digest_hex(&r->id, id);
	return err_set(err, ERR_NOT_FOUND, "there is no snapshot %.12s (any more)", id);
}

static void read_done(struct depot_call *c)
{
	struct read_call *r = (struct read_call *)c;
	struct restore_job *j = r->job;
	struct err err = c->err;
	bool ok = c->result == 0;

	if (j) {
		j->reading = NULL;
		j->snapshot = r->snapshot;
		r->snapshot = (struct snapshot){ 0 };
	}
	snapshot_done(&r->snapshot);
	free(r);
	if (j && ok)
		tell_state(j);
	else if (j)
		give_up(j, &err);
}

/* --- blobs --- */

static int tell_end(struct restore_job *j, const struct rebuild_item *i, struct err *err)
{
	struct message m = { .type = MSG_BLOB_END };
	char name[DIGEST_TEXT_LEN + 1];

	digest_text(&i->digest, name);
	if (i->outcome != BLOB_STORED)
		return err_set(err, ERR_CORRUPT,
			"what is stored of %s is damaged: drayd check at the target says what it "
			"affects, and the next backup that has it heals it",
			name);
	m.blob_end.blob = j->next_blob++;
	m.blob_end.digest = i->digest;
	m.blob_end.size = i->size;
	m.blob_end.main_recipes = (uint32_t)i->n_names[STREAM_MAIN];
	m.blob_end.skeleton_recipes = (uint32_t)i->n_names[STREAM_SKELETON];
	m.blob_end.last_segment = *j->c.segments;
	j->sending = false;
	j->c.ops->send(j->c.ctx, &m);
	return 0;
}

static int tell_item(struct restore_job *j, const struct rebuild_item *i, struct err *err)
{
	struct message m = { .type = MSG_BLOB_BEGIN };

	if (i->kind == REBUILD_ERROR) {
		*err = i->err;
		return -1;
	}
	if (i->kind == REBUILD_END)
		return tell_end(j, i, err);
	if (i->kind == REBUILD_SEGMENT) {
		m.type = MSG_SEGMENT;
		m.segment.number = ++*j->c.segments;
		m.segment.record = (wire_bytes){ .p = i->bytes, .n = (uint32_t)i->n };
	} else {
		bool tree = i->size == REBUILD_TREE;

		m.blob_begin.job = j->number;
		m.blob_begin.blob = j->next_blob;
		m.blob_begin.role = tree ? ROLE_TREE : ROLE_LAYER;
		m.blob_begin.flags = (uint8_t)(tree ? BLOB_DIGEST_KNOWN
						    : BLOB_DIGEST_KNOWN | BLOB_SIZE_KNOWN);
		m.blob_begin.digest = i->digest;
		m.blob_begin.size = tree ? 0 : i->size;
	}
	j->c.ops->send(j->c.ctx, &m);
	return 0;
}

static void pump(struct restore_job *j)
{
	struct err err;
	int r = 0;

	while (r == 0 && uv_conn_room(j->c.conn) >= ROOM_MIN) {
		struct rebuild_item *i = rebuild_take(j->rebuild);

		if (!i)
			return;
		r = tell_item(j, i, &err);
		rebuild_item_free(i);
	}
	if (r != 0)
		give_up(j, &err);
}

static void on_wake(void *ctx)
{
	struct restore_job *j = ctx;

	if (j->over && rebuild_stopped(j->rebuild))
		job_free(j);
	else if (!j->over)
		pump(j);
}

void restore_job_room(struct restore_job *j)
{
	pump(j);
}

void restore_job_part(struct restore_job *j, uint32_t part)
{
	const struct snapshot_blob *b;
	struct err err;
	int r;

	if (part >= j->snapshot.n_blobs || j->sending) {
		r = err_set(&err, ERR_PROTOCOL, "RESTORE_PART: no such part, or one is under way");
	} else {
		b = &j->snapshot.blobs[part];
		j->sending = true;
		r = rebuild_add(j->rebuild, part, true, &b->digest,
			strncmp(b->role, SNAPSHOT_ROLE_TREE, strlen(SNAPSHOT_ROLE_TREE)) == 0
				? REBUILD_TREE
				: b->size,
			&err);
	}
	if (r != 0)
		give_up(j, &err);
}

/* --- the start --- */

static int open_parts(struct restore_job *j, const struct msg_restore *m, struct err *err)
{
	struct read_call *r;

	j->pin = uv_pin_begin(j->c.domain, j->c.key, &m->snapshot);
	if (!j->pin)
		return err_nomem(err);
	if (uv_wake_new(j->c.loop, on_wake, j, &j->wake, err) != 0 ||
		rebuild_start_segments(
			j->c.domain, j->pin, uv_wake_send, j->wake, &j->rebuild, err) != 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_nomem(err);
	r->call = (struct depot_call){ .run = run_read, .done = read_done };
	r->job = j;
	r->pin = j->pin;
	r->id = m->snapshot;
	j->reading = r;
	depot_post(j->c.domain, &r->call);
	return 0;
}

int restore_job_start(const struct restore_job_config *config, const struct msg_restore *m,
	struct restore_job **ret, struct err *err)
{
	struct restore_job *j;

	if (!(config->grants & GRANT_RESTORE))
		return err_set(err, ERR_REFUSED, "this key may not read backups");
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(err);
	j->c = *config;
	j->number = m->job;
	depot_hold(config->domain);
	if (open_parts(j, m, err) != 0) {
		job_free(j);
		return -1;
	}
	*ret = j;
	return 0;
}

uint32_t restore_job_number(const struct restore_job *j)
{
	return j->number;
}

const struct uv_pin *restore_job_pin(const struct restore_job *j)
{
	return j->pin;
}
