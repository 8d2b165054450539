/*
 * Owns the table of jobs and blobs that a sender has open. Happy path: offer, blobs begun in order
 * of their numbers, names gathered as they are asked about, blobs ended, commit. Failure modes:
 * every message that does not fit what came before, and every number past its limit, is an error
 * with the message's name; nothing is half-taken.
 */
#include "protocol/receiver.h"

#include "protocol/limits.h"
#include "protocol/number_set.h"
#include "protocol/receiver_check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 16u

enum job_kind { JOB_IMAGE, JOB_TREE, JOB_CALL, JOB_BACKUP, JOB_RESTORE };

struct job {
	uint32_t number;
	enum job_kind kind;
	uint32_t blobs; /* begun so far */
	size_t recipes; /* recipe chunks named so far */
	bool committed;
};

struct receiver {
	struct job
		jobs[JOBS_MAX]; /* the open ones, and failed ones that the sender may not know of */
	size_t n_jobs;
	uint32_t next_job, next_blob;
	struct receiver_blob *blobs[BLOBS_OPEN_MAX];
	size_t n_blobs;
	size_t recipes;		    /* recipe chunks named by the open jobs */
	size_t questions;	    /* taken and not answered */
	struct number_set segments; /* that came, over whatever lane */
	uint64_t stored;	    /* all up to this one are */
	size_t in_flight;
};

struct receiver *receiver_new(void)
{
	return calloc(1, sizeof(struct receiver));
}

void receiver_free(struct receiver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_blobs; i++)
		free(r->blobs[i]);
	free(r);
}

static void drop_blob(struct receiver *r, size_t i)
{
	free(r->blobs[i]);
	r->blobs[i] = r->blobs[--r->n_blobs];
}

static void forget_job(struct receiver *r, struct job *job)
{
	for (size_t i = r->n_blobs; i-- > 0;) {
		if (r->blobs[i]->job == job->number)
			drop_blob(r, i);
	}
	r->recipes -= job->recipes;
	*job = r->jobs[--r->n_jobs];
}

/* An ended blob has served: it is dropped when the next message comes. */
static void drop_ended(struct receiver *r)
{
	for (size_t i = r->n_blobs; i-- > 0;) {
		if (r->blobs[i]->ended)
			drop_blob(r, i);
	}
}

static int refuse(struct err *err, const struct message *m, const char *why)
{
	return err_set(err, ERR_PROTOCOL, "%s: %s", message_name(m->type), why);
}

static struct job *find_job(struct receiver *r, uint32_t number)
{
	for (size_t i = 0; i < r->n_jobs; i++) {
		if (r->jobs[i].number == number)
			return &r->jobs[i];
	}
	return NULL;
}

static struct receiver_blob *find_blob(const struct receiver *r, uint32_t number)
{
	for (size_t i = 0; i < r->n_blobs; i++) {
		if (r->blobs[i]->number == number)
			return r->blobs[i];
	}
	return NULL;
}

static int check_job(
	const struct receiver *r, const struct message *m, uint32_t number, struct err *err)
{
	if (number != r->next_job)
		return refuse(err, m, "job out of order");
	if (r->n_jobs == JOBS_MAX)
		return refuse(err, m, "too many jobs at once");
	return 0;
}

static void open_job(struct receiver *r, enum job_kind kind)
{
	r->jobs[r->n_jobs++] = (struct job){ .number = r->next_job++, .kind = kind };
}

/* A message that begins a job. */
static int take_opening(
	struct receiver *r, const struct message *m, enum job_kind kind, struct err *err)
{
	/* All of them begin with the job. */
	if (check_job(r, m, m->image_offer.job, err) != 0 || receiver_check(m, err) != 0)
		return -1;
	open_job(r, kind);
	return 0;
}

/* RESTORE_PART and RESTORE_DONE. */
static int take_restore_step(
	struct receiver *r, const struct message *m, uint32_t number, struct err *err)
{
	const struct job *job = find_job(r, number);

	return job && job->kind == JOB_RESTORE ? 0 : refuse(err, m, "no such open job");
}

static int take_commit(struct receiver *r, const struct message *m, uint32_t number,
	enum job_kind kind, struct err *err)
{
	struct job *job = find_job(r, number);

	if (!job || job->committed || job->kind != kind)
		return refuse(err, m, "no such open job");
	for (size_t b = 0; b < r->n_blobs; b++) {
		if (r->blobs[b]->job == job->number && !r->blobs[b]->ended)
			return refuse(err, m, "a blob of the job is not ended");
	}
	job->committed = true;
	return 0;
}

/* The sender gives a job up, or has heard that it failed. */
static int take_fail(struct receiver *r, const struct message *m, struct err *err)
{
	struct job *job = find_job(r, m->fail.job);

	if (!job)
		return refuse(err, m, "no such open job");
	forget_job(r, job);
	return 0;
}

