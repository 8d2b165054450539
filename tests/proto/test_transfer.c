/* A sender and a receiver joined by their messages alone: what is asked, what is sent, and in which
 * order. */
#include "common/chunk/kind.h"
#include "protocol/limits.h"
#include "protocol/receiver.h"
#include "protocol/sender.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 4096

/* The receiving end: a set of names, and what was asked. */
struct world {
	struct sender *sender;
	struct receiver *receiver;
	struct digest have[NAMES_MAX];
	size_t n_have;
	struct digest packed[NAMES_MAX]; /* names given to `pack`, in order */
	size_t n_packed;
	size_t recipes_asked, chunks_asked, full_asked, asked_bytes;
	size_t skipped, flushed, done;
	uint64_t last_segment;
	struct buf kept;
	enum blob_outcome outcome;
	struct err err;
};

static bool has(const struct world *w, const struct digest *name)
{
	for (size_t i = 0; i < w->n_have; i++) {
		if (digest_equal(&w->have[i], name))
			return true;
	}
	return false;
}

static bool has_short(const struct world *w, uint64_t name)
{
	for (size_t i = 0; i < w->n_have; i++) {
		if (digest_short(&w->have[i]) == name)
			return true;
	}
	return false;
}

static void answer(struct world *w, const struct message *m)
{
	uint8_t bits[ASK_RECIPES_MAX / 8] = { 0 };
	struct message a = { 0 };

	receiver_answered(w->receiver);
	if (m->type == MSG_ASK_RECIPES) {
		for (uint32_t i = 0; i < m->ask_recipes.names.n; i++)
			bits[i / 8] |= (uint8_t)(has(w, &m->ask_recipes.names.at[i]) << (i % 8));
		a.type = MSG_TELL_RECIPES;
		a.tell_recipes.blob = m->ask_recipes.blob;
		a.tell_recipes.stream = m->ask_recipes.stream;
		a.tell_recipes.n = m->ask_recipes.names.n;
		a.tell_recipes.have = (wire_bytes){ .p = bits, .n = (a.tell_recipes.n + 7) / 8 };
	} else if (m->type == MSG_ASK_CHUNKS_FULL) {
		for (uint32_t i = 0; i < m->ask_chunks_full.names.n; i++)
			bits[i / 8] |= (uint8_t)(has(w, &m->ask_chunks_full.names.at[i])
						 << (i % 8));
		a.type = MSG_TELL_CHUNKS;
		a.tell_chunks.blob = m->ask_chunks_full.blob;
		a.tell_chunks.n = m->ask_chunks_full.names.n;
		a.tell_chunks.have = (wire_bytes){ .p = bits, .n = (a.tell_chunks.n + 7) / 8 };
	} else {
		for (uint32_t i = 0; i < m->ask_chunks.names.n; i++)
			bits[i / 8] |= (uint8_t)(has_short(w, wire_short(&m->ask_chunks.names, i))
						 << (i % 8));
		a.type = MSG_TELL_CHUNKS;
		a.tell_chunks.blob = m->ask_chunks.blob;
		a.tell_chunks.n = m->ask_chunks.names.n;
		a.tell_chunks.have = (wire_bytes){ .p = bits, .n = (a.tell_chunks.n + 7) / 8 };
	}
	assert_ok(sender_take(w->sender, &a, &w->err), &w->err);
}

/* Over the wire and back: what is sent is what a receiver parses. */
static int on_send(void *ctx, const struct message *m, struct err *err)
{
	struct world *w = ctx;
	struct receiver_blob *blob;
	struct message got;
	struct buf bytes;

	buf_init(&bytes, 1 << 20);
	message_put(&bytes, m);
	w->asked_bytes += buf_len(&bytes);
	assert_ok(message_parse(m->type, buf_bytes(&bytes), buf_len(&bytes), &got, err), err);
	assert_ok(receiver_take(w->receiver, &got, &blob, err), err);
	if (m->type == MSG_ASK_RECIPES)
		w->recipes_asked += m->ask_recipes.names.n;
	if (m->type == MSG_ASK_CHUNKS)
		w->chunks_asked += m->ask_chunks.names.n;
	if (m->type == MSG_ASK_CHUNKS_FULL)
		w->full_asked += m->ask_chunks_full.names.n;
	if ((m->type == MSG_ASK_RECIPES && !(m->ask_recipes.flags & ASK_NO_ANSWER)) ||
		m->type == MSG_ASK_CHUNKS || m->type == MSG_ASK_CHUNKS_FULL) {
		buf_u8(&w->kept, (uint8_t)m->type);
		buf_u32(&w->kept, (uint32_t)buf_len(&bytes));
		buf_append(&w->kept, buf_bytes(&bytes), buf_len(&bytes));
	}
	buf_done(&bytes);
	return 0;
}

