#include "tests/proto/pair.h"
#include "tests/support/test.h"

#include <string.h>

/* Sessions start at 1000 ms. */
#define T0 1000u

/* Lets time pass as an owner would: ticks at each deadline up to `until`. -1 when a tick fails. */
static int pass_time(struct session *s, uint64_t until, struct err *err)
{
	uint64_t at;

	while ((at = session_deadline(s)) <= until) {
		if (session_tick(s, at, err) != 0)
			return -1;
		assert_true(session_deadline(s) > at);
	}
	return session_tick(s, until, err);
}

static void pass_good_time(struct session *s, uint64_t until)
{
	struct err err;

	assert_ok(pass_time(s, until, &err), &err);
}

/* Takes in what the other side wrote, expecting no message for the owner. */
static void hear(struct session *from, struct session *to)
{
	struct message m;
	struct err err;
	bool some;

	assert_ok(pair_move(from, to, &err), &err);
	assert_ok(session_next(to, &m, &some, &err), &err);
	assert_false(some);
}

static size_t waiting(const struct session *s)
{
	const uint8_t *bytes;

	return session_peek(s, &bytes);
}

static void the_handshake_has_deadlines(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 1);
	pair_start(&p);
	assert_int_equal(session_deadline(p.responder), T0 + 5000);
	assert_int_equal(session_deadline(p.initiator), T0 + 10000);
	assert_ok(session_tick(p.responder, T0 + 4999, &err), &err);
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_int_equal(session_deadline(p.responder), T0 + 10000);
	assert_ok(session_tick(p.responder, T0 + 9999, &err), &err);
	assert_fails(session_tick(p.responder, T0 + 10000, &err), &err, ERR_UNREACHABLE);
	assert_fails(session_tick(p.initiator, T0 + 10000, &err), &err, ERR_UNREACHABLE);
	assert_int_equal(session_deadline(p.initiator), UINT64_MAX);
	pair_done(&p);

	pair_init(&p, 1);
	pair_start(&p);
	assert_fails(session_tick(p.responder, T0 + 5000, &err), &err, ERR_UNREACHABLE);
	pair_done(&p);
}

static void a_quiet_session_is_kept_alive_by_pings(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 2, true);
	for (uint64_t now = T0; now < T0 + 600000; now += 1000) {
		pass_good_time(p.initiator, now);
		pass_good_time(p.responder, now);
		hear(p.initiator, p.responder);
		hear(p.responder, p.initiator);
		hear(p.initiator, p.responder);
	}
	/* each side one ping or answer every 20 to 30 s, not more */
	assert_in_range(session_bytes_out(p.initiator), 456 + 20 * 29, 456 + 62 * 29);
	pair_done(&p);
}

static void silence_ends_a_session(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 3, true);
	pass_good_time(p.initiator, T0 + 25000);
	assert_int_equal(waiting(p.initiator), 29); /* one PING */
	pass_good_time(p.initiator, T0 + 59000);
	assert_int_equal(waiting(p.initiator), 29); /* no second one behind it */
	assert_fails(pass_time(p.initiator, T0 + 70000, &err), &err, ERR_UNREACHABLE);
	pair_done(&p);
}

static void silence_is_excused_while_nobody_reads(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 4, true);
	session_hold(p.initiator, true);
	pass_good_time(p.initiator, T0 + 500000);
	assert_int_equal(waiting(p.initiator), 29); /* it still shows that it lives */
	session_hold(p.initiator, false);
	pass_good_time(p.initiator, T0 + 555000);
	assert_fails(pass_time(p.initiator, T0 + 570000, &err), &err, ERR_UNREACHABLE);
	pair_done(&p);
}

/* Feeds the beginning of a large message byte by byte, `per_second` of them, for `seconds`. -1 when
 * the session ends. */
static int drip(struct session *from, struct session *to, size_t per_second, unsigned seconds,
	struct err *err)
{
	const uint8_t *bytes;
	size_t n, taken;

	for (unsigned i = 1; i <= seconds; i++) {
		n = session_peek(from, &bytes);
		n = n < per_second ? n : per_second;
		if (session_feed(to, bytes, n, &taken, err) != 0)
			return -1;
		assert_int_equal(taken, n);
		session_sent(from, n);
		if (pass_time(to, T0 + i * UINT64_C(1000), err) != 0)
			return -1;
	}
	return 0;
}

