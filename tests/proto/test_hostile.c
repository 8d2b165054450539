#include "tests/proto/pair.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define MORE 0x80

static uint8_t zeros[RECORD_PLAIN_MAX];

static struct message ack(uint64_t number)
{
	return (struct message){ .type = MSG_ACK, .ack = { .number = number } };
}

/* A responder and a forged initiator that have shaken hands; `greet`: WELCOME was sent, so that the
 * initiator may say anything. */
struct attack {
	struct pair p;
	struct forger f;
	struct session *target;
	struct message got;
	struct err err;
	bool some;
};

static void attack_open(struct attack *a, bool as_initiator, bool greet)
{
	struct message welcome = pair_welcome();

	memset(a, 0, sizeof(*a));
	pair_init(&a->p, 31);
	pair_start(&a->p);
	forger_open(&a->f, &a->p, as_initiator);
	a->target = as_initiator ? a->p.responder : a->p.initiator;
	if (!greet)
		return;
	if (as_initiator) {
		assert_ok(session_send(a->target, &welcome, &a->err), &a->err);
		session_sent(a->target, session_peek(a->target, &(const uint8_t *){ NULL }));
	} else {
		forger_message(&a->f, &welcome);
		assert_ok(forger_deliver(&a->f, a->target, &a->got, &a->some, &a->err), &a->err);
		assert_true(a->some);
	}
}

static void attack_done(struct attack *a)
{
	forger_done(&a->f);
	pair_done(&a->p);
}

static int deliver(struct attack *a)
{
	return forger_deliver(&a->f, a->target, &a->got, &a->some, &a->err);
}

/* What was forged is refused, for good and without a byte in return. */
static void is_refused(struct attack *a)
{
	const uint8_t *bytes;
	struct message m = ack(1);
	struct err again;
	size_t taken;
	int r = 0;

	for (int i = 0; i < 16 && r == 0; i++)
		r = deliver(a);
	assert_int_equal(r, -1);
	assert_int_equal(a->err.code, ERR_PROTOCOL);
	assert_int_equal(session_peek(a->target, &bytes), 0);
	assert_fails(session_next(a->target, &a->got, &a->some, &again), &again, ERR_PROTOCOL);
	assert_string_equal(again.text, a->err.text);
	assert_fails(session_feed(a->target, zeros, 1, &taken, &again), &again, ERR_PROTOCOL);
	assert_fails(session_send(a->target, &m, &again), &again, ERR_PROTOCOL);
	assert_fails(session_finish(a->target, &again), &again, ERR_PROTOCOL);
	assert_fails(session_tick(a->target, 2000, &again), &again, ERR_PROTOCOL);
	assert_fails(session_eof(a->target, &again), &again, ERR_PROTOCOL);
	assert_false(session_wants_input(a->target));
	attack_done(a);
}

static void every_flipped_bit_of_a_record_ends_the_session(void **state)
{
	static const size_t wire_len = 8 + RECORD_OVERHEAD;

	(void)state;
	for (unsigned bit = 0; bit < 8 * wire_len; bit++) {
		struct message m = ack(7);
		struct attack a;

		attack_open(&a, true, true);
		forger_message(&a.f, &m);
		assert_int_equal(buf_len(&a.f.out), wire_len);
		buf_bytes(&a.f.out)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		/* a length that now says more is refused when so much has come */
		while (buf_len(&a.f.out) < (size_t)2 * RECORD_WIRE_MAX)
			buf_append(&a.f.out, zeros, sizeof(zeros));
		is_refused(&a);
	}
}

static void repeated_missing_and_swapped_records_are_refused(void **state)
{
	/* the order in which the records 0, 1, 2 arrive */
	static const struct {
		unsigned n, order[3];
	} cases[] = { { 2, { 0, 0 } }, { 1, { 1 } }, { 2, { 0, 2 } }, { 2, { 1, 0 } },
		{ 3, { 0, 1, 0 } }, { 3, { 0, 2, 1 } } };
	const size_t wire_len = 8 + RECORD_OVERHEAD;

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		uint8_t records[3][64];
		struct attack a;

		attack_open(&a, true, true);
		for (unsigned i = 0; i < 3; i++) {
			struct message m = ack(i);

			forger_message(&a.f, &m);
			memcpy(records[i], buf_bytes(&a.f.out), wire_len);
			buf_clear(&a.f.out);
		}
		for (unsigned i = 0; i < cases[c].n; i++)
			buf_append(&a.f.out, records[cases[c].order[i]], wire_len);
		is_refused(&a);
	}
}

