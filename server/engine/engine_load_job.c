/*
 * The happy path: OPEN -> is the image there? -> journal -> the engine's load begins -> members,
 * while prefixes are made of the lower ones -> COMMIT -> the prefixes are there -> are the layers
 * that did not come in the engine? -> the documents and the archive's end -> the engine answers ->
 * inspect -> tags -> the prefixes go -> LOADED. Where the engine calls an image by its manifest,
 * whether it is there is asked when that is known. A failure anywhere breaks the load off, waits
 * for what is under way, removes what the load made and is then told; prefixes stay for a while
 * when the same push is likely to come again.
 */
#include "server/engine/engine_load_job.h"

#include "common/base/log.h"
#include "protocol/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TO(state) (1u << (state))
static const unsigned next_states[LOAD_STATES] = {
	[LOAD_OPENING] = TO(LOAD_RECEIVING) | TO(LOAD_UNDOING),
	[LOAD_RECEIVING] = TO(LOAD_WAITING) | TO(LOAD_UNDOING),
	[LOAD_WAITING] = TO(LOAD_CHECKING) | TO(LOAD_UNDOING),
	[LOAD_CHECKING] = TO(LOAD_APPLYING) | TO(LOAD_UNDOING),
	[LOAD_APPLYING] = TO(LOAD_VERIFYING) | TO(LOAD_UNDOING),
	[LOAD_VERIFYING] = TO(LOAD_TAGGING) | TO(LOAD_UNDOING),
	[LOAD_TAGGING] = TO(LOAD_CLEARING) | TO(LOAD_UNDOING),
	[LOAD_CLEARING] = 0,
	[LOAD_UNDOING] = 0,
};

void load_job_enter(struct load_job *j, enum load_state state)
{
	assert(next_states[j->state] & TO(state));
	j->state = state;
}

void load_job_phase(struct load_job *j, enum engine_phase phase)
{
	struct port_message m = { .type = PORT_PHASE };

	m.phase.job = j->job.number;
	m.phase.phase = (uint8_t)phase;
	engine_job_reply(&j->job, &m);
}

int load_job_note(struct load_job *j, struct err *err)
{
	return load_journal_write(j->job.host->loads_dir, &j->entry, err);
}

void load_job_inspect(struct load_job *j, engine_image_fn *fn)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(&j->job.id, text);
	j->calling = true;
	engine_inspect_image(j->job.host->engine, text, fn, j);
}

bool load_job_by_manifest(const struct load_job *j)
{
	const struct engine_info *info = engine_facts(j->job.host->engine);

	return info && info->containerd_store;
}

/* --- the end --- */

static void free_job(struct load_job *j)
{
	free(j->diff_ids);
	free(j->chains);
	free(j->present);
	free(j->names);
	free(j->blobs);
	free(j->held);
	free(j->announced);
	free(j->entry.prefixes);
	tag_list_done(&j->tags);
	buf_done(&j->config);
	load_calls_done(j);
	hasher_free(j->hasher);
	engine_job_free(&j->job);
}

/* Forgets the journal's entry, or leaves what is left of it to the next replay. */
static void end_entry(struct load_job *j, const struct err *why)
{
	struct engine_host *h = j->job.host;
	bool settled = load_entry_settled(&j->entry);
	struct err err;
	int r;

	if (!j->job.journaled)
		return;
	if (settled)
		r = load_journal_remove(h->loads_dir, &j->job.image, j->job.entry, &err);
	else
		r = load_job_note(j, &err);
	if (r != 0)
		log_warn("%s", err.text);
	if (r != 0 || !settled)
		engine_replay_later(h, why);
}

/* What the clean-up did. Errors of an engine that is away are the replay's to tell. */
static void note_undo(struct load_job *j, const struct err *err)
{
	j->entry.n_prefixes = j->undo.entry.n_prefixes;
	j->entry.existed = j->entry.existed || j->undo.entry.existed;
	if (err && err->code != ERR_INTERRUPTED && err->code != ERR_UNREACHABLE)
		log_warn("cleaning up after a load: %s", err->text);
}

static void end_failed(struct load_job *j, const struct err *why)
{
	struct engine_host *h = j->job.host;

	end_entry(j, why);
	if (!j->silent)
		engine_job_failed(&j->job, &j->err);
	free_job(j);
	engine_jobs_wake(h);
}

static void undone(void *ctx, const struct err *err)
{
	struct load_job *j = ctx;

	note_undo(j, err);
	end_failed(j, err);
}