/* Answers the oldest question that is kept. */
static bool answer_one(struct world *w)
{
	struct cursor c = cursor_over(buf_bytes(&w->kept), buf_len(&w->kept));
	uint8_t body[70000];
	struct message m;
	uint8_t type;
	uint32_t n;

	if (c.left == 0)
		return false;
	type = cursor_u8(&c);
	n = cursor_u32(&c);
	cursor_copy(&c, body, n);
	buf_consume(&w->kept, 5 + n);
	assert_ok(message_parse(type, body, n, &m, &w->err), &w->err);
	answer(w, &m);
	return true;
}

static void answer_all(struct world *w)
{
	while (answer_one(w))
		;
}

static void on_pack(void *ctx, struct sender_parcel *p)
{
	struct world *w = ctx;

	if (p->recipe_wanted)
		w->packed[w->n_packed++] = p->batch->name;
	for (size_t i = 0; i < p->batch->n_chunks; i++) {
		if (p->wanted[i])
			w->packed[w->n_packed++] = p->batch->chunks[i].name;
	}
	sender_parcel_free(p);
}

static void on_settled(void *ctx, uint32_t blob, const struct batch *b, bool skipped)
{
	struct world *w = ctx;

	(void)blob;
	(void)b;
	w->skipped += skipped;
}

static void on_flush(void *ctx, uint32_t blob)
{
	struct world *w = ctx;

	w->flushed++;
	assert_ok(sender_flushed(w->sender, blob, w->last_segment, &w->err), &w->err);
}

static void on_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	struct world *w = ctx;

	(void)blob;
	w->done++;
	w->outcome = outcome;
}

static const struct sender_ops ops = {
	.send = on_send, .pack = on_pack, .settled = on_settled, .flush = on_flush, .done = on_done
};

static void offer(struct world *w, uint32_t job)
{
	struct message m = { .type = MSG_IMAGE_OFFER, .image_offer = { .job = job } };
	struct receiver_blob *blob;

	assert_ok(receiver_take(w->receiver, &m, &blob, &w->err), &w->err);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->sender = sender_new(&ops, w, false, 0);
	w->receiver = receiver_new();
	buf_init(&w->kept, 1 << 24);
	offer(w, 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	sender_free(w->sender);
	receiver_free(w->receiver);
	buf_done(&w->kept);
	free(w);
	return 0;
}

/* A batch of n chunks named after numbers from `first` on. */
static struct batch *batch_of(unsigned first, size_t n)
{
	/* One block, as batch_free wants it. */
	struct batch *b = calloc(1, sizeof(*b) + n * sizeof(*b->chunks) + n + 1);
	char text[32];

	b->chunks = (struct batch_chunk *)(b + 1);
	b->data = (uint8_t *)(b->chunks + n);
	b->recipe = b->data + n;
	b->recipe_len = 1;
	b->n_chunks = n;
	b->data_len = n;
	b->span = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "chunk %zu", first + i);
		b->chunks[i].name = digest_of(text, strlen(text));
		b->chunks[i].offset = (uint32_t)i;
		b->chunks[i].len = 1;
		b->chunks[i].kind = CHUNK_DATA;
	}
	snprintf(text, sizeof(text), "recipe %u %zu", first, n);
	b->name = digest_of(text, strlen(text));
	return b;
}

static void begin(struct world *w, uint32_t blob, uint64_t size)
{
	assert_ok(sender_begin(w->sender, 0, blob, ROLE_LAYER, NULL, size, &w->err), &w->err);
}

static void give(struct world *w, uint32_t blob, unsigned first, size_t n)
{
	assert_ok(sender_batch(w->sender, blob, batch_of(first, n), &w->err), &w->err);
}

static void end(struct world *w, uint32_t blob, uint64_t size)
{
	struct digest d = digest_of("blob", 4);

	assert_ok(sender_end(w->sender, blob, &d, size, &w->err), &w->err);
}

#define LARGE (SENDER_EAGER_MAX + 1u)

