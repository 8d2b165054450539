/*
 * Owns the questions of a session. Happy path: batch -> `unasked` -> ASK_RECIPES -> `asked` ->
 * TELL_RECIPES -> (whole? freed) ASK_CHUNKS -> `listed` -> TELL_CHUNKS -> pack. The receiver
 * answers in order, so each list is a queue and an answer belongs to its front. Failure modes: an
 * answer that does not fit the front is the peer's error; running out of memory ends the session.
 */
#include "protocol/sender.h"

#include "protocol/limits.h"
#include "protocol/name_set.h"
#include "protocol/question.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct sent_blob {
	uint32_t job;
	uint32_t open;	     /* batches not settled */
	uint32_t recipes[2]; /* batches so far, by stream */
	struct digest digest;
	uint64_t size;
	bool eager, ended, flushing, finished;
};

struct sender {
	struct sender_ops ops;
	void *ctx;
	bool full_names, nothing_there;
	struct question_list unasked, asked, listed;
	struct name_set sent;
	struct sent_blob *blobs;
	uint32_t first_blob; /* the number of blobs[0] */
	uint32_t n_blobs, cap_blobs;
};

struct sender *sender_new(
	const struct sender_ops *ops, void *ctx, bool full_names, uint32_t first_blob)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = *ops;
	s->ctx = ctx;
	s->full_names = full_names;
	s->first_blob = first_blob;
	question_list_init(&s->unasked);
	question_list_init(&s->asked);
	question_list_init(&s->listed);
	name_set_init(&s->sent);
	return s;
}

void sender_assume_nothing(struct sender *s)
{
	s->nothing_there = true;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	question_list_drop(&s->unasked);
	question_list_drop(&s->asked);
	question_list_drop(&s->listed);
	name_set_done(&s->sent);
	free(s->blobs);
	free(s);
}

/* NULL: not begun here. */
static struct sent_blob *find_blob(const struct sender *s, uint32_t number)
{
	if (number < s->first_blob || number - s->first_blob >= s->n_blobs)
		return NULL;
	return &s->blobs[number - s->first_blob];
}

size_t sender_waiting(const struct sender *s)
{
	return s->unasked.n + s->asked.n + s->listed.n;
}

int sender_begin(struct sender *s, uint32_t job, uint32_t blob, enum blob_role role,
	const struct digest *digest, uint64_t size, struct err *err)
{
	struct message m = { .type = MSG_BLOB_BEGIN };
	struct sent_blob *bigger;

	if (blob != s->first_blob + s->n_blobs)
		return err_set(err, ERR_FAILED, "blob %u begun out of order", blob);
	if (s->n_blobs == s->cap_blobs) {
		uint32_t cap = s->cap_blobs ? s->cap_blobs * 2 : 16;

		bigger = reallocarray(s->blobs, cap, sizeof(*bigger));
		if (!bigger)
			return err_nomem(err);
		s->blobs = bigger;
		s->cap_blobs = cap;
	}
	s->blobs[s->n_blobs++] = (struct sent_blob){ .job = job,
		.eager = s->nothing_there || size <= SENDER_EAGER_MAX };
	m.blob_begin.job = job;
	m.blob_begin.blob = blob;
	m.blob_begin.role = (uint8_t)role;
	if (digest) {
		m.blob_begin.flags |= BLOB_DIGEST_KNOWN;
		m.blob_begin.digest = *digest;
	}
	if (size != UINT64_MAX) {
		m.blob_begin.flags |= BLOB_SIZE_KNOWN;
		m.blob_begin.size = size;
	}
	return s->ops.send(s->ctx, &m, err);
}

int sender_batch(struct sender *s, uint32_t blob, struct batch *b, struct err *err)
{
	struct sent_blob *to = find_blob(s, blob);
	struct question *q;

	if (!to || to->ended) {
		batch_free(b);
		return err_set(err, ERR_FAILED, "batch of blob %u that is not open", blob);
	}
	q = question_new(blob, b);
	if (!q) {
		batch_free(b);
		return err_nomem(err);
	}
	to->open++;
	to->recipes[b->stream]++;
	question_list_add(&s->unasked, q);
	return 0;
}

/* A blob whose last batch is settled is flushed once. */
static void settle(struct sender *s, uint32_t number)
{
	struct sent_blob *blob = find_blob(s, number);

	if (!blob->ended || blob->open > 0 || blob->flushing)
		return;
	blob->flushing = true;
	s->ops.flush(s->ctx, number);
}

