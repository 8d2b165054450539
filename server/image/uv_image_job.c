/*
 * Owns one offer and its load. Happy path: ASKING (store and engine) -> OFFERED (the state was
 * told) -> LOADING (blobs are rebuilt and fed to the engine side) -> COMMITTING -> over. An image
 * that the engine has goes from OFFERED straight to COMMITTING, to be tagged. Failure modes: the
 * engine side's FAILED, the feed's; `give_up` tells the client and drops the load; the engine side
 * cleans up after itself.
 */
#include "server/image/uv_image_job.h"

#include "protocol/limits.h"
#include "server/image/image_lookup.h"
#include "server/image/image_manifest.h"
#include "server/image/image_port.h"
#include "server/image/image_room.h"
#include "server/image/uv_image_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY (8u << 20) /* bytes */

enum layer_state { LAYER_MISSING = 0, LAYER_IN_ENGINE = 1, LAYER_IN_STORE = 2 };

enum job_state { JOB_ASKING, JOB_OFFERED, JOB_LOADING, JOB_COMMITTING };

struct image_job {
	struct image_job_config c;
	uint32_t number;
	char *key;
	struct image_port side; /* the engine's */
	enum job_state state;
	struct digest image;
	struct digest *names; /* the diffIDs, then the image's own */
	uint8_t *layers;      /* enum layer_state */
	uint64_t *sizes;      /* of what is in the store, by name */
	uint64_t *content;    /* of each layer, as the offer says */
	uint32_t n_layers;
	struct buf tags_raw;
	wire_texts tags;
	bool image_present, config_in_store, store_empty, engine_answered;
	struct image_lookup *lookup; /* NULL when answered */
	struct image_feed *feed;     /* while loading */
	struct uv_pin *pin;	     /* ended by the feed, if there is one */
	bool load_open; /* the engine side answered OPEN: before, it has no use for a COMMIT */
	bool commit_asked, commit_sent, loaded;
	uint64_t stored; /* segments */
	uint64_t progress_at;
};

/* --- the end --- */

static void job_free(struct image_job *j)
{
	image_lookup_forget(j->lookup);
	if (j->feed)
		image_feed_free(j->feed, j->loaded);
	else
		uv_pin_end(j->pin, j->loaded);
	buf_done(&j->tags_raw);
	free(j->names);
	free(j->layers);
	free(j->sizes);
	free(j->content);
	free(j->key);
	free(j);
}

static void over(struct image_job *j, const struct err *err)
{
	j->c.ops->over(j->c.ctx, j, err);
	job_free(j);
}

static void tell_failure(struct image_job *j, const struct err *err)
{
	struct message m = message_fail(j->number, err);

	j->c.ops->send(j->c.ctx, &m);
}

static void drop_load(struct image_job *j, bool again)
{
	if (j->state == JOB_LOADING || j->state == JOB_COMMITTING)
		image_port_abort(&j->side, again);
}

static void give_up(struct image_job *j, const struct err *err)
{
	drop_load(j, err->code == ERR_AGAIN);
	tell_failure(j, err);
	over(j, err);
}

void image_job_abort(struct image_job *j)
{
	drop_load(j, true);
	job_free(j);
}

/* --- what is there --- */

static void maybe_tell_state(struct image_job *j)
{
	struct message m = { .type = MSG_IMAGE_STATE };

	if (j->lookup || !j->engine_answered)
		return;
	j->state = JOB_OFFERED;
	m.image_state.job = j->number;
	m.image_state.image_present = j->image_present;
	m.image_state.config_present = j->config_in_store;
	m.image_state.store_empty = j->store_empty;
	m.image_state.layers = (wire_bytes){ .p = j->layers, .n = j->n_layers };
	j->c.ops->send(j->c.ctx, &m);
}

static void on_lookup(
	void *ctx, const bool *found, const uint64_t *sizes, bool empty, const struct err *err)
{
	struct image_job *j = ctx;

	j->lookup = NULL;
	if (err) {
		give_up(j, err);
		return;
	}
	memcpy(j->sizes, sizes, (j->n_layers + 1) * sizeof(*sizes));
	for (uint32_t i = 0; i < j->n_layers; i++) {
		if (found[i] && j->layers[i] == LAYER_MISSING)
			j->layers[i] = LAYER_IN_STORE;
	}
	j->config_in_store = found[j->n_layers];
	j->store_empty = empty;
	maybe_tell_state(j);
}

static void take_have(struct image_job *j, const struct port_have_reply *m)
{
	struct err err;

	if (image_room_check(j->names, j->content, j->n_layers, m, &err) != 0) {
		give_up(j, &err);
		return;
	}
	for (uint32_t i = 0; i < j->n_layers && i < m->layers.n; i++) {
		if (m->layers.p[i])
			j->layers[i] = LAYER_IN_ENGINE;
	}
	j->image_present = m->image_present;
	j->engine_answered = true;
	maybe_tell_state(j);
}