static void a_receiver_that_has_nothing_is_sent_everything_once(void **state)
{
	struct world *w = *state;

	begin(w, 0, LARGE);
	give(w, 0, 0, 100);
	give(w, 0, 100, 100);
	end(w, 0, LARGE);
	answer_all(w);
	assert_int_equal(w->recipes_asked, 2);
	assert_int_equal(w->chunks_asked, 200);
	assert_int_equal(w->n_packed, 202);
	assert_int_equal(w->flushed, 1);
}

static void a_receiver_that_has_the_recipes_is_asked_about_nothing_else(void **state)
{
	struct world *w = *state;
	struct batch *b = batch_of(0, 400);

	w->have[w->n_have++] = b->name;
	batch_free(b);
	begin(w, 0, LARGE);
	give(w, 0, 0, 400);
	end(w, 0, LARGE);
	answer_all(w);
	assert_int_equal(w->chunks_asked, 0);
	assert_int_equal(w->n_packed, 0);
	assert_int_equal(w->skipped, 1);
	assert_int_equal(w->flushed, 1);
	/* The protocol's own bytes for an unchanged blob of N chunks stay under N. */
	assert_true(w->asked_bytes < 400);
}

static void only_the_chunks_that_are_missing_are_packed(void **state)
{
	struct world *w = *state;
	struct batch *b = batch_of(0, 50);

	for (size_t i = 0; i < 50; i += 2)
		w->have[w->n_have++] = b->chunks[i].name;
	begin(w, 0, LARGE);
	give(w, 0, 0, 50);
	end(w, 0, LARGE);
	answer_all(w);
	assert_int_equal(w->n_packed, 1 + 25);
	assert_true(digest_equal(&w->packed[0], &b->name));
	assert_true(digest_equal(&w->packed[1], &b->chunks[1].name));
	batch_free(b);
}

static void a_chunk_named_by_two_batches_is_asked_about_and_sent_once(void **state)
{
	struct world *w = *state;

	begin(w, 0, LARGE);
	give(w, 0, 0, 60);
	give(w, 0, 30, 60);
	end(w, 0, LARGE);
	answer_all(w);
	assert_int_equal(w->chunks_asked, 90);
	assert_int_equal(w->n_packed, 92);
}

static void a_blob_is_not_ended_before_what_it_shares_with_an_earlier_one_is_packed(void **state)
{
	struct world *w = *state;

	begin(w, 0, LARGE);
	give(w, 0, 0, 40);
	end(w, 0, LARGE);
	begin(w, 1, LARGE);
	give(w, 1, 0, 40);
	end(w, 1, LARGE);
	assert_true(answer_one(w)); /* the recipes of blob 0: its chunks are asked about */
	assert_true(answer_one(w)); /* the recipes of blob 1: all claimed by blob 0 */
	assert_int_equal(w->flushed, 0);
	answer_all(w);
	assert_int_equal(w->flushed, 2);
	assert_int_equal(w->n_packed, 41);
}

static void after_a_collision_chunks_are_asked_about_by_their_whole_names(void **state)
{
	struct world *w = *state;
	struct batch *b = batch_of(0, 50);

	sender_free(w->sender);
	w->sender = sender_new(&ops, w, true, 0);
	for (size_t i = 0; i < 50; i += 2)
		w->have[w->n_have++] = b->chunks[i].name;
	begin(w, 0, LARGE);
	give(w, 0, 0, 50);
	end(w, 0, LARGE);
	answer_all(w);
	assert_int_equal(w->chunks_asked, 0);
	assert_int_equal(w->full_asked, 50);
	assert_int_equal(w->n_packed, 1 + 25);
	batch_free(b);
}

/* Jobs that follow each other in a session have a sender each. */
static void the_next_sender_of_a_session_numbers_its_blobs_on(void **state)
{
	struct world *w = *state;
	struct message m = { .type = MSG_BLOB_DONE };

	begin(w, 0, LARGE);
	give(w, 0, 0, 20);
	end(w, 0, LARGE);
	answer_all(w);
	sender_free(w->sender);
	w->sender = sender_new(&ops, w, false, 1);
	assert_fails(sender_begin(w->sender, 0, 0, ROLE_LAYER, NULL, LARGE, &w->err), &w->err,
		ERR_FAILED);
	begin(w, 1, LARGE);
	give(w, 1, 20, 20);
	end(w, 1, LARGE);
	answer_all(w);
	assert_int_equal(w->flushed, 2);
	assert_int_equal(w->n_packed, 42);
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL); /* of blob 0 */
	m.blob_done.blob = 1;
	assert_ok(sender_take(w->sender, &m, &w->err), &w->err);
	assert_int_equal(w->done, 1);
}