/* May the same push come again, so that the prefixes are worth keeping? */
static bool will_be_tried_again(const struct load_job *j)
{
	if (j->job.host->stopping)
		return false;
	if (j->err.code == ERR_NONE)
		return j->job.again;
	return j->err.code == ERR_AGAIN || j->err.code == ERR_UNREACHABLE;
}

/* The connection broke when the engine had everything, and it has not said that it failed: it may
 * go on for a while, whatever becomes of this process. */
static void undo(struct load_job *j)
{
	bool again = will_be_tried_again(j);
	struct err err;

	load_job_enter(j, LOAD_UNDOING);
	j->entry.committed = j->late ? (uint64_t)time(NULL) : j->committed_before;
	j->entry.kept = again ? (uint64_t)time(NULL) : 0;
	if (j->job.journaled && (j->late || again) && load_job_note(j, &err) != 0)
		log_warn("%s", err.text);
	j->undo = (struct engine_undo){ .host = j->job.host,
		.entry = j->entry,
		.keep = again,
		.except = &j->job,
		.fn = undone,
		.ctx = j };
	if (!j->job.journaled || !engine_undo_start(&j->undo))
		end_failed(j, NULL);
}

/* Waits for the end of what is under way. Before an archive was whole, breaking the connection
 * makes the engine forget it; afterwards only its answer tells what became of it. */
void load_job_settle(struct load_job *j)
{
	if (load_calls_settled(j) && !j->calling)
		undo(j);
}

void load_job_fail(struct load_job *j, const struct err *err)
{
	if (j->ending) {
		j->silent = j->silent || !err;
		return;
	}
	j->ending = true;
	j->job.leaves = j->entry.n_prefixes > 0;
	j->silent = !err;
	if (err)
		j->err = *err;
	load_job_settle(j);
}

bool load_job_call_over(struct load_job *j, const struct err *err)
{
	j->calling = false;
	if (j->ending) {
		load_job_settle(j);
		return false;
	}
	if (err) {
		load_job_fail(j, err);
		return false;
	}
	return true;
}

static void end_loaded(struct load_job *j, const struct err *why)
{
	struct port_message m = { .type = PORT_LOADED };

	end_entry(j, why);
	m.loaded.job = j->job.number;
	m.loaded.id = j->job.id;
	m.loaded.tags = (uint16_t)j->tags.n;
	engine_job_reply(&j->job, &m);
	free_job(j);
}

static void cleared(void *ctx, const struct err *err)
{
	struct load_job *j = ctx;

	note_undo(j, err);
	end_loaded(j, err);
}

/* Whoever gives the job up now has the image all the same. */
void load_job_loaded(struct load_job *j)
{
	load_job_enter(j, LOAD_CLEARING);
	j->entry.committed = j->committed_before;
	engine_image_kept(j->job.host, &j->job.id);
	if (j->tags.n == 0)
		engine_image_hold(j->job.host, j->job.key, &j->job.image);
	j->undo = (struct engine_undo){
		.host = j->job.host, .entry = j->entry, .fn = cleared, .ctx = j
	};
	j->calling = true;
	if (!engine_undo_start(&j->undo))
		end_loaded(j, NULL);
}

/* --- OPEN --- */

static bool is_same(const struct engine_job *a, const struct digest *id)
{
	return a->id_known && digest_equal(&a->id, id);
}

static bool made_by_another(const struct load_job *j)
{
	for (const struct engine_job *o = j->job.host->jobs; o; o = o->next)
		if (o != &j->job && o->makes_image && is_same(o, &j->job.id))
			return true;
	return false;
}

void load_job_identified(struct load_job *j, bool existed)
{
	j->job.id_known = true;
	j->job.makes_image = !existed || made_by_another(j);
	j->entry.id = j->job.id;
	j->entry.id_known = true;
	j->entry.existed = !j->job.makes_image;
}

static int begin(struct load_job *j, struct err *err)
{
	struct engine_host *h = j->job.host;

	j->job.entry = h->next_entry++;
	j->entry.image = j->job.image;
	j->entry.job = j->job.entry;
	memcpy(j->entry.key, j->job.key, strlen(j->job.key) + 1);
	j->job.journaled = true;
	if (load_prefixes_adopt(j, err) != 0)
		return -1;
	if (load_call_start(j, err) != 0)
		return -1;
	load_job_enter(j, LOAD_RECEIVING);
	load_job_phase(j, PHASE_RECEIVING);
	load_job_pump(j);
	return 0;
}

