/*
 * Owns one volume's offer and its feed. Happy path: the store and the engine side are asked ->
 * TREE_STATE -> the one blob is rebuilt and fed -> COMMIT -> FILLED -> TREE_DONE. Failure modes:
 * the engine side's FAILED, the feed's; `give_up` tells the client and breaks the filling off.
 */
#include "server/container/uv_tree_job.h"

#include "protocol/grant.h"
#include "server/image/image_lookup.h"
#include "server/image/uv_image_feed.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY (8u << 20) /* bytes */

struct tree_job {
	struct tree_job_config c;
	uint32_t number;
	bool store_empty, open;	     /* the engine side gave credit */
	struct image_lookup *lookup; /* NULL when answered */
	struct image_feed *feed;
	struct uv_pin *pin; /* the feed ends it */
	bool told, begun, commit_asked, commit_sent, filled;
	uint64_t progress_at;
};

/* --- the end --- */

static void job_free(struct tree_job *j)
{
	image_lookup_forget(j->lookup);
	if (j->feed)
		image_feed_free(j->feed, j->filled);
	else
		uv_pin_end(j->pin, j->filled);
	free(j);
}

static void over(struct tree_job *j, const struct err *err)
{
	j->c.ops->over(j->c.ctx, j, err);
	job_free(j);
}

static void break_off(struct tree_job *j)
{
	struct port_message m = { .type = PORT_ABORT, .abort = { .job = j->c.port_job } };
	struct err gone;

	if (engine_port_send(j->c.port, &m, &gone) != 0)
		return; /* with the engine process everything of it is gone */
}

static void tell_failure(struct tree_job *j, const struct err *err)
{
	struct message m = message_fail(j->number, err);

	j->c.ops->send(j->c.ctx, &m);
}

static void give_up(struct tree_job *j, const struct err *err)
{
	break_off(j);
	tell_failure(j, err);
	over(j, err);
}

void tree_job_abort(struct tree_job *j)
{
	break_off(j);
	job_free(j);
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
	struct tree_job *j = ctx;
	struct message m = { .type = MSG_BLOB_DONE };

	m.blob_done.blob = blob;
	m.blob_done.outcome = (uint8_t)outcome;
	j->c.ops->send(j->c.ctx, &m);
}

static void tell_progress(struct tree_job *j)
{
	struct message m = { .type = MSG_PROGRESS };
	uint64_t done = image_feed_bytes(j->feed);

	j->progress_at = done + PROGRESS_EVERY;
	m.progress.job = j->number;
	m.progress.phase = PHASE_RECEIVING;
	m.progress.done = done;
	j->c.ops->send(j->c.ctx, &m);
}

static void maybe_commit(struct tree_job *j)
{
	struct port_message m = { .type = PORT_COMMIT, .commit = { .job = j->c.port_job } };
	struct err err;

	if (!j->commit_asked || j->commit_sent || !image_feed_all_done(j->feed))
		return;
	j->commit_sent = true;
	if (engine_port_send(j->c.port, &m, &err) != 0)
		give_up(j, &err);
}

static void on_moved(void *ctx)
{
	struct tree_job *j = ctx;

	if (image_feed_bytes(j->feed) >= j->progress_at)
		tell_progress(j);
	maybe_commit(j);
}

static void on_feed_failed(void *ctx, const struct err *err)
{
	give_up(ctx, err);
}

/* --- the offer --- */

static void maybe_tell_state(struct tree_job *j)
{
	struct message m = { .type = MSG_TREE_STATE };

	if (j->told || j->lookup || !j->open)
		return;
	j->told = true;
	m.tree_state.job = j->number;
	m.tree_state.store_empty = j->store_empty;
	j->c.ops->send(j->c.ctx, &m);
}

static void on_lookup(
	void *ctx, const bool *found, const uint64_t *sizes, bool empty, const struct err *err)
{
	struct tree_job *j = ctx;

	(void)found;
	(void)sizes;
	j->lookup = NULL;
	if (err) {
		give_up(j, err);
		return;
	}
	j->store_empty = empty;
	maybe_tell_state(j);
}