static void a_small_blob_is_sent_without_waiting_for_answers(void **state)
{
	struct world *w = *state;

	begin(w, 0, SENDER_EAGER_MAX);
	give(w, 0, 0, 3);
	end(w, 0, SENDER_EAGER_MAX);
	assert_int_equal(buf_len(&w->kept), 0);
	assert_int_equal(w->n_packed, 4);
	assert_int_equal(w->flushed, 1);
}

static void a_receiver_that_has_nothing_at_all_is_not_asked(void **state)
{
	struct world *w = *state;

	sender_assume_nothing(w->sender);
	begin(w, 0, 100 * SENDER_EAGER_MAX);
	give(w, 0, 0, 3);
	end(w, 0, 100 * SENDER_EAGER_MAX);
	assert_int_equal(buf_len(&w->kept), 0);
	assert_int_equal(w->n_packed, 4);
	assert_int_equal(w->flushed, 1);
}

static void an_empty_blob_is_begun_and_ended(void **state)
{
	struct world *w = *state;

	begin(w, 0, 0);
	end(w, 0, 0);
	assert_int_equal(w->flushed, 1);
	assert_int_equal(w->n_packed, 0);
}

static void a_verdict_is_passed_on_once(void **state)
{
	struct world *w = *state;
	struct message m = { .type = MSG_BLOB_DONE,
		.blob_done = { .blob = 0, .outcome = BLOB_AGAIN } };

	begin(w, 0, 0);
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
	end(w, 0, 0);
	assert_ok(sender_take(w->sender, &m, &w->err), &w->err);
	assert_int_equal(w->outcome, BLOB_AGAIN);
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
}

static void answers_that_nobody_asked_for_are_refused(void **state)
{
	struct world *w = *state;
	uint8_t bits[2] = { 0 };
	struct message m = { .type = MSG_TELL_RECIPES };

	m.tell_recipes.n = 1;
	m.tell_recipes.have = (wire_bytes){ .p = bits, .n = 1 };
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
	begin(w, 0, LARGE);
	give(w, 0, 0, 4);
	end(w, 0, LARGE);
	m.tell_recipes.n = 2; /* one was asked */
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
	m.tell_recipes.n = 1;
	m.tell_recipes.have.n = 2; /* a byte too many */
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
	m.tell_recipes.have.n = 1;
	m.tell_recipes.blob = 1;
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
	m.tell_recipes.blob = 0;
	m.tell_recipes.stream = STREAM_SKELETON;
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
	m.tell_recipes.stream = STREAM_MAIN;
	assert_ok(sender_take(w->sender, &m, &w->err), &w->err);
	m = (struct message){ .type = MSG_TELL_CHUNKS, .tell_chunks = { .blob = 0, .n = 3 } };
	m.tell_chunks.have = (wire_bytes){ .p = bits, .n = 1 };
	assert_fails(sender_take(w->sender, &m, &w->err), &w->err, ERR_PROTOCOL);
}

/* --- what a receiver refuses --- */

static void refuses(struct world *w, const struct message *m)
{
	struct receiver_blob *blob;

	assert_fails(receiver_take(w->receiver, m, &blob, &w->err), &w->err, ERR_PROTOCOL);
}

static void accepts(struct world *w, const struct message *m)
{
	struct receiver_blob *blob;

	assert_ok(receiver_take(w->receiver, m, &blob, &w->err), &w->err);
}

static struct message begin_message(uint32_t job, uint32_t blob)
{
	struct message m = { .type = MSG_BLOB_BEGIN };

	m.blob_begin.job = job;
	m.blob_begin.blob = blob;
	m.blob_begin.role = ROLE_LAYER;
	m.blob_begin.flags = BLOB_SIZE_KNOWN;
	m.blob_begin.size = 1000;
	return m;
}

