#include "tests/proto/pair.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* A SEGMENT whose record has n bytes that follow from n. */
static struct message segment(uint64_t number, uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251 + n);
	return (struct message){ .type = MSG_SEGMENT,
		.segment = { .number = number, .record = { .p = bytes, .n = n } } };
}

static struct message ack(uint64_t number)
{
	return (struct message){ .type = MSG_ACK, .ack = { .number = number } };
}

/* Appends type, length and bytes of every message that is ready: what a transcript gave. */
static void drain(struct session *s, struct buf *to)
{
	struct message m;
	struct err err;
	struct buf body;
	bool some;

	buf_init(&body, 8u << 20);
	for (;;) {
		assert_ok(session_next(s, &m, &some, &err), &err);
		if (!some)
			break;
		buf_clear(&body);
		message_put(&body, &m);
		buf_u8(to, (uint8_t)m.type);
		buf_u32(to, (uint32_t)buf_len(&body));
		buf_append(to, buf_bytes(&body), buf_len(&body));
	}
	buf_done(&body);
	assert_true(buf_ok(to));
}

static void feed(struct session *s, const uint8_t *bytes, size_t n, struct buf *messages)
{
	struct err err;
	size_t taken;

	while (n > 0) {
		assert_ok(session_feed(s, bytes, n, &taken, &err), &err);
		bytes += taken;
		n -= taken;
		drain(s, messages);
	}
}

static void send_some(struct session *s, uint32_t segment_len)
{
	uint8_t *bytes = calloc(1, segment_len + 1);
	struct message m;
	struct err err;

	assert_non_null(bytes);
	for (uint64_t i = 0; i < 2; i++) {
		m = ack(i);
		assert_ok(session_send(s, &m, &err), &err);
		m = segment(i, bytes, segment_len);
		assert_ok(session_send(s, &m, &err), &err);
	}
	assert_ok(session_finish(s, &err), &err);
	free(bytes);
}

/* All bytes that each side of one session writes, and the messages that the other finds in them. */
struct transcript {
	struct buf bytes[2], messages[2]; /* [0]: initiator to responder */
};

static void exchange(struct pair *p, struct transcript *t)
{
	struct session *sides[2] = { p->initiator, p->responder };
	bool moved = true;

	while (moved) {
		moved = false;
		for (int i = 0; i < 2; i++) {
			size_t before = buf_len(&t->bytes[i]);

			pair_take(sides[i], &t->bytes[i]);
			moved = moved || buf_len(&t->bytes[i]) > before;
			feed(sides[1 - i], buf_bytes(&t->bytes[i]) + before,
				buf_len(&t->bytes[i]) - before, &t->messages[i]);
		}
	}
}

static void record_transcript(struct transcript *t, uint32_t segment_len)
{
	struct message m = pair_welcome();
	struct pair p;
	struct err err;

	for (int i = 0; i < 2; i++) {
		buf_init(&t->bytes[i], 16u << 20);
		buf_init(&t->messages[i], 16u << 20);
	}
	pair_init(&p, 11);
	pair_start(&p);
	exchange(&p, t);
	assert_ok(session_send(p.responder, &m, &err), &err);
	exchange(&p, t);
	send_some(p.responder, segment_len);
	send_some(p.initiator, segment_len);
	exchange(&p, t);
	assert_true(session_peer_finished(p.initiator));
	assert_true(session_peer_finished(p.responder));
	assert_ok(session_eof(p.initiator, &err), &err);
	assert_ok(session_eof(p.responder, &err), &err);
	assert_int_equal(session_bytes_out(p.initiator), buf_len(&t->bytes[0]));
	assert_int_equal(session_bytes_in(p.initiator), buf_len(&t->bytes[1]));
	assert_memory_equal(session_channel_id(p.initiator), session_channel_id(p.responder), 64);
	pair_done(&p);
}

static void transcript_done(struct transcript *t)
{
	for (int i = 0; i < 2; i++) {
		buf_done(&t->bytes[i]);
		buf_done(&t->messages[i]);
	}
}

/* The side that reads direction `i` of the transcript, about to begin. */
static struct session *reader(struct pair *p, int i)
{
	struct session_config config;
	struct session *s;

	pair_init(p, 11);
	if (i == 0)
		p->draws++; /* the initiator's ephemeral key was drawn first */
	config = pair_config(p, i == 1);
	s = session_new(&config);
	assert_non_null(s);
	return s;
}