static void a_sides_own_records_are_refused_by_it(void **state)
{
	struct message m = ack(1);
	const uint8_t *bytes;
	struct attack a;
	size_t n;

	(void)state;
	attack_open(&a, true, true);
	assert_ok(session_send(a.target, &m, &a.err), &a.err);
	n = session_peek(a.target, &bytes);
	buf_append(&a.f.out, bytes, n);
	session_sent(a.target, n);
	is_refused(&a);
}

static void goodbye_must_count_right_and_be_last(void **state)
{
	static const uint64_t wrong[] = { 0, 1, 3, UINT64_MAX };
	struct message m = ack(1), goodbye = { .type = MSG_GOODBYE };
	struct attack a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		attack_open(&a, true, true);
		forger_message(&a.f, &m);
		forger_message(&a.f, &m);
		goodbye.goodbye.records = wrong[i];
		forger_message(&a.f, &goodbye);
		is_refused(&a);
	}
	attack_open(&a, true, true);
	goodbye.goodbye.records = 0;
	forger_message(&a.f, &goodbye);
	assert_ok(deliver(&a), &a.err);
	assert_true(session_peer_finished(a.target));
	assert_ok(session_eof(a.target, &a.err), &a.err);
	forger_message(&a.f, &m);
	is_refused(&a);

	attack_open(&a, true, true);
	forger_message(&a.f, &goodbye);
	assert_ok(deliver(&a), &a.err);
	buf_append(&a.f.out, zeros, 1); /* not even a byte */
	is_refused(&a);
}

static void wrong_heads_are_refused(void **state)
{
	struct attack a;

	(void)state;
	for (unsigned head = 0; head < 256; head++) {
		if (strcmp(message_name(head & 0x7f), "?") != 0)
			continue;
		attack_open(&a, true, true);
		forger_record(&a.f, (uint8_t)head, zeros, 8);
		is_refused(&a);
		attack_open(&a, true, true);
		forger_record(&a.f, (uint8_t)head, zeros, RECORD_PLAIN_MAX);
		is_refused(&a);
	}
}

static void messages_over_their_limit_are_refused(void **state)
{
	struct attack a;

	(void)state;
	attack_open(&a, true, true); /* a control message, over by a byte */
	forger_record(&a.f, MSG_TELL_CHUNKS, zeros, CONTROL_MESSAGE_MAX + 1);
	is_refused(&a);

	attack_open(&a, true, true); /* a control message that says it goes on */
	forger_record(&a.f, MSG_TELL_CHUNKS | MORE, zeros, RECORD_PLAIN_MAX);
	is_refused(&a);

	attack_open(&a, true, true); /* a segment without end */
	for (unsigned i = 0; i <= SEGMENT_MESSAGE_MAX / RECORD_PLAIN_MAX; i++)
		forger_record(&a.f, MSG_SEGMENT | MORE, zeros, RECORD_PLAIN_MAX);
	is_refused(&a);

	attack_open(&a, true, true); /* a segment over by a byte in its last record */
	for (unsigned i = 0; i < SEGMENT_MESSAGE_MAX / RECORD_PLAIN_MAX; i++)
		forger_record(&a.f, MSG_SEGMENT | MORE, zeros, RECORD_PLAIN_MAX);
	forger_record(&a.f, MSG_SEGMENT, zeros, SEGMENT_MESSAGE_MAX % RECORD_PLAIN_MAX + 1);
	is_refused(&a);
}

static void messages_cut_in_other_ways_are_refused(void **state)
{
	struct attack a;

	(void)state;
	attack_open(&a, true, true); /* goes on, but is not full */
	forger_record(&a.f, MSG_SEGMENT | MORE, zeros, RECORD_PLAIN_MAX - 1);
	is_refused(&a);

	attack_open(&a, true, true); /* goes on, but is empty */
	forger_record(&a.f, MSG_SEGMENT | MORE, zeros, 0);
	is_refused(&a);

	attack_open(&a, true, true); /* goes on with nothing */
	forger_record(&a.f, MSG_SEGMENT | MORE, zeros, RECORD_PLAIN_MAX);
	forger_record(&a.f, MSG_SEGMENT, zeros, 0);
	is_refused(&a);

	attack_open(&a, true, true); /* another message in between */
	forger_record(&a.f, MSG_SEGMENT | MORE, zeros, RECORD_PLAIN_MAX);
	forger_record(&a.f, MSG_PING, zeros, 8);
	is_refused(&a);

	attack_open(&a, true, true); /* goodbye in between */
	forger_record(&a.f, MSG_SEGMENT | MORE, zeros, RECORD_PLAIN_MAX);
	forger_record(&a.f, MSG_GOODBYE, "\x01\0\0\0\0\0\0", 8);
	is_refused(&a);
}

