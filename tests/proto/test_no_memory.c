/*
 * The protocol when memory runs out: whole conversations in memory in which the n-th allocation
 * fails, for every n until one goes through. Each must end in ERR_NOMEM, or go through because
 * nothing depended on it; the address sanitizer's build finds what would leak.
 */
#include "common/chunk/segment.h"
#include "protocol/receiver.h"
#include "protocol/sender.h"
#include "tests/proto/pair.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the allocator --- */

static long fail_at; /* the allocation that fails; 0: none */
static long allocations;

static bool refused(void)
{
	allocations++;
	if (fail_at == 0 || allocations != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_sodium_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_sodium_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
	return refused() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return refused() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return refused() ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_sodium_malloc(size_t n)
{
	return refused() ? NULL : __real_sodium_malloc(n);
}

/* Runs `conversation` with ever later failures. Returns how many there were. */
static long sweep(int (*conversation)(struct err *err))
{
	struct err err = { 0 };
	long last = 0;
	int r;

	fail_at = allocations = 0;
	assert_ok(conversation(&err), &err);
	last = allocations;
	assert_true(last > 0);
	for (long at = 1; at <= last; at++) {
		allocations = 0;
		fail_at = at;
		err = (struct err){ 0 };
		r = conversation(&err);
		fail_at = 0;
		if (r != 0 && err.code != ERR_NOMEM)
			fail_msg("allocation %ld of %ld failed, and what was said is: %s", at, last,
				err.text);
	}
	return last;
}

/* --- a session --- */

static const uint8_t payload[600000]; /* a message of three records */

static int start(struct pair *p, struct err *err)
{
	struct session_config a = pair_config(p, true), b = pair_config(p, false);

	p->initiator = session_new(&a);
	p->responder = session_new(&b);
	return p->initiator && p->responder ? 0 : err_nomem(err);
}

static int say(struct session *from, struct session *to, const struct message *m, struct err *err)
{
	struct message got;
	bool some = false;

	if (session_send(from, m, err) != 0)
		return -1;
	for (int i = 0; i < 8 && !some; i++) {
		if (pair_move(from, to, err) != 0 || session_next(to, &got, &some, err) != 0)
			return -1;
	}
	assert_true(some);
	assert_int_equal(got.type, m->type);
	return 0;
}

static int part(struct session *from, struct session *to, struct err *err)
{
	struct message got;
	bool some;

	if (session_finish(from, err) != 0 || pair_move(from, to, err) != 0)
		return -1;
	return session_next(to, &got, &some, err);
}

static int talk(struct pair *p, struct err *err)
{
	const struct message welcome = pair_welcome(),
			     pair_ok = { .type = MSG_PAIR_OK,
				     .pair_ok = { .name = wire_text_of("web01", 5) } },
			     segment = { .type = MSG_SEGMENT,
				     .segment = { .number = 1,
					     .record = { .p = payload, .n = sizeof(payload) } } },
			     ack = { .type = MSG_ACK, .ack = { .number = 1 } };

	if (start(p, err) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (pair_move(p->initiator, p->responder, err) != 0 ||
			pair_move(p->responder, p->initiator, err) != 0)
			return -1;
	}
	/* a session that was broken from the start says so when it is used */
	if (session_tick(p->initiator, 1000, err) != 0 ||
		session_tick(p->responder, 1000, err) != 0)
		return -1;
	if (say(p->responder, p->initiator, p->pairing ? &pair_ok : &welcome, err) != 0 ||
		say(p->initiator, p->responder, &segment, err) != 0 ||
		say(p->responder, p->initiator, &ack, err) != 0)
		return -1;
	if (part(p->initiator, p->responder, err) != 0)
		return -1;
	return part(p->responder, p->initiator, err);
}

static int session_conversation(struct err *err)
{
	struct pair p;
	int r;

	pair_init(&p, 1);
	r = talk(&p, err);
	pair_done(&p);
	return r;
}

static int pairing_conversation(struct err *err)
{
	struct pair p;
	int r;

	pair_init(&p, 2);
	p.pairing = true;
	memset(p.token_id, 7, sizeof(p.token_id));
	r = talk(&p, err);
	pair_done(&p);
	return r;
}

static void a_session_survives_every_failed_allocation(void **state)
{
	(void)state;
	assert_true(sweep(session_conversation) >= 10);
	assert_true(sweep(pairing_conversation) >= 10);
}

/* --- a blob --- */

/* Both roles, joined by their messages; what is packed becomes segments that are opened again. */
struct transfer {
	struct sender *sender;
	struct receiver *receiver;
	struct segment_builder *builder;
	struct segment_opener *opener;
	struct buf asked; /* questions to be answered: type, number, how many names */
	uint64_t segments;
	bool done;
	struct err failed; /* of an operation that can tell nobody */
};

static int on_send(void *ctx, const struct message *m, struct err *err)
{
	struct transfer *t = ctx;
	struct receiver_blob *blob;
	uint32_t n = m->type == MSG_ASK_RECIPES ? m->ask_recipes.names.n : m->ask_chunks.names.n;

	if (receiver_take(t->receiver, m, &blob, err) != 0)
		return -1;
	if (m->type != MSG_ASK_RECIPES && m->type != MSG_ASK_CHUNKS)
		return 0;
	if (m->type == MSG_ASK_RECIPES && (m->ask_recipes.flags & ASK_NO_ANSWER)) {
		receiver_answered(t->receiver);
		return 0;
	}
	buf_u8(&t->asked, (uint8_t)m->type);
	buf_u8(&t->asked, m->type == MSG_ASK_RECIPES ? m->ask_recipes.stream : 0);
	buf_u32(&t->asked, n);
	return buf_ok(&t->asked) ? 0 : err_nomem(err);
}

/* "No" to everything. */
static int answer_all(struct transfer *t, struct err *err)
{
	static const uint8_t none[ASK_RECIPES_MAX / 8];

	while (buf_len(&t->asked) > 0) {
		struct cursor c = cursor_over(buf_bytes(&t->asked), buf_len(&t->asked));
		uint8_t type = cursor_u8(&c), stream = cursor_u8(&c);
		uint32_t n = cursor_u32(&c);
		wire_bytes have = { .p = none, .n = (n + 7) / 8 };
		struct message m = { .type = MSG_TELL_CHUNKS };

		if (type == MSG_ASK_RECIPES) {
			m.type = MSG_TELL_RECIPES;
			m.tell_recipes.stream = stream;
			m.tell_recipes.n = n;
			m.tell_recipes.have = have;
		} else {
			m.tell_chunks.n = n;
			m.tell_chunks.have = have;
		}
		buf_consume(&t->asked, 6);
		receiver_answered(t->receiver);
		if (sender_take(t->sender, &m, err) != 0)
			return -1;
	}
	return 0;
}

static int reopen(struct transfer *t, const uint8_t *record, size_t n, struct err *err)
{
	struct segment s = { 0 };
	uint8_t *raw = malloc(SEGMENT_RAW_MAX);
	int r = raw ? segment_parse(record, n, &s, err) : err_nomem(err);

	if (r == 0)
		r = segment_open(t->opener, &s, record, true, raw, err);
	segment_done(&s);
	free(raw);
	return r;
}

static int seal(struct transfer *t, struct err *err)
{
	struct buf record;
	int r;

	if (segment_builder_empty(t->builder))
		return 0;
	buf_init(&record, SEGMENT_RECORD_MAX);
	r = segment_builder_seal(t->builder, 1, &record, err);
	if (r == 0)
		r = reopen(t, buf_bytes(&record), buf_len(&record), err);
	buf_done(&record);
	t->segments++;
	return r;
}

static int add(struct transfer *t, const struct digest *name, enum chunk_kind kind,
	const void *bytes, size_t len, struct err *err)
{
	if (!segment_builder_fits(t->builder, len) && seal(t, err) != 0)
		return -1;
	return segment_builder_add(t->builder, name, kind, bytes, len, err);
}

static void on_pack(void *ctx, struct sender_parcel *p)
{
	struct transfer *t = ctx;
	const struct batch *b = p->batch;
	int r = t->failed.code == ERR_NONE ? 0 : -1;

	if (r == 0 && p->recipe_wanted)
		r = add(t, &b->name, CHUNK_RECIPE, b->recipe, b->recipe_len, &t->failed);
	for (size_t i = 0; r == 0 && i < b->n_chunks; i++) {
		const struct batch_chunk *c = &b->chunks[i];

		if (p->wanted[i])
			r = add(t, &c->name, (enum chunk_kind)c->kind, b->data + c->offset, c->len,
				&t->failed);
	}
	sender_parcel_free(p);
}

static void on_settled(void *ctx, uint32_t blob, const struct batch *b, bool skipped)
{
	(void)ctx;
	(void)blob;
	(void)b;
	(void)skipped;
}

static void on_flush(void *ctx, uint32_t blob)
{
	struct transfer *t = ctx;

	(void)blob;
	t->done = true;
}

static void on_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	(void)ctx;
	(void)blob;
	(void)outcome;
}

static int on_batch(void *ctx, struct batch *b, struct err *err)
{
	struct transfer *t = ctx;

	return sender_batch(t->sender, 0, b, err);
}

static int open_transfer(struct transfer *t, struct err *err)
{
	static const struct sender_ops ops = { .send = on_send,
		.pack = on_pack,
		.settled = on_settled,
		.flush = on_flush,
		.done = on_done };

	buf_init(&t->asked, 1 << 16);
	t->receiver = receiver_new();
	t->sender = sender_new(&ops, t, false, 0);
	t->builder = segment_builder_new();
	t->opener = segment_opener_new();
	return t->receiver && t->sender && t->builder && t->opener ? 0 : err_nomem(err);
}

static void close_transfer(struct transfer *t)
{
	sender_free(t->sender);
	receiver_free(t->receiver);
	segment_builder_free(t->builder);
	segment_opener_free(t->opener);
	buf_done(&t->asked);
}

static int offer(struct transfer *t, struct err *err)
{
	const struct digest layer = digest_of("layer", 5);
	const struct message m = { .type = MSG_IMAGE_OFFER,
		.image_offer = { .job = 0, .diff_ids = { .at = &layer, .n = 1 } } };
	struct receiver_blob *blob;

	return receiver_take(t->receiver, &m, &blob, err);
}

static int send_blob(
	struct transfer *t, struct splitter *s, const uint8_t *bytes, size_t n, struct err *err)
{
	struct digest digest;
	uint64_t size;

	if (sender_begin(t->sender, 0, 0, ROLE_LAYER, NULL, n, err) != 0 ||
		splitter_feed(s, bytes, n, err) != 0 || splitter_end(s, &digest, &size, err) != 0 ||
		sender_ask(t->sender, err) != 0 ||
		sender_end(t->sender, 0, &digest, size, err) != 0 || answer_all(t, err) != 0)
		return -1;
	if (t->failed.code != ERR_NONE) {
		*err = t->failed;
		return -1;
	}
	assert_true(t->done);
	if (seal(t, err) != 0)
		return -1;
	return sender_flushed(t->sender, 0, 0, err);
}

static int blob_conversation(struct err *err)
{
	static uint8_t bytes[700000];
	struct transfer t = { 0 };
	struct splitter *s = splitter_new(false, on_batch, &t);
	uint32_t x = 1;
	int r = -1;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(x >> 24);
	}
	if (!s)
		err_nomem(err);
	else if (open_transfer(&t, err) == 0 && offer(&t, err) == 0)
		r = send_blob(&t, s, bytes, sizeof(bytes), err);
	splitter_free(s);
	close_transfer(&t);
	return r;
}

static void a_transfer_survives_every_failed_allocation(void **state)
{
	(void)state;
	assert_true(sweep(blob_conversation) >= 20);
}

RUN_TESTS(TEST(a_session_survives_every_failed_allocation),
	TEST(a_transfer_survives_every_failed_allocation))
