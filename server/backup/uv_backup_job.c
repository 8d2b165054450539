/*
 * Owns one backup's offer and its feed. Happy path: the store is asked what it has -> BACKUP_STATE
 * -> blobs are rebuilt, checked and recorded -> BACKUP_COMMIT -> the snapshot is written ->
 * BACKUP_DONE. Failure modes: a blob that is not what it is named, a store that is full or broken;
 * `give_up` tells the client. What was stored stays for a day, so that the same backup again goes
 * on.
 */
#include "server/backup/uv_backup_job.h"

#include "common/cargo/snapshot_info.h"
#include "protocol/grant.h"
#include "protocol/limits.h"
#include "server/backup/snapshot_making.h"
#include "server/image/image_lookup.h"
#include "server/image/uv_image_feed.h"

#include <stdlib.h>
#include <string.h>

struct backup_job {
	struct backup_job_config c;
	uint32_t number;
	char *kind, *name, *host;
	uint32_t n_blobs;	     /* that the offer asked about */
	struct image_lookup *lookup; /* NULL when answered */
	struct image_feed *feed;
	struct uv_pin *pin; /* the feed ends it */
	struct buf commit;  /* the message BACKUP_COMMIT; empty: it did not come yet */
	struct snapshot_making *making;
	bool done;
};

/* --- the end --- */

static void job_free(struct backup_job *j)
{
	image_lookup_forget(j->lookup);
	snapshot_making_forget(j->making);
	if (j->feed)
		image_feed_free(j->feed, j->done);
	else
		uv_pin_end(j->pin, j->done);
	buf_done(&j->commit);
	free(j->kind);
	free(j->name);
	free(j->host);
	free(j);
}

static void give_up(struct backup_job *j, const struct err *err)
{
	struct message m = message_fail(j->number, err);

	j->c.ops->send(j->c.ctx, &m);
	j->c.ops->over(j->c.ctx, j, err);
	job_free(j);
}

void backup_job_abort(struct backup_job *j)
{
	job_free(j);
}

/* --- the snapshot --- */

static void on_made(void *ctx, const struct snapshot_made *made, const struct err *err)
{
	struct message m = { .type = MSG_BACKUP_DONE };
	struct backup_job *j = ctx;

	j->making = NULL;
	if (err) {
		give_up(j, err);
		return;
	}
	m.backup_done.job = j->number;
	m.backup_done.snapshot = made->id;
	m.backup_done.bytes_total = made->bytes_total;
	m.backup_done.bytes_new = made->bytes_new;
	j->done = true;
	j->c.ops->send(j->c.ctx, &m);
	j->c.ops->over(j->c.ctx, j, NULL);
	job_free(j);
}

static void maybe_commit(struct backup_job *j)
{
	struct message m;
	struct err err;

	if (buf_len(&j->commit) == 0 || j->making || !image_feed_all_done(j->feed))
		return;
	if (message_parse(
		    MSG_BACKUP_COMMIT, buf_bytes(&j->commit), buf_len(&j->commit), &m, &err) != 0 ||
		snapshot_making_start(j->c.domain, j->pin, j->c.key, j->kind, j->name, j->host,
			&m.backup_commit, on_made, j, &j->making, &err) != 0)
		give_up(j, &err);
}

void backup_job_commit(struct backup_job *j, const struct msg_backup_commit *commit)
{
	struct message m = { .type = MSG_BACKUP_COMMIT, .backup_commit = *commit };
	struct err err;

	message_put(&j->commit, &m);
	if (buf_ok(&j->commit)) {
		maybe_commit(j);
		return;
	}
	err_nomem(&err);
	give_up(j, &err);
}

/* --- the feed --- */

static uint16_t on_member(void *ctx, const struct digest *digest)
{
	(void)ctx;
	(void)digest;
	return 0;
}

static void on_blob_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	struct backup_job *j = ctx;
	struct message m = { .type = MSG_BLOB_DONE };

	m.blob_done.blob = blob;
	m.blob_done.outcome = (uint8_t)outcome;
	j->c.ops->send(j->c.ctx, &m);
}

static void on_moved(void *ctx)
{
	maybe_commit(ctx);
}

static void on_feed_failed(void *ctx, const struct err *err)
{
	give_up(ctx, err);
}

/* --- the offer --- */

static void tell_state(struct backup_job *j, const bool *found, bool empty, struct buf *have)
{
	struct message m = { .type = MSG_BACKUP_STATE };
	uint8_t *bits = buf_reserve(have, (j->n_blobs + 7) / 8 + 1);
	struct err err;

	if (!bits) {
		err_nomem(&err);
		give_up(j, &err);
		return;
	}
	memset(bits, 0, (j->n_blobs + 7) / 8 + 1);
	for (uint32_t i = 0; i < j->n_blobs; i++)
		bits[i / 8] |= (uint8_t)((unsigned)found[i] << (i % 8));
	m.backup_state.job = j->number;
	m.backup_state.store_empty = empty;
	m.backup_state.have = (wire_bytes){ .p = bits, .n = (j->n_blobs + 7) / 8 };
	j->c.ops->send(j->c.ctx, &m);
}