static void settle_batch(struct sender *s, struct question *q, bool whole)
{
	struct sender_parcel *p = q->parcel;
	uint32_t blob = p->blob;

	q->parcel = NULL;
	question_free(q);
	find_blob(s, blob)->open--;
	s->ops.settled(s->ctx, blob, p->batch, whole);
	if (whole)
		sender_parcel_free(p);
	else
		s->ops.pack(s->ctx, p);
	settle(s, blob);
}

/* Marks the chunks of the batch that were not sent before as wanted, and as sent. Returns how many.
 */
static uint32_t claim_chunks(struct sender *s, struct sender_parcel *p)
{
	uint32_t n = 0;

	for (size_t i = 0; i < p->batch->n_chunks; i++) {
		uint64_t name = digest_short(&p->batch->chunks[i].name);

		p->wanted[i] = !name_set_has(&s->sent, name);
		name_set_add(&s->sent, name);
		n += p->wanted[i];
	}
	return n;
}

static void claim_recipe(struct sender *s, struct sender_parcel *p)
{
	uint64_t name = digest_short(&p->batch->name);

	p->recipe_wanted = !name_set_has(&s->sent, name);
	name_set_add(&s->sent, name);
}

/*
 * Batches are packed in the order in which they claimed their chunks, so that a chunk claimed by an
 * earlier batch is always in an earlier segment: one that needs no answer waits behind those that
 * do.
 */
static void settle_front(struct sender *s)
{
	while (s->listed.first && s->listed.first->n_asked == 0)
		settle_batch(s, question_list_take(&s->listed), false);
}

/* --- asking --- */

/* Sends one ASK_RECIPES for the first run of questions with one blob and stream, and moves them on.
 */
static int ask_run(struct sender *s, struct digest names[ASK_RECIPES_MAX], struct err *err)
{
	struct sender_parcel *front = s->unasked.first->parcel;
	uint32_t blob = front->blob, n = 0;
	enum recipe_stream stream = front->batch->stream;
	bool eager = find_blob(s, blob)->eager;
	struct question_list run;
	struct message m = { .type = MSG_ASK_RECIPES };

	question_list_init(&run);
	while (s->unasked.first && n < ASK_RECIPES_MAX && s->unasked.first->parcel->blob == blob &&
		s->unasked.first->parcel->batch->stream == stream) {
		struct question *q = question_list_take(&s->unasked);

		names[n++] = q->parcel->batch->name;
		question_list_add(&run, q);
	}
	m.ask_recipes.blob = blob;
	m.ask_recipes.stream = (uint8_t)stream;
	m.ask_recipes.flags = eager ? ASK_NO_ANSWER : 0;
	m.ask_recipes.names = (wire_digests){ .at = names, .n = n };
	if (s->ops.send(s->ctx, &m, err) != 0) {
		question_list_drop(&run);
		return -1;
	}
	while (run.first) {
		struct question *q = question_list_take(&run);

		if (!eager) {
			question_list_add(&s->asked, q);
			continue;
		}
		claim_recipe(s, q->parcel);
		claim_chunks(s, q->parcel);
		question_list_add(&s->listed, q);
	}
	settle_front(s);
	return 0;
}

int sender_ask(struct sender *s, struct err *err)
{
	struct digest *names;
	int r = 0;

	if (!s->unasked.first)
		return 0;
	names = malloc(ASK_RECIPES_MAX * sizeof(*names));
	if (!names)
		return err_nomem(err);
	while (r == 0 && s->unasked.first)
		r = ask_run(s, names, err);
	free(names);
	return r;
}

static int send_chunk_question(
	struct sender *s, const struct sender_parcel *p, uint32_t n, struct err *err)
{
	struct message m = { 0 };
	struct buf names;
	int r;

	buf_init(&names, (size_t)RECIPE_OPS_MAX * DIGEST_LEN);
	for (size_t i = 0; i < p->batch->n_chunks; i++) {
		const struct digest *name = &p->batch->chunks[i].name;

		if (!p->wanted[i])
			continue;
		if (s->full_names)
			buf_append(&names, name->bytes, DIGEST_LEN);
		else
			buf_u64(&names, digest_short(name));
	}
	if (!buf_ok(&names)) {
		buf_done(&names);
		return err_nomem(err);
	}
	if (s->full_names) {
		m.type = MSG_ASK_CHUNKS_FULL;
		m.ask_chunks_full.blob = p->blob;
		m.ask_chunks_full.names = (wire_digests){
			.at = (const struct digest *)buf_bytes(&names), .n = n
		};
	} else {
		m.type = MSG_ASK_CHUNKS;
		m.ask_chunks.blob = p->blob;
		m.ask_chunks.names = (wire_shorts){ .raw = buf_bytes(&names), .n = n };
	}
	r = s->ops.send(s->ctx, &m, err);
	buf_done(&names);
	return r;
}