static void existence_known(void *ctx, const struct engine_image *image, const struct err *failed)
{
	struct load_job *j = ctx;
	struct err err;

	if (!load_job_call_over(j, failed && failed->code != ERR_NOT_FOUND ? failed : NULL))
		return;
	/* An engine that had not been asked anything before may turn out to name images otherwise.
	 */
	if (!load_job_by_manifest(j))
		load_job_identified(j, image != NULL);
	if (begin(j, &err) != 0)
		load_job_fail(j, &err);
}

/* By its manifest an image is known when that is, which is at its end. */
static void go(struct engine_job *job)
{
	struct load_job *j = (struct load_job *)job;
	struct err err;

	j->job.id = j->job.image;
	if (!load_job_by_manifest(j))
		load_job_inspect(j, existence_known);
	else if (begin(j, &err) != 0)
		load_job_fail(j, &err);
}

/* From here on a failure of the others must leave the image alone: their entries say so before that
 * of the load which brought it goes. */
static void keep_from_others(struct engine_host *h, const struct digest *id)
{
	struct err err;

	for (struct engine_job *o = h->jobs; o; o = o->next) {
		if (!o->makes_image || !is_same(o, id))
			continue;
		o->makes_image = false;
		((struct load_job *)o)->entry.existed = true;
		if (o->journaled && load_job_note((struct load_job *)o, &err) != 0)
			log_warn("%s", err.text);
	}
}

void engine_image_kept(struct engine_host *h, const struct digest *id)
{
	keep_from_others(h, id);
	engine_replay_forget(h, id);
}

/* --- messages --- */

static void take_message(struct engine_job *job, const struct port_message *m)
{
	struct load_job *j = (struct load_job *)job;
	struct err err = { 0 };
	int r;

	if (j->ending)
		return;
	if (m->type == PORT_COMMIT)
		r = load_job_commit(j, &err);
	else if (j->state != LOAD_RECEIVING)
		r = err_set(&err, ERR_PROTOCOL, "an image's data came out of its time");
	else if (m->type == PORT_MEMBER)
		r = load_member_begin(j, &m->member, &err);
	else
		r = load_member_data(j, &m->data, &err);
	if (r != 0)
		load_job_fail(j, &err);
}

static void take_abort(struct engine_job *job)
{
	load_job_fail((struct load_job *)job, NULL);
}

static const struct engine_job_ops load_ops = { .message = take_message, .abort = take_abort };

static int take_layers(
	struct load_job *j, const wire_digests *diff_ids, size_t there, struct err *err)
{
	size_t n = diff_ids->n;

	if (n > OFFER_LAYERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u layers", OFFER_LAYERS_MAX);
	j->n = n;
	j->there = min_size(there, n);
	j->diff_ids = calloc(n + 1, sizeof(j->diff_ids[0]));
	j->chains = calloc(n + 1, sizeof(j->chains[0]));
	j->present = calloc(n + 1, sizeof(j->present[0]));
	j->names = calloc(n + 1, sizeof(j->names[0]));
	j->blobs = calloc(n + 1, sizeof(j->blobs[0]));
	j->held = calloc(n + 1, sizeof(j->held[0]));
	j->announced = calloc(n + 1, sizeof(j->announced[0]));
	j->entry.prefixes = calloc(LOAD_PREFIXES_MAX, sizeof(j->entry.prefixes[0]));
	j->hasher = hasher_new();
	if (!j->diff_ids || !j->chains || !j->present || !j->names || !j->blobs || !j->held ||
		!j->announced || !j->entry.prefixes || !j->hasher)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		j->diff_ids[i] = diff_ids->at[i];
		j->chains[i] = digest_chain(i ? &j->chains[i - 1] : NULL, &j->diff_ids[i]);
		j->blobs[i] = (struct archive_layer){ .digest = j->diff_ids[i],
			.media_type = DOCKER_ARCHIVE_RAW_LAYER };
	}
	return 0;
}

void engine_load_take(struct engine_host *h, const struct port_open *m)
{
	struct load_job *j = (struct load_job *)engine_job_new(
		h, sizeof(*j), &load_ops, m->job, &m->key, &m->image);
	struct err err;

	if (!j)
		return;
	j->job.wants_image = true;
	buf_init(&j->config, IMAGE_CONFIG_MAX);
	if (take_layers(j, &m->diff_ids, m->there, &err) != 0 ||
		tag_list_take(&j->tags, h, j->job.key, &m->tags, &err) != 0) {
		load_job_fail(j, &err);
		return;
	}
	engine_replay_start(h);
	engine_job_wait(&j->job, go);
}