static void on_lookup(
	void *ctx, const bool *found, const uint64_t *sizes, bool empty, const struct err *err)
{
	struct buf have CLEANUP(buf_done);
	struct backup_job *j = ctx;

	(void)sizes;
	buf_init(&have, BACKUP_BLOBS_MAX);
	j->lookup = NULL;
	if (err)
		give_up(j, err);
	else
		tell_state(j, found, empty, &have);
}

/* The same thing backed up again takes the pin over. */
static struct digest pin_name(const struct msg_backup_offer *o)
{
	struct digest none = { { 0 } };
	struct hasher *h = hasher_new();

	if (!h)
		return none;
	hasher_update(h, o->kind.s, (size_t)o->kind.n);
	hasher_update(h, "\0", 1);
	hasher_update(h, o->host.s, (size_t)o->host.n);
	hasher_update(h, "\0", 1);
	hasher_update(h, o->name.s, (size_t)o->name.n);
	none = hasher_end(h);
	hasher_free(h);
	return none;
}

static int open_parts(struct backup_job *j, const struct msg_backup_offer *offer, struct err *err)
{
	static const struct image_feed_ops ops = { .member = on_member,
		.blob_done = on_blob_done,
		.moved = on_moved,
		.failed = on_feed_failed };
	struct digest name = pin_name(offer);

	j->kind = wire_text_dup(&offer->kind);
	j->name = wire_text_dup(&offer->name);
	j->host = wire_text_dup(&offer->host);
	j->pin = uv_pin_begin(j->c.domain, j->c.key, &name);
	if (!j->kind || !j->name || !j->host || !j->pin)
		return err_nomem(err);
	j->n_blobs = offer->blobs.n;
	if (image_feed_new(j->c.loop, j->c.domain, j->pin, NULL, 0, &ops, j, &j->feed, err) != 0)
		return -1;
	return image_lookup_start(j->c.domain, j->pin, offer->blobs.at, offer->blobs.n, on_lookup,
		j, &j->lookup, err);
}

static bool is(const wire_text *t, const char *word)
{
	return t->n == strlen(word) && memcmp(t->s, word, t->n) == 0;
}

static int check(uint32_t grants, const struct msg_backup_offer *o, struct err *err)
{
	if (!(grants & GRANT_BACKUP))
		return err_set(err, ERR_REFUSED,
			"this key may not add backups (drayd invite --allow backup,restore)");
	if (!is(&o->kind, "volume") && !is(&o->kind, "image") && !is(&o->kind, "container"))
		return err_set(err, ERR_PROTOCOL, "a backup of an unknown kind");
	if (o->name.n > SNAPSHOT_NAME_MAX || o->host.n > SNAPSHOT_HOST_MAX)
		return err_set(err, ERR_LIMIT, "a backup's name or host is too long");
	return 0;
}

int backup_job_start(const struct backup_job_config *config, const struct msg_backup_offer *offer,
	struct backup_job **ret, struct err *err)
{
	struct backup_job *j;

	if (check(config->grants, offer, err) != 0)
		return -1;
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(err);
	j->c = *config;
	j->number = offer->job;
	buf_init(&j->commit, BACKUP_MESSAGE_MAX);
	if (open_parts(j, offer, err) != 0) {
		job_free(j);
		return -1;
	}
	*ret = j;
	return 0;
}

uint32_t backup_job_number(const struct backup_job *j)
{
	return j->number;
}

const struct uv_pin *backup_job_pin(const struct backup_job *j)
{
	return j->pin;
}

/* --- the session's messages --- */

void backup_job_begin(struct backup_job *j, const struct receiver_blob *blob)
{
	struct err err;

	if (j->lookup)
		err_set(&err, ERR_PROTOCOL, "a backup's blob before BACKUP_STATE");
	if (j->lookup || image_feed_begin(j->feed, blob, &err) != 0)
		give_up(j, &err);
}

void backup_job_recipes(struct backup_job *j, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names)
{
	struct err err;

	if (image_feed_recipes(j->feed, blob, stream, names, &err) != 0)
		give_up(j, &err);
}

void backup_job_end(struct backup_job *j, const struct receiver_blob *blob)
{
	image_feed_end(j->feed, blob);
}

void backup_job_stored(struct backup_job *j, uint64_t segment)
{
	image_feed_stored(j->feed, segment);
}