static int copy_offer(struct image_job *j, const struct msg_image_offer *o, struct err *err)
{
	j->number = o->job;
	j->image = o->image;
	j->n_layers = o->diff_ids.n;
	j->names = calloc(j->n_layers + 1, sizeof(*j->names));
	j->layers = calloc(j->n_layers + 1, 1);
	j->sizes = calloc(j->n_layers + 1, sizeof(*j->sizes));
	j->content = image_room_sizes(o);
	buf_init(&j->tags_raw, CONTROL_MESSAGE_MAX);
	buf_append(&j->tags_raw, o->tags.raw, o->tags.len);
	j->pin = uv_pin_begin(j->c.domain, j->key, &j->image);
	if (!j->names || !j->layers || !j->sizes || !j->content || !buf_ok(&j->tags_raw) || !j->pin)
		return err_nomem(err);
	memcpy(j->names, o->diff_ids.at, j->n_layers * sizeof(struct digest));
	j->names[j->n_layers] = o->image;
	j->tags = (wire_texts){
		.raw = buf_bytes(&j->tags_raw), .len = o->tags.len, .n = o->tags.n
	};
	return 0;
}

int image_job_start(const struct image_job_config *config, const struct msg_image_offer *offer,
	struct image_job **ret, struct err *err)
{
	struct image_job *j = calloc(1, sizeof(*j));

	if (!j)
		return err_nomem(err);
	j->c = *config;
	j->key = strdup(config->key);
	if (!j->key)
		err_nomem(err);
	j->side = (struct image_port){
		.port = config->port, .job = config->port_job, .key = j->key
	};
	if (!j->key || copy_offer(j, offer, err) != 0 ||
		image_port_have(&j->side, &j->image, j->names, j->n_layers, err) != 0 ||
		image_lookup_start(config->domain, j->pin, j->names, j->n_layers + 1, on_lookup, j,
			&j->lookup, err) != 0) {
		job_free(j);
		return -1;
	}
	*ret = j;
	return 0;
}

uint32_t image_job_number(const struct image_job *j)
{
	return j->number;
}

uint32_t image_job_port_number(const struct image_job *j)
{
	return j->c.port_job;
}

const struct uv_pin *image_job_pin(const struct image_job *j)
{
	return j->pin;
}

/* --- loading --- */

/* The first place of a digest among the names; the config's is n_layers. */
static uint32_t name_index(const struct image_job *j, const struct digest *digest)
{
	uint32_t i = 0;

	while (i <= j->n_layers && !digest_equal(&j->names[i], digest))
		i++;
	return i;
}

static uint16_t on_member(void *ctx, const struct digest *digest)
{
	const struct image_job *j = ctx;
	uint32_t i = digest ? name_index(j, digest) : UINT32_MAX;

	return i <= j->n_layers ? (uint16_t)i : PORT_MEMBER_UNKNOWN;
}

static void on_blob_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	struct image_job *j = ctx;
	struct message m = { .type = MSG_BLOB_DONE };

	m.blob_done.blob = blob;
	m.blob_done.outcome = (uint8_t)outcome;
	j->c.ops->send(j->c.ctx, &m);
}

static void tell_progress(struct image_job *j, enum engine_phase phase)
{
	struct message m = { .type = MSG_PROGRESS };
	uint64_t done = j->feed ? image_feed_bytes(j->feed) : 0;

	j->progress_at = done + PROGRESS_EVERY;
	m.progress.job = j->number;
	m.progress.phase = (uint8_t)phase;
	m.progress.done = done;
	j->c.ops->send(j->c.ctx, &m);
}

static void maybe_commit(struct image_job *j)
{
	struct err err;

	if (!j->commit_asked || j->commit_sent || !j->load_open || !image_feed_all_done(j->feed))
		return;
	j->commit_sent = true;
	j->state = JOB_COMMITTING;
	if (image_port_commit(&j->side, &err) != 0)
		give_up(j, &err);
}

static void on_moved(void *ctx)
{
	struct image_job *j = ctx;

	if (j->state == JOB_LOADING && image_feed_bytes(j->feed) >= j->progress_at)
		tell_progress(j, PHASE_RECEIVING);
	maybe_commit(j);
}

static void on_feed_failed(void *ctx, const struct err *err)
{
	give_up(ctx, err);
}

static int add_stored(struct image_job *j, struct err *err)
{
	for (uint32_t i = 0; i < j->n_layers; i++) {
		if (j->layers[i] == LAYER_IN_STORE && name_index(j, &j->names[i]) == i &&
			image_feed_add_stored(j->feed, &j->names[i], j->sizes[i], err) != 0)
			return -1;
	}
	if (!j->config_in_store)
		return 0;
	return image_feed_add_stored(j->feed, &j->image, j->sizes[j->n_layers], err);
}