static void a_receiver_refuses_messages_before_what_they_are_about(void **state)
{
	struct world *w = *state;
	struct digest name = digest_of("x", 1);
	uint8_t raw[8] = { 0 };
	struct message ask = { .type = MSG_ASK_RECIPES }, chunks = { .type = MSG_ASK_CHUNKS },
		       end_blob = { .type = MSG_BLOB_END }, commit = { .type = MSG_IMAGE_COMMIT };
	struct message early = begin_message(7, 0), gap = begin_message(0, 1),
		       good = begin_message(0, 0);

	ask.ask_recipes.names = (wire_digests){ .at = &name, .n = 1 };
	chunks.ask_chunks.names = (wire_shorts){ .raw = raw, .n = 1 };
	commit.image_commit.job = 9;
	refuses(w, &ask);
	refuses(w, &chunks);
	refuses(w, &end_blob);
	refuses(w, &commit);
	refuses(w, &early);
	refuses(w, &gap);
	accepts(w, &good);
	accepts(w, &ask);
	accepts(w, &chunks);
	commit.image_commit.job = 0;
	refuses(w, &commit); /* its blob is open */
	end_blob.blob_end.size = 1000;
	refuses(w, &end_blob); /* one recipe was named, none counted */
	end_blob.blob_end.main_recipes = 1;
	end_blob.blob_end.last_segment = SEGMENTS_AHEAD_MAX + 1;
	refuses(w, &end_blob); /* as many cannot be on their way */
	end_blob.blob_end.last_segment = 0;
	accepts(w, &end_blob);
	refuses(w, &end_blob);
	accepts(w, &commit);
	refuses(w, &commit);
}

static void a_layers_size_may_come_at_its_end(void **state)
{
	struct world *w = *state;
	struct message m = begin_message(0, 0);
	struct receiver_blob *blob = NULL;

	m.blob_begin.flags = 0;
	m.blob_begin.size = 0;
	assert_ok(receiver_take(w->receiver, &m, &blob, &w->err), &w->err);
	assert_true(blob->size == UINT64_MAX);
	m = (struct message){ .type = MSG_BLOB_END };
	m.blob_end.size = BLOB_SIZE_MAX + 1;
	refuses(w, &m);
	m.blob_end.size = 5000;
	assert_ok(receiver_take(w->receiver, &m, &blob, &w->err), &w->err);
	assert_true(blob->size == 5000);
}

static void a_receiver_refuses_values_out_of_range(void **state)
{
	struct world *w = *state;
	struct digest names[2] = { digest_of("x", 1), digest_of("y", 1) };
	struct message m = begin_message(0, 0);

	m.blob_begin.role = 9;
	refuses(w, &m);
	m = begin_message(0, 0);
	m.blob_begin.flags = 0x80 | BLOB_SIZE_KNOWN;
	refuses(w, &m);
	m = begin_message(0, 0);
	m.blob_begin.flags = 0; /* a size that is not known */
	refuses(w, &m);
	m.blob_begin.size = 0;
	m.blob_begin.role = ROLE_CONFIG;
	refuses(w, &m);
	m = begin_message(0, 0);
	m.blob_begin.size = BLOB_SIZE_MAX + 1;
	refuses(w, &m);
	m = begin_message(0, 0);
	m.blob_begin.role = ROLE_CONFIG;
	m.blob_begin.size = IMAGE_CONFIG_MAX + 1;
	refuses(w, &m);
	m = begin_message(0, 0);
	accepts(w, &m);
	m = (struct message){ .type = MSG_ASK_RECIPES };
	refuses(w, &m); /* no names */
	m.ask_recipes.names = (wire_digests){ .at = names, .n = 2 };
	m.ask_recipes.stream = 2;
	refuses(w, &m);
	m.ask_recipes.stream = 0;
	m.ask_recipes.flags = 2;
	refuses(w, &m);
	m = (struct message){ .type = MSG_PING };
	refuses(w, &m);
}

static void a_receiver_bounds_questions_and_bytes_in_flight(void **state)
{
	struct world *w = *state;
	uint8_t raw[8] = { 0 };
	static uint8_t record[1 << 20];
	struct message m = begin_message(0, 0);
	size_t taken = 0;

	accepts(w, &m);
	m = (struct message){ .type = MSG_ASK_CHUNKS };
	m.ask_chunks.names = (wire_shorts){ .raw = raw, .n = 1 };
	for (size_t i = 0; i < ASK_OPEN_MAX; i++)
		accepts(w, &m);
	refuses(w, &m);
	receiver_answered(w->receiver);
	accepts(w, &m);
	m = (struct message){ .type = MSG_SEGMENT };
	refuses(w, &m); /* number 0 */
	m.segment.number = SEGMENTS_AHEAD_MAX + 1;
	refuses(w, &m);
	m.segment.record = (wire_bytes){ .p = record, .n = sizeof(record) };
	for (m.segment.number = 1; taken + sizeof(record) <= IN_FLIGHT_MAX; m.segment.number++) {
		accepts(w, &m);
		taken += sizeof(record);
	}
	refuses(w, &m);
	receiver_stored(w->receiver, 1, sizeof(record));
	accepts(w, &m);
}