/* Feeds direction `i` in pieces of the lengths that `piece` gives and compares the messages. */
static void replay(
	const struct transcript *t, int i, size_t (*piece)(size_t at, void *ctx), void *ctx)
{
	size_t at = 0, n = buf_len(&t->bytes[i]);
	struct buf messages;
	struct session *s;
	struct pair p;
	struct err err;

	buf_init(&messages, 16u << 20);
	s = reader(&p, i);
	while (at < n) {
		size_t some = min_size(piece(at, ctx), n - at);

		feed(s, buf_bytes(&t->bytes[i]) + at, some, &messages);
		at += some;
	}
	assert_int_equal(buf_len(&messages), buf_len(&t->messages[i]));
	assert_memory_equal(buf_bytes(&messages), buf_bytes(&t->messages[i]), buf_len(&messages));
	assert_ok(session_eof(s, &err), &err);
	session_free(s);
	buf_done(&messages);
}

static size_t in_two(size_t at, void *ctx)
{
	return at == 0 ? *(size_t *)ctx : SIZE_MAX;
}

static size_t of_one_byte(size_t at, void *ctx)
{
	(void)at;
	(void)ctx;
	return 1;
}

static size_t at_random(size_t at, void *ctx)
{
	(void)at;
	return (size_t)rand_r(ctx) % 100000 + 1;
}

static void a_transcript_split_at_any_byte_gives_the_same_messages(void **state)
{
	struct transcript t;

	(void)state;
	record_transcript(&t, 40);
	for (int i = 0; i < 2; i++) {
		for (size_t k = 1; k < buf_len(&t.bytes[i]); k++)
			replay(&t, i, in_two, &k);
		replay(&t, i, of_one_byte, NULL);
	}
	transcript_done(&t);
}

static void large_segments_arrive_in_any_pieces(void **state)
{
	struct transcript t;

	(void)state;
	record_transcript(&t, SEGMENT_RECORD_MAX);
	for (int i = 0; i < 2; i++) {
		for (unsigned seed = 0; seed < 4; seed++) {
			unsigned source = seed;

			replay(&t, i, at_random, &source);
		}
	}
	transcript_done(&t);
}

/* Around the border where a message needs one record more. */
static void messages_of_every_awkward_length_arrive(void **state)
{
	static const uint32_t lengths[] = { 0, 1, RECORD_PLAIN_MAX - 13, RECORD_PLAIN_MAX - 12,
		RECORD_PLAIN_MAX - 11, 2 * RECORD_PLAIN_MAX - 12, 2 * RECORD_PLAIN_MAX - 11,
		SEGMENT_RECORD_MAX };
	uint8_t *bytes = calloc(1, SEGMENT_RECORD_MAX);
	struct message m, got;
	struct pair p;
	struct err err;
	bool some;

	(void)state;
	assert_non_null(bytes);
	pair_open(&p, 12, true);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		m = segment(i, bytes, lengths[i]);
		assert_ok(session_send(p.initiator, &m, &err), &err);
		do {
			assert_ok(pair_move(p.initiator, p.responder, &err), &err);
			assert_ok(session_next(p.responder, &got, &some, &err), &err);
		} while (!some);
		assert_int_equal(got.type, MSG_SEGMENT);
		assert_int_equal(got.segment.number, i);
		assert_int_equal(got.segment.record.n, lengths[i]);
		if (lengths[i])
			assert_memory_equal(got.segment.record.p, bytes, lengths[i]);
	}
	pair_done(&p);
	free(bytes);
}

static void seventy_thousand_messages_cross_the_change_of_keys(void **state)
{
	struct message m;
	struct pair p;
	struct err err;
	bool some;

	(void)state;
	pair_open(&p, 13, true);
	for (uint64_t i = 0; i < 70000; i++) {
		m = ack(i);
		assert_ok(session_send(p.initiator, &m, &err), &err);
		assert_ok(pair_move(p.initiator, p.responder, &err), &err);
		assert_ok(session_next(p.responder, &m, &some, &err), &err);
		assert_true(some && m.ack.number == i);
	}
	assert_ok(session_finish(p.initiator, &err), &err);
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_ok(session_next(p.responder, &m, &some, &err), &err);
	assert_false(some);
	assert_true(session_peer_finished(p.responder));
	pair_done(&p);
}

