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
	TEST(nobody_pings_before_the_greeting), TEST(after_the_peers_goodbye_there_is_no_deadline))