/* Over several lanes they overtake each other. */
static void segments_are_taken_in_any_order(void **state)
{
	static const uint64_t order[] = { 3, 1, 5, 2, 4, SEGMENTS_AHEAD_MAX };
	struct world *w = *state;
	struct message m = { .type = MSG_SEGMENT };

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		assert_false(receiver_has_segment(w->receiver, order[i]));
		m.segment.number = order[i];
		accepts(w, &m);
		assert_true(receiver_has_segment(w->receiver, order[i]));
	}
	assert_false(receiver_has_segment(w->receiver, 0));
	assert_false(receiver_has_segment(w->receiver, 6));
	/* That all up to 5 came is not enough: they have to be stored. */
	m.segment.number = SEGMENTS_AHEAD_MAX + 1;
	refuses(w, &m);
	receiver_stored(w->receiver, 3, 0);
	m.segment.number = SEGMENTS_AHEAD_MAX + 4;
	refuses(w, &m);
	m.segment.number = SEGMENTS_AHEAD_MAX + 3;
	accepts(w, &m);
}

static void what_a_failed_job_had_on_its_way_is_let_pass(void **state)
{
	struct world *w = *state;
	struct message m = begin_message(0, 0), fail = { .type = MSG_FAIL };

	accepts(w, &m);
	m = begin_message(0, 1);
	accepts(w, &m);
	fail.fail.job = 0;
	accepts(w, &fail);
	m = begin_message(0, 2);
	refuses(w, &m);
}

static void an_offer_with_too_many_layers_wrong_sizes_or_bad_tags_is_refused(void **state)
{
	struct world *w = *state;
	struct digest *many = calloc(OFFER_LAYERS_MAX + 1, sizeof(*many));
	const char *empty[] = { "" };
	struct message m = { .type = MSG_IMAGE_OFFER };
	struct buf tags;

	m.image_offer.job = 1;
	m.image_offer.diff_ids = (wire_digests){ .at = many, .n = OFFER_LAYERS_MAX + 1 };
	refuses(w, &m);
	m.image_offer.diff_ids.n = OFFER_LAYERS_MAX;
	m.image_offer.sizes = (wire_numbers){ .raw = many[0].bytes, .n = OFFER_LAYERS_MAX - 1 };
	refuses(w, &m);
	m.image_offer.sizes.n = OFFER_LAYERS_MAX;
	buf_init(&tags, 1000);
	m.image_offer.tags = wire_texts_of(&tags, empty, 1);
	refuses(w, &m);
	m.image_offer.tags = (wire_texts){ 0 };
	m.image_offer.job = 2;
	refuses(w, &m);
	m.image_offer.job = 1;
	accepts(w, &m);
	buf_done(&tags);
	free(many);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(a_receiver_that_has_nothing_is_sent_everything_once),
	CASE(a_receiver_that_has_the_recipes_is_asked_about_nothing_else),
	CASE(only_the_chunks_that_are_missing_are_packed),
	CASE(a_chunk_named_by_two_batches_is_asked_about_and_sent_once),
	CASE(a_blob_is_not_ended_before_what_it_shares_with_an_earlier_one_is_packed),
	CASE(after_a_collision_chunks_are_asked_about_by_their_whole_names),
	CASE(the_next_sender_of_a_session_numbers_its_blobs_on),
	CASE(a_small_blob_is_sent_without_waiting_for_answers),
	CASE(a_receiver_that_has_nothing_at_all_is_not_asked),
	CASE(an_empty_blob_is_begun_and_ended), CASE(a_verdict_is_passed_on_once),
	CASE(answers_that_nobody_asked_for_are_refused),
	CASE(a_receiver_refuses_messages_before_what_they_are_about),
	CASE(a_layers_size_may_come_at_its_end), CASE(a_receiver_refuses_values_out_of_range),
	CASE(a_receiver_bounds_questions_and_bytes_in_flight),
	CASE(segments_are_taken_in_any_order), CASE(what_a_failed_job_had_on_its_way_is_let_pass),
	CASE(an_offer_with_too_many_layers_wrong_sizes_or_bad_tags_is_refused))