static void a_slow_reader_bounds_the_memory_at_both_ends(void **state)
{
	uint8_t *bytes = calloc(1, SEGMENT_RECORD_MAX);
	size_t fed = 0, taken = 1, n, messages = 0;
	const uint8_t *out;
	struct message m = segment(1, bytes, 100000);
	struct pair p;
	struct err err;
	bool some = true;

	(void)state;
	assert_non_null(bytes);
	pair_open(&p, 14, true);
	while (session_room(p.initiator) >= 100012)
		assert_ok(session_send(p.initiator, &m, &err), &err);
	assert_fails(session_send(p.initiator, &m, &err), &err, ERR_LIMIT);
	n = session_peek(p.initiator, &out);
	assert_true(n <= SESSION_OUT_MAX && n > SESSION_OUT_MAX - 101000);

	while (session_wants_input(p.responder)) {
		assert_ok(session_feed(p.responder, out + fed, n - fed, &taken, &err), &err);
		fed += taken;
	}
	assert_true(fed <= 2 * RECORD_WIRE_MAX);
	assert_ok(session_feed(p.responder, out + fed, n - fed, &taken, &err), &err);
	assert_int_equal(taken, 0);

	/* an ERR_LIMIT is no end: it goes on when the peer reads again */
	session_sent(p.initiator, fed);
	while (some) {
		assert_ok(session_next(p.responder, &m, &some, &err), &err);
		messages += some;
		assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	}
	assert_int_equal(messages, SESSION_OUT_MAX / 100033);
	m = segment(2, bytes, SEGMENT_RECORD_MAX);
	assert_true(session_room(p.initiator) > SEGMENT_MESSAGE_MAX);
	assert_ok(session_send(p.initiator, &m, &err), &err);
	pair_done(&p);
	free(bytes);
}

static void what_is_too_large_is_not_sent(void **state)
{
	uint8_t *bytes = calloc(1, SEGMENT_RECORD_MAX + 8);
	struct message m = segment(1, bytes, SEGMENT_RECORD_MAX + 8);
	struct pair p;
	struct err err;

	(void)state;
	assert_non_null(bytes);
	pair_open(&p, 15, true);
	assert_fails(session_send(p.initiator, &m, &err), &err, ERR_LIMIT);
	m = (struct message){ .type = MSG_TELL_CHUNKS,
		.tell_chunks = { .have = { .p = bytes, .n = CONTROL_MESSAGE_MAX } } };
	assert_fails(session_send(p.initiator, &m, &err), &err, ERR_LIMIT);
	m = ack(1);
	assert_ok(session_send(p.initiator, &m, &err), &err);
	pair_done(&p);
	free(bytes);
}

static void a_pairing_tells_token_and_label(void **state)
{
	struct message m = { .type = MSG_PAIR_OK, .pair_ok = { .name = wire_text_of("web01", 5) } };
	struct pair p;
	struct err err;
	bool some;

	(void)state;
	pair_init(&p, 16);
	p.pairing = true;
	pair_start(&p);
	for (int i = 0; i < 2; i++) {
		assert_ok(pair_move(p.initiator, p.responder, &err), &err);
		assert_ok(pair_move(p.responder, p.initiator, &err), &err);
	}
	assert_true(session_established(p.responder));
	assert_true(p.find_had_token && p.finds == 1);
	assert_memory_equal(session_pair_token(p.responder), p.token_id, 16);
	assert_string_equal(session_pair_label(p.responder), "source host");
	assert_string_equal(session_peer(p.responder)->name, "web01");
	assert_memory_equal(session_peer_key(p.responder), p.initiator_key.public_key, KEY_LEN);
	assert_false(session_established(p.initiator));
	assert_ok(session_send(p.responder, &m, &err), &err);
	assert_ok(pair_move(p.responder, p.initiator, &err), &err);
	assert_ok(session_next(p.initiator, &m, &some, &err), &err);
	assert_true(some && m.type == MSG_PAIR_OK);
	assert_true(session_established(p.initiator));
	pair_done(&p);
}

static void no_token_is_told_when_not_pairing(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 17, true);
	assert_null(session_pair_token(p.responder));
	assert_string_equal(session_pair_label(p.responder), "");
	assert_false(p.find_had_token);
	assert_int_equal(p.finds, 1);
	pair_done(&p);
}

/* Until the responder has seen message 3; what it then has to say. */
static void refuse(struct pair *p, struct err *err)
{
	const uint8_t *bytes;
	struct err ours;

	pair_start(p);
	assert_ok(pair_move(p->initiator, p->responder, err), err);
	assert_ok(pair_move(p->responder, p->initiator, err), err);
	assert_fails(pair_move(p->initiator, p->responder, err), err, ERR_REFUSED);
	assert_int_equal(session_peek(p->responder, &bytes), 0);
	assert_int_equal(p->finds, 1);
	assert_false(session_ready(p->responder));
	assert_fails(session_eof(p->initiator, &ours), &ours, ERR_REFUSED);
	assert_non_null(strstr(ours.text, "refused the handshake"));
	pair_done(p);
}