/* How many of the lowest layers the engine has. */
static uint32_t layers_there(const struct image_job *j)
{
	uint32_t n = 0;

	while (n < j->n_layers && j->layers[n] == LAYER_IN_ENGINE)
		n++;
	return n;
}

static int open_load(struct image_job *j, struct err *err)
{
	static const struct image_feed_ops ops = { .member = on_member,
		.blob_done = on_blob_done,
		.moved = on_moved,
		.failed = on_feed_failed };

	if (image_feed_new(j->c.loop, j->c.domain, j->pin, j->c.port, j->c.port_job, &ops, j,
		    &j->feed, err) != 0)
		return -1;
	image_feed_stored(j->feed, j->stored);
	if (add_stored(j, err) != 0)
		return -1;
	if (image_port_open(&j->side, &j->image, j->names, j->n_layers, layers_there(j), &j->tags,
		    err) != 0)
		return -1;
	j->state = JOB_LOADING;
	return 0;
}

/* Opens the load at the first sign that the client goes on. False when the job is gone or not
 * loading. */
static bool go_on(struct image_job *j)
{
	struct err err;

	if (j->state != JOB_OFFERED)
		return j->state == JOB_LOADING;
	if (open_load(j, &err) == 0)
		return true;
	give_up(j, &err);
	return false;
}

void image_job_begin(struct image_job *j, const struct receiver_blob *blob)
{
	struct err err;

	if (go_on(j) && image_feed_begin(j->feed, blob, &err) != 0)
		give_up(j, &err);
}

void image_job_recipes(struct image_job *j, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names)
{
	struct err err;

	if (j->state == JOB_LOADING && image_feed_recipes(j->feed, blob, stream, names, &err) != 0)
		give_up(j, &err);
}

void image_job_end(struct image_job *j, const struct receiver_blob *blob)
{
	if (j->state == JOB_LOADING)
		image_feed_end(j->feed, blob);
}

void image_job_stored(struct image_job *j, uint64_t segment)
{
	j->stored = segment;
	if (j->feed)
		image_feed_stored(j->feed, segment);
}

static void commit_tags(struct image_job *j)
{
	struct err err;

	j->state = JOB_COMMITTING;
	j->commit_sent = true;
	if (image_port_tag(&j->side, &j->image, &j->tags, &err) != 0)
		give_up(j, &err);
}

void image_job_commit(struct image_job *j)
{
	j->commit_asked = true;
	if (j->state == JOB_OFFERED && j->image_present)
		commit_tags(j);
	else if (go_on(j))
		maybe_commit(j);
}

/* --- the engine side --- */

static void take_loaded(struct image_job *j, const struct port_loaded *p)
{
	struct message m = { .type = MSG_IMAGE_DONE,
		.image_done = { .job = j->number, .image = p->id, .tags = p->tags } };
	char note[DIGEST_TEXT_LEN + 64], id[DIGEST_TEXT_LEN + 1];

	j->loaded = true;
	image_manifest_record(j->c.domain, &j->image, j->names, j->n_layers, &j->tags);
	if (!digest_equal(&p->id, &j->image)) {
		digest_text(&p->id, id);
		snprintf(note, sizeof(note), "the engine there calls it %s", id);
		m.image_done.note = wire_text_of(note, strlen(note));
	}
	j->c.ops->send(j->c.ctx, &m);
	over(j, NULL);
}

static void take_failed(struct image_job *j, const struct port_failed *p)
{
	struct err err;

	port_failure(p, &err);
	tell_failure(j, &err);
	over(j, &err);
}

static void take_credit(struct image_job *j, uint32_t bytes)
{
	j->load_open = true;
	image_feed_credit(j->feed, bytes);
}

void image_job_port(struct image_job *j, const struct port_message *m)
{
	if (m->type == PORT_FAILED)
		take_failed(j, &m->failed);
	else if (m->type == PORT_HAVE_REPLY && j->state == JOB_ASKING)
		take_have(j, &m->have_reply);
	else if (m->type == PORT_LOADED)
		take_loaded(j, &m->loaded);
	else if (m->type == PORT_PHASE)
		tell_progress(j, (enum engine_phase)m->phase.phase);
	else if (m->type == PORT_CREDIT && j->feed)
		take_credit(j, m->credit.bytes);
}

bool image_job_engine_lost(struct image_job *j)
{
	struct err err;

	if (j->state == JOB_OFFERED || (j->state == JOB_ASKING && j->engine_answered))
		return false;
	err_set(&err, ERR_AGAIN,
		"the receiver's engine process stopped; what was stored is kept, the same push "
		"goes on");
	give_up(j, &err);
	return true;
}