/* The same volume sent again, by another migration too, takes the pin over. */
static struct digest pin_name(const struct msg_tree_offer *offer)
{
	return digest_of(offer->volume.s, offer->volume.n);
}

static int open_parts(struct tree_job *j, const struct msg_tree_offer *offer, struct err *err)
{
	static const struct image_feed_ops ops = { .member = on_member,
		.blob_done = on_blob_done,
		.moved = on_moved,
		.failed = on_feed_failed };
	struct port_message m = { .type = PORT_TREE };
	struct digest name = pin_name(offer);

	j->pin = uv_pin_begin(j->c.domain, j->c.key, &name);
	if (!j->pin)
		return err_nomem(err);
	if (image_feed_new(j->c.loop, j->c.domain, j->pin, j->c.port, j->c.port_job, &ops, j,
		    &j->feed, err) != 0)
		return -1;
	m.tree.job = j->c.port_job;
	m.tree.key = wire_text_of(j->c.key, strlen(j->c.key));
	m.tree.migration = offer->migration;
	m.tree.volume = offer->volume;
	if (image_lookup_start(j->c.domain, j->pin, &name, 1, on_lookup, j, &j->lookup, err) != 0)
		return -1;
	return engine_port_send(j->c.port, &m, err);
}

int tree_job_start(const struct tree_job_config *config, const struct msg_tree_offer *offer,
	struct tree_job **ret, struct err *err)
{
	struct tree_job *j;

	if (!(config->grants & GRANT_MIGRATE))
		return err_set(err, ERR_REFUSED, "this key may not migrate containers");
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_nomem(err);
	j->c = *config;
	j->number = offer->job;
	if (open_parts(j, offer, err) != 0) {
		job_free(j);
		return -1;
	}
	*ret = j;
	return 0;
}

uint32_t tree_job_number(const struct tree_job *j)
{
	return j->number;
}

uint32_t tree_job_port_number(const struct tree_job *j)
{
	return j->c.port_job;
}

const struct uv_pin *tree_job_pin(const struct tree_job *j)
{
	return j->pin;
}

/* --- the session's messages --- */

void tree_job_begin(struct tree_job *j, const struct receiver_blob *blob)
{
	struct err err;

	if (j->begun || !j->told) {
		err_set(&err, ERR_PROTOCOL, "a tree is one blob, after TREE_STATE");
		give_up(j, &err);
		return;
	}
	j->begun = true;
	if (image_feed_begin(j->feed, blob, &err) != 0)
		give_up(j, &err);
}

void tree_job_recipes(struct tree_job *j, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names)
{
	struct err err;

	if (image_feed_recipes(j->feed, blob, stream, names, &err) != 0)
		give_up(j, &err);
}

void tree_job_end(struct tree_job *j, const struct receiver_blob *blob)
{
	image_feed_end(j->feed, blob);
}

void tree_job_commit(struct tree_job *j)
{
	struct err err;

	j->commit_asked = true;
	if (j->begun) {
		maybe_commit(j);
		return;
	}
	err_set(&err, ERR_PROTOCOL, "TREE_COMMIT without a tree");
	give_up(j, &err);
}

void tree_job_stored(struct tree_job *j, uint64_t segment)
{
	image_feed_stored(j->feed, segment);
}

/* --- the engine side --- */

void tree_job_engine_lost(struct tree_job *j)
{
	struct err err;

	err_set(&err, ERR_AGAIN,
		"the receiver's engine process stopped; what was stored is kept, the same again "
		"goes on");
	give_up(j, &err);
}

static void take_filled(struct tree_job *j)
{
	struct message m = { .type = MSG_TREE_DONE, .tree_done = { .job = j->number } };

	j->filled = true;
	j->c.ops->send(j->c.ctx, &m);
	over(j, NULL);
}

void tree_job_port(struct tree_job *j, const struct port_message *m)
{
	struct err err;

	if (m->type == PORT_FAILED) {
		port_failure(&m->failed, &err);
		tell_failure(j, &err);
		over(j, &err);
	} else if (m->type == PORT_FILLED && j->commit_sent) {
		take_filled(j);
	} else if (m->type == PORT_CREDIT) {
		j->open = true;
		maybe_tell_state(j);
		image_feed_credit(j->feed, m->credit.bytes);
	}
}