static void send_large(struct session *from)
{
	static const uint8_t record[200000];
	struct message m = { .type = MSG_SEGMENT,
		.segment = { .number = 1, .record = { .p = record, .n = sizeof(record) } } };
	struct err err;

	assert_ok(session_send(from, &m, &err), &err);
}

static void a_message_that_trickles_in_ends_the_session(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 7, true);
	send_large(p.initiator);
	assert_fails(drip(p.initiator, p.responder, 900, 130, &err), &err, ERR_UNREACHABLE);
	assert_non_null(strstr(err.text, "1024 bytes a second"));
	pair_done(&p);
}

static void a_slow_link_is_no_offence(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 8, true);
	send_large(p.initiator);
	assert_ok(drip(p.initiator, p.responder, 1100, 170, &err), &err);
	pair_done(&p);
}

static void slowness_is_excused_while_nobody_reads(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 9, true);
	send_large(p.initiator);
	session_hold(p.responder, true);
	assert_ok(drip(p.initiator, p.responder, 1, 300, &err), &err);
	pair_done(&p);
}

static void a_responder_keeps_no_output_for_a_peer_that_never_reads(void **state)
{
	struct message m = { .type = MSG_ACK, .ack = { .number = 1 } };
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 10, true);
	session_hold(p.responder, true); /* silence is another matter */
	session_hold(p.initiator, true);
	assert_ok(session_send(p.responder, &m, &err), &err);
	assert_ok(session_send(p.initiator, &m, &err), &err);
	pass_good_time(p.responder, T0 + 595000);
	assert_fails(pass_time(p.responder, T0 + 610000, &err), &err, ERR_UNREACHABLE);
	pass_good_time(p.initiator, T0 + 900000);
	pair_done(&p);
}

static void output_that_moves_may_take_any_time(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 11, true);
	session_hold(p.responder, true);
	for (uint64_t at = T0; at < T0 + 3600000; at += 300000) {
		struct message m = { .type = MSG_ACK, .ack = { .number = at } };

		assert_ok(session_send(p.responder, &m, &err), &err);
		session_sent(p.responder, 1);
		pass_good_time(p.responder, at);
	}
	pair_done(&p);
}

/* A lane carries segments one way, and nothing comes back. */
static void silence_is_no_end_while_output_moves(void **state)
{
	struct pair p;
	struct err err;
	uint64_t at = T0;

	(void)state;
	pair_open(&p, 12, true);
	send_large(p.initiator);
	for (; at < T0 + 600000; at += 20000) {
		session_sent(p.initiator, 1000);
		pass_good_time(p.initiator, at);
	}
	assert_ok(pass_time(p.initiator, at + 10000, &err), &err);
	assert_fails(pass_time(p.initiator, at + 90000, &err), &err, ERR_UNREACHABLE);
	pair_done(&p);
}

static void nobody_pings_before_the_greeting(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 5, false);
	pass_good_time(p.initiator, T0 + 55000);
	pass_good_time(p.responder, T0 + 55000);
	assert_int_equal(waiting(p.initiator), 0);
	assert_int_equal(waiting(p.responder), 0);
	pair_done(&p);
}

static void after_the_peers_goodbye_there_is_no_deadline(void **state)
{
	struct pair p;
	struct err err;

	(void)state;
	pair_open(&p, 6, true);
	assert_ok(session_finish(p.initiator, &err), &err);
	assert_ok(session_finish(p.initiator, &err), &err); /* once more says nothing more */
	hear(p.initiator, p.responder);
	assert_true(session_peer_finished(p.responder));
	assert_int_equal(session_deadline(p.responder), UINT64_MAX);
	assert_ok(session_tick(p.responder, T0 + 900000, &err), &err);
	assert_int_equal(waiting(p.responder), 0);
	pair_done(&p);
}

RUN_TESTS(TEST(the_handshake_has_deadlines), TEST(a_quiet_session_is_kept_alive_by_pings),
	TEST(silence_ends_a_session), TEST(silence_is_excused_while_nobody_reads),
	TEST(a_message_that_trickles_in_ends_the_session), TEST(a_slow_link_is_no_offence),
	TEST(slowness_is_excused_while_nobody_reads),
	TEST(a_responder_keeps_no_output_for_a_peer_that_never_reads),
	TEST(output_that_moves_may_take_any_time), TEST(silence_is_no_end_while_output_moves),
	TEST(nobody_pings_before_the_greeting), TEST(after_the_peers_goodbye_there_is_no_deadline))