static bool fits_job(const struct job *job, uint8_t role)
{
	bool tree = role == ROLE_TREE, image = role == ROLE_LAYER || role == ROLE_CONFIG;

	return (tree && job->kind != JOB_IMAGE) || (image && job->kind != JOB_TREE);
}

static int take_begin(struct receiver *r, const struct message *m, struct receiver_blob **ret_blob,
	struct err *err)
{
	const struct msg_blob_begin *b = &m->blob_begin;
	struct job *job = find_job(r, b->job);
	struct receiver_blob *blob;

	if (!job || job->committed || job->kind == JOB_CALL || job->kind == JOB_RESTORE)
		return refuse(err, m, "no such open job");
	if (b->blob != r->next_blob)
		return refuse(err, m, "blob out of order");
	if (r->n_blobs == BLOBS_OPEN_MAX || job->blobs == JOB_BLOBS_MAX)
		return refuse(err, m, "too many blobs");
	if (!fits_job(job, b->role))
		return refuse(err, m, "unknown role");
	if (b->flags & ~(BLOB_DIGEST_KNOWN | BLOB_SIZE_KNOWN))
		return refuse(err, m, "unknown flags");
	if (b->role == ROLE_CONFIG && !(b->flags & BLOB_SIZE_KNOWN))
		return refuse(err, m, "a config without its size");
	if (b->role == ROLE_TREE && b->flags != 0)
		return refuse(err, m, "a tree with its size or name");
	if (!(b->flags & BLOB_SIZE_KNOWN) && b->size != 0)
		return refuse(err, m, "a size that is not known");
	if ((b->flags & BLOB_SIZE_KNOWN && b->size > BLOB_SIZE_MAX) ||
		(b->role == ROLE_CONFIG && b->size > IMAGE_CONFIG_MAX))
		return refuse(err, m, "the blob is too large");
	blob = calloc(1, sizeof(*blob));
	if (!blob)
		return err_nomem(err);
	*blob = (struct receiver_blob){ .job = b->job,
		.number = b->blob,
		.role = (enum blob_role)b->role,
		.digest_known = b->flags & BLOB_DIGEST_KNOWN,
		.digest = b->digest,
		.size = b->flags & BLOB_SIZE_KNOWN ? b->size : UINT64_MAX };
	r->next_blob++;
	job->blobs++;
	r->blobs[r->n_blobs++] = blob;
	*ret_blob = blob;
	return 0;
}

/* The names of a blob are kept until it is rebuilt: they are what a sender can fill memory with. */
static int count_names(struct receiver *r, struct receiver_blob *blob, enum recipe_stream stream,
	uint32_t n, struct err *err)
{
	struct job *job = find_job(r, blob->job);

	if (n > RECIPES_MAX - blob->n_recipes[stream] || n > SESSION_RECIPES_MAX - r->recipes)
		return err_set(err, ERR_LIMIT, "blob %u has too many recipe chunks", blob->number);
	assert(job); /* a job's blobs go with it */
	blob->n_recipes[stream] += n;
	job->recipes += n;
	r->recipes += n;
	return 0;
}

static int take_recipes(struct receiver *r, const struct message *m,
	struct receiver_blob **ret_blob, struct err *err)
{
	const struct msg_ask_recipes *a = &m->ask_recipes;
	struct receiver_blob *blob = find_blob(r, a->blob);

	if (!blob || blob->ended)
		return refuse(err, m, "no such open blob");
	if (a->stream > STREAM_SKELETON || a->flags & ~ASK_NO_ANSWER)
		return refuse(err, m, "unknown stream or flags");
	if (a->names.n == 0 || a->names.n > ASK_RECIPES_MAX)
		return refuse(err, m, "no names or too many");
	if (count_names(r, blob, (enum recipe_stream)a->stream, a->names.n, err) != 0)
		return -1;
	*ret_blob = blob;
	return 0;
}

static int take_chunks(struct receiver *r, const struct message *m, uint32_t number, uint32_t n,
	uint32_t max, struct receiver_blob **ret_blob, struct err *err)
{
	struct receiver_blob *blob = find_blob(r, number);

	if (!blob || blob->ended)
		return refuse(err, m, "no such open blob");
	if (n == 0 || n > max)
		return refuse(err, m, "no names or too many");
	*ret_blob = blob;
	return 0;
}

static int take_end(struct receiver *r, const struct message *m, struct receiver_blob **ret_blob,
	struct err *err)
{
	const struct msg_blob_end *e = &m->blob_end;
	struct receiver_blob *blob = find_blob(r, e->blob);