/* The receiver lacks something of this batch: asks about the chunks that were not sent already. */
static int ask_chunks(struct sender *s, struct question *q, struct err *err)
{
	claim_recipe(s, q->parcel);
	q->n_asked = claim_chunks(s, q->parcel);
	if (q->n_asked > 0 && send_chunk_question(s, q->parcel, q->n_asked, err) != 0) {
		question_free(q);
		return -1;
	}
	question_list_add(&s->listed, q);
	settle_front(s);
	return 0;
}

/* --- answers --- */

static bool bit(const wire_bytes *bits, uint32_t i)
{
	return bits->p[i / 8] >> (i % 8) & 1;
}

static int take_recipes(struct sender *s, const struct msg_tell_recipes *m, struct err *err)
{
	if (m->n == 0 || m->n > s->asked.n || m->have.n != (m->n + 7) / 8)
		return err_set(err, ERR_PROTOCOL, "TELL_RECIPES answers %u of %zu questions", m->n,
			s->asked.n);
	for (uint32_t i = 0; i < m->n; i++) {
		const struct sender_parcel *p = s->asked.first->parcel;
		struct question *q;

		if (p->blob != m->blob || p->batch->stream != m->stream)
			return err_set(
				err, ERR_PROTOCOL, "TELL_RECIPES for another blob than asked");
		q = question_list_take(&s->asked);
		if (bit(&m->have, i))
			settle_batch(s, q, true);
		else if (ask_chunks(s, q, err) != 0)
			return -1;
	}
	return 0;
}

static int take_chunks(struct sender *s, const struct msg_tell_chunks *m, struct err *err)
{
	struct question *q = s->listed.first;
	uint32_t asked = 0;

	assert(!q || q->n_asked > 0);
	if (!q || q->parcel->blob != m->blob || q->n_asked != m->n || m->have.n != (m->n + 7) / 8)
		return err_set(err, ERR_PROTOCOL, "TELL_CHUNKS does not fit what was asked");
	for (size_t i = 0; i < q->parcel->batch->n_chunks; i++) {
		if (q->parcel->wanted[i] && bit(&m->have, asked++))
			q->parcel->wanted[i] = 0;
	}
	q->n_asked = 0;
	settle_front(s);
	return 0;
}

int sender_take(struct sender *s, const struct message *m, struct err *err)
{
	struct sent_blob *blob;

	if (m->type == MSG_TELL_RECIPES)
		return take_recipes(s, &m->tell_recipes, err);
	if (m->type == MSG_TELL_CHUNKS)
		return take_chunks(s, &m->tell_chunks, err);
	if (m->type != MSG_BLOB_DONE)
		return err_set(err, ERR_PROTOCOL, "%s is no answer", message_name(m->type));
	blob = find_blob(s, m->blob_done.blob);
	if (!blob || !blob->ended || blob->finished || m->blob_done.outcome > BLOB_DAMAGED)
		return err_set(err, ERR_PROTOCOL, "BLOB_DONE for blob %u that is not ended",
			m->blob_done.blob);
	blob->finished = true;
	s->ops.done(s->ctx, m->blob_done.blob, (enum blob_outcome)m->blob_done.outcome);
	return 0;
}

/* --- ending --- */

int sender_end(struct sender *s, uint32_t blob, const struct digest *digest, uint64_t size,
	struct err *err)
{
	struct sent_blob *b = find_blob(s, blob);

	if (!b || b->ended)
		return err_set(err, ERR_FAILED, "blob %u ended twice", blob);
	if (sender_ask(s, err) != 0)
		return -1;
	b->digest = *digest;
	b->size = size;
	b->ended = true;
	settle(s, blob);
	return 0;
}

int sender_flushed(struct sender *s, uint32_t blob, uint64_t last_segment, struct err *err)
{
	const struct sent_blob *b = find_blob(s, blob);
	struct message m = { .type = MSG_BLOB_END };

	m.blob_end.blob = blob;
	m.blob_end.digest = b->digest;
	m.blob_end.size = b->size;
	m.blob_end.main_recipes = b->recipes[STREAM_MAIN];
	m.blob_end.skeleton_recipes = b->recipes[STREAM_SKELETON];
	m.blob_end.last_segment = last_segment;
	return s->ops.send(s->ctx, &m, err);
}