static void a_body_that_does_not_fit_its_fields_is_refused(void **state)
{
	struct attack a;

	(void)state;
	for (size_t n = 0; n < 12; n++) {
		attack_open(&a, true, true);
		forger_record(&a.f, MSG_ACK, zeros, n);
		if (n != 8) {
			is_refused(&a);
			continue;
		}
		assert_ok(deliver(&a), &a.err);
		assert_true(a.some);
		attack_done(&a);
	}
}

static void the_responder_must_greet_first_and_once(void **state)
{
	struct message welcome = pair_welcome(), m = ack(1);
	struct message pair_ok = { .type = MSG_PAIR_OK }, fail = { .type = MSG_FAIL };
	struct message ping = { .type = MSG_PING }, goodbye = { .type = MSG_GOODBYE };
	struct message *early[] = { &m, &pair_ok, &ping, &goodbye };
	struct attack a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(early); i++) {
		attack_open(&a, false, false);
		assert_false(session_established(a.target));
		forger_message(&a.f, early[i]);
		session_sent(a.target, session_peek(a.target, &(const uint8_t *){ NULL }));
		is_refused(&a);
	}
	attack_open(&a, false, true);
	assert_true(session_established(a.target));
	forger_message(&a.f, &welcome);
	is_refused(&a);

	attack_open(&a, false, false); /* a reason instead of a welcome is proof enough */
	forger_message(&a.f, &fail);
	assert_ok(deliver(&a), &a.err);
	assert_true(a.some && a.got.type == MSG_FAIL);
	attack_done(&a);
}

static void the_initiator_cannot_greet(void **state)
{
	struct message welcome = pair_welcome(), pair_ok = { .type = MSG_PAIR_OK };
	struct attack a;

	(void)state;
	attack_open(&a, true, true);
	forger_message(&a.f, &welcome);
	is_refused(&a);
	attack_open(&a, true, true);
	forger_message(&a.f, &pair_ok);
	is_refused(&a);
}

static void signs_of_life_out_of_place_are_refused(void **state)
{
	struct message ping = { .type = MSG_PING }, pong = { .type = MSG_PONG };
	struct attack a;

	(void)state;
	attack_open(&a, true, true); /* nobody asked */
	forger_message(&a.f, &pong);
	is_refused(&a);

	attack_open(&a, true, false); /* before the greeting */
	forger_message(&a.f, &ping);
	is_refused(&a);

	attack_open(&a, true, true); /* answered wrongly */
	for (uint64_t now = 1000; now <= 31000; now += 5000)
		assert_ok(session_tick(a.target, now, &a.err), &a.err);
	assert_true(session_peek(a.target, &(const uint8_t *){ NULL }) > 0);
	session_sent(a.target, session_peek(a.target, &(const uint8_t *){ NULL }));
	pong.pong.cookie = 77;
	forger_message(&a.f, &pong);
	is_refused(&a);
}

static void pings_whose_answers_nobody_reads_end_at_a_limit(void **state)
{
	struct message ping = { .type = MSG_PING };
	const uint8_t *bytes;
	struct attack a;
	int r = 0;

	(void)state;
	attack_open(&a, true, true);
	for (unsigned i = 0; i < 300000 && r == 0; i++) {
		forger_message(&a.f, &ping);
		r = deliver(&a);
	}
	assert_int_equal(r, -1);
	assert_int_equal(a.err.code, ERR_LIMIT);
	assert_true(session_peek(a.target, &bytes) < SESSION_OUT_MAX + (64u << 10));
	attack_done(&a);
}

/* Anything but a record may follow the handshake; what arrives is bounded whatever it says. */
static void records_of_impossible_length_are_refused(void **state)
{
	static const uint8_t lengths[][4] = { { 0, 0, 0, 0 }, { 16, 0, 0, 0 }, { 18, 0, 4, 0 },
		{ 255, 255, 255, 255 }, { 0, 0, 0, 128 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct attack a;

		attack_open(&a, true, true);
		buf_append(&a.f.out, lengths[i], 4);
		is_refused(&a);
	}
}

RUN_TESTS(TEST(every_flipped_bit_of_a_record_ends_the_session),
	TEST(repeated_missing_and_swapped_records_are_refused),
	TEST(a_sides_own_records_are_refused_by_it), TEST(goodbye_must_count_right_and_be_last),
	TEST(wrong_heads_are_refused), TEST(messages_over_their_limit_are_refused),
	TEST(messages_cut_in_other_ways_are_refused),
	TEST(a_body_that_does_not_fit_its_fields_is_refused),
	TEST(the_responder_must_greet_first_and_once), TEST(the_initiator_cannot_greet),
	TEST(signs_of_life_out_of_place_are_refused),
	TEST(pings_whose_answers_nobody_reads_end_at_a_limit),
	TEST(records_of_impossible_length_are_refused))