	if (!blob || blob->ended)
		return refuse(err, m, "no such open blob");
	if (e->main_recipes != blob->n_recipes[STREAM_MAIN] ||
		e->skeleton_recipes != blob->n_recipes[STREAM_SKELETON])
		return refuse(err, m, "the number of recipe chunks differs");
	if (blob->size != UINT64_MAX && e->size != blob->size)
		return refuse(err, m, "another size than BLOB_BEGIN said");
	if (e->size > BLOB_SIZE_MAX)
		return refuse(err, m, "the blob is too large");
	if (e->last_segment > r->stored && e->last_segment - r->stored > SEGMENTS_AHEAD_MAX)
		return refuse(err, m, "a last segment that cannot have been sent");
	if (blob->digest_known && !digest_equal(&blob->digest, &e->digest))
		return refuse(err, m, "another digest than BLOB_BEGIN named");
	blob->digest = e->digest;
	blob->digest_known = true;
	blob->size = e->size;
	blob->last_segment = e->last_segment;
	blob->ended = true;
	*ret_blob = blob;
	return 0;
}

static int take_segment(struct receiver *r, const struct message *m, struct err *err)
{
	if (m->segment.number == 0)
		return refuse(err, m, "numbers begin at 1");
	if (m->segment.record.n > SEGMENT_RECORD_MAX ||
		m->segment.record.n > IN_FLIGHT_MAX - r->in_flight)
		return refuse(err, m, "more bytes in flight than allowed");
	/* Counted from what is stored, so that whoever stores them need not look further ahead. */
	if (m->segment.number - r->stored > SEGMENTS_AHEAD_MAX ||
		!number_set_add(&r->segments, m->segment.number))
		return refuse(err, m, "a number too far ahead");
	r->in_flight += m->segment.record.n;
	return 0;
}

/* Counts a question that somebody has to answer. */
static int count_question(struct receiver *r, const struct message *m, struct err *err)
{
	if (r->questions == ASK_OPEN_MAX)
		return refuse(err, m, "too many questions without waiting for answers");
	r->questions++;
	return 0;
}

bool receiver_has_segment(const struct receiver *r, uint64_t number)
{
	return number > 0 && number_set_has(&r->segments, number);
}

int receiver_take(struct receiver *r, const struct message *m, struct receiver_blob **ret_blob,
	struct err *err)
{
	*ret_blob = NULL;
	drop_ended(r);
	if (m->type == MSG_FAIL)
		return take_fail(r, m, err);
	if (m->type == MSG_IMAGE_OFFER)
		return take_opening(r, m, JOB_IMAGE, err);
	if (m->type == MSG_MIGRATE || m->type == MSG_SNAPSHOTS || m->type == MSG_FORGET)
		return take_opening(r, m, JOB_CALL, err);
	if (m->type == MSG_TREE_OFFER)
		return take_opening(r, m, JOB_TREE, err);
	if (m->type == MSG_BACKUP_OFFER)
		return take_opening(r, m, JOB_BACKUP, err);
	if (m->type == MSG_RESTORE)
		return take_opening(r, m, JOB_RESTORE, err);
	if (m->type == MSG_IMAGE_COMMIT)
		return take_commit(r, m, m->image_commit.job, JOB_IMAGE, err);
	if (m->type == MSG_TREE_COMMIT)
		return take_commit(r, m, m->tree_commit.job, JOB_TREE, err);
	if (m->type == MSG_BACKUP_COMMIT)
		return receiver_check(m, err) != 0
			       ? -1
			       : take_commit(r, m, m->backup_commit.job, JOB_BACKUP, err);
	if (m->type == MSG_RESTORE_PART)
		return take_restore_step(r, m, m->restore_part.job, err);
	if (m->type == MSG_RESTORE_DONE)
		return take_restore_step(r, m, m->restore_done.job, err);
	if (m->type == MSG_BLOB_BEGIN)
		return take_begin(r, m, ret_blob, err);
	if (m->type == MSG_BLOB_END)
		return take_end(r, m, ret_blob, err);
	if (m->type == MSG_SEGMENT)
		return take_segment(r, m, err);
	if (m->type == MSG_ASK_RECIPES) {
		if (!(m->ask_recipes.flags & ASK_NO_ANSWER) && count_question(r, m, err) != 0)
			return -1;
		return take_recipes(r, m, ret_blob, err);
	}
	if (m->type == MSG_ASK_CHUNKS) {
		if (count_question(r, m, err) != 0)
			return -1;
		return take_chunks(r, m, m->ask_chunks.blob, m->ask_chunks.names.n, ASK_CHUNKS_MAX,
			ret_blob, err);
	}
	if (m->type == MSG_ASK_CHUNKS_FULL) {
		if (count_question(r, m, err) != 0)
			return -1;
		return take_chunks(r, m, m->ask_chunks_full.blob, m->ask_chunks_full.names.n,
			ASK_CHUNKS_FULL_MAX, ret_blob, err);
	}
	return refuse(err, m, "not a message for a receiver");
}

void receiver_answered(struct receiver *r)
{
	assert(r->questions > 0);
	r->questions--;
}

void receiver_stored(struct receiver *r, uint64_t number, size_t record_len)
{
	assert(record_len <= r->in_flight);
	r->in_flight -= record_len;
	r->stored = number;
}

void receiver_close_job(struct receiver *r, uint32_t number)
{
	struct job *job = find_job(r, number);

	if (job)
		forget_job(r, job);
}