static void an_unknown_key_and_a_wrong_psk_look_alike_outside(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 18);
	p.known = false;
	refuse(&p, &err);
	assert_string_equal(err.text, "handshake with an unknown key");
	pair_init(&p, 18);
	p.psk[0] ^= 1;
	refuse(&p, &err);
	assert_string_equal(err.text, "handshake with a wrong pre-shared key");
	pair_init(&p, 18);
	p.pairing = true;
	p.known = false;
	refuse(&p, &err);
	assert_non_null(strstr(err.text, "token"));
}

static void a_target_with_another_key_closes_in_silence(void **state)
{
	struct key_pair other;
	const uint8_t *bytes;
	struct session_config config;
	struct pair p, q;
	struct err err;

	(void)state;
	pair_init(&p, 19);
	pair_init(&q, 20);
	other = q.responder_key;
	config = pair_config(&p, false);
	config.own = &other;
	p.responder = session_new(&config);
	config = pair_config(&p, true);
	p.initiator = session_new(&config);
	assert_true(p.responder && p.initiator);
	assert_fails(pair_move(p.initiator, p.responder, &err), &err, ERR_REFUSED);
	assert_int_equal(session_peek(p.responder, &bytes), 0);
	assert_int_equal(p.finds, 0);
	assert_fails(session_eof(p.initiator, &err), &err, ERR_UNREACHABLE);
	assert_non_null(strstr(err.text, "before the handshake was done"));
	pair_done(&p);
}

static void an_answer_by_somebody_else_is_refused(void **state)
{
	static const uint8_t answer[HANDSHAKE_LEN_2] = "HTTP/1.1 400 Bad Request\r\n";
	struct pair p;
	struct err err;
	size_t taken;

	(void)state;
	pair_init(&p, 21);
	pair_start(&p);
	assert_fails(
		session_feed(p.initiator, answer, sizeof(answer), &taken, &err), &err, ERR_REFUSED);
	pair_done(&p);
}

static void a_handshake_cut_short_is_an_error(void **state)
{
	struct transcript t;
	struct pair p;
	struct err err;

	(void)state;
	record_transcript(&t, 4);
	for (int i = 0; i < 2; i++) {
		size_t end = i == 0 ? HANDSHAKE_LEN_1 + HANDSHAKE_LEN_3 : HANDSHAKE_LEN_2;

		for (size_t k = 0; k < end; k++) {
			struct session *s = reader(&p, i);
			size_t taken;

			if (k > 0)
				assert_ok(session_feed(s, buf_bytes(&t.bytes[i]), k, &taken, &err),
					&err);
			assert_false(session_ready(s));
			assert_fails(session_eof(s, &err), &err, ERR_UNREACHABLE);
			session_free(s);
		}
	}
	transcript_done(&t);
}

/* From the end of the handshake on: only behind GOODBYE is the end no error. */
static void an_end_without_goodbye_is_an_error_at_any_byte(void **state)
{
	struct transcript t;
	struct buf messages;
	struct pair p;
	struct err err;

	(void)state;
	record_transcript(&t, 40);
	buf_init(&messages, 1u << 20);
	for (int i = 0; i < 2; i++) {
		size_t n = buf_len(&t.bytes[i]);

		for (size_t k = i == 0 ? HANDSHAKE_LEN_1 + HANDSHAKE_LEN_3 : HANDSHAKE_LEN_2; k < n;
			k++) {
			struct session *s = reader(&p, i);

			feed(s, buf_bytes(&t.bytes[i]), k, &messages);
			assert_int_equal(session_eof(s, &err), -1);
			assert_int_equal(err.code,
				i == 1 && k == HANDSHAKE_LEN_2 ? ERR_REFUSED : ERR_UNREACHABLE);
			session_free(s);
		}
	}
	buf_done(&messages);
	transcript_done(&t);
}

RUN_TESTS(TEST(a_transcript_split_at_any_byte_gives_the_same_messages),
	TEST(large_segments_arrive_in_any_pieces), TEST(messages_of_every_awkward_length_arrive),
	TEST(seventy_thousand_messages_cross_the_change_of_keys),
	TEST(a_slow_reader_bounds_the_memory_at_both_ends), TEST(what_is_too_large_is_not_sent),
	TEST(a_pairing_tells_token_and_label), TEST(no_token_is_told_when_not_pairing),
	TEST(an_unknown_key_and_a_wrong_psk_look_alike_outside),
	TEST(a_target_with_another_key_closes_in_silence),
	TEST(an_answer_by_somebody_else_is_refused), TEST(a_handshake_cut_short_is_an_error),
	TEST(an_end_without_goodbye_is_an_error_at_any_byte))
