/* Further connections of a session: what they claim, who believes it, and the numbers of segments
 * that come over several of them. */
#include "protocol/number_set.h"
#include "tests/proto/pair.h"
#include "tests/support/test.h"

#include <string.h>

static const struct lane_key key = {
	.session = "a session's id.", .number = 3, .secret = "the secret of lane 0's handshake"
};

/* A connection that was opened as a lane under this key. */
static void open_lane(struct pair *p, const struct lane_key *k, uint64_t seed)
{
	struct err err;

	pair_init(p, seed);
	p->lane = *k;
	pair_start(p);
	assert_ok(pair_move(p->initiator, p->responder, &err), &err);
	assert_ok(pair_move(p->responder, p->initiator, &err), &err);
	assert_ok(pair_move(p->initiator, p->responder, &err), &err);
	assert_true(session_ready(p->responder));
}

static void a_lane_says_whose_it_is_and_proves_it(void **state)
{
	const struct lane_claim *claim;
	struct pair p;

	(void)state;
	open_lane(&p, &key, 1);
	claim = session_lane(p.responder);
	assert_non_null(claim);
	assert_int_equal(claim->number, 3);
	assert_memory_equal(claim->session, key.session, LANE_ID_LEN);
	assert_true(lane_check(claim, session_id(p.responder), key.secret));
	assert_memory_equal(session_id(p.responder), session_id(p.initiator), LANE_ID_LEN);
	pair_done(&p);
}

static void a_lane_may_shake_hands_before_its_session_is_known(void **state)
{
	struct err err;
	struct pair p;

	(void)state;
	pair_init(&p, 12);
	p.lane_later = true;
	pair_start(&p);
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_ok(pair_move(p.responder, p.initiator, &err), &err);
	assert_false(session_ready(p.initiator));
	assert_ok(session_join(p.initiator, &key, &err), &err);
	assert_true(session_ready(p.initiator));
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_true(lane_check(session_lane(p.responder), session_id(p.responder), key.secret));
	pair_done(&p);
}

static void a_lane_whose_session_is_known_in_time_waits_for_nothing(void **state)
{
	struct err err;
	struct pair p;

	(void)state;
	pair_init(&p, 13);
	p.lane_later = true;
	pair_start(&p);
	assert_ok(session_join(p.initiator, &key, &err), &err);
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_ok(pair_move(p.responder, p.initiator, &err), &err);
	assert_true(session_ready(p.initiator));
	pair_done(&p);
}

static void a_responder_that_speaks_while_the_lane_waits_is_hung_up_on(void **state)
{
	static const uint8_t bytes[HANDSHAKE_LEN_2];
	struct err err;
	struct pair p;
	size_t taken;

	(void)state;
	pair_init(&p, 14);
	p.lane_later = true;
	pair_start(&p);
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_ok(pair_move(p.responder, p.initiator, &err), &err);
	assert_int_equal(session_feed(p.initiator, bytes, sizeof(bytes), &taken, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(session_join(p.initiator, &key, &err), -1);
	pair_done(&p);
}

static void both_ends_know_the_same_lane_secret_and_no_other_session_does(void **state)
{
	struct pair p, other;

	(void)state;
	pair_open(&p, 15, true);
	pair_open(&other, 16, true);
	assert_memory_equal(session_lane_secret(p.initiator), session_lane_secret(p.responder),
		LANE_SECRET_LEN);
	assert_memory_not_equal(session_lane_secret(p.initiator),
		session_lane_secret(other.initiator), LANE_SECRET_LEN);
	pair_done(&p);
	pair_done(&other);
}

static void a_session_of_its_own_claims_nothing(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 2, true);
	assert_null(session_lane(p.responder));
	pair_done(&p);
}

static void a_proof_is_good_for_its_connection_session_number_and_secret_only(void **state)
{
	struct lane_claim claim, changed;
	uint8_t secret[LANE_SECRET_LEN];
	struct pair p, other;

	(void)state;
	open_lane(&p, &key, 3);
	open_lane(&other, &key, 4);
	claim = *session_lane(p.responder);
	assert_false(lane_check(&claim, session_id(other.responder), key.secret));
	changed = claim;
	changed.session[0] ^= 1;
	assert_false(lane_check(&changed, session_id(p.responder), key.secret));
	changed = claim;
	changed.number ^= 1;
	assert_false(lane_check(&changed, session_id(p.responder), key.secret));
	changed = claim;
	changed.proof[31] ^= 0x80;
	assert_false(lane_check(&changed, session_id(p.responder), key.secret));
	memcpy(secret, key.secret, sizeof(secret));
	secret[5] ^= 1;
	assert_false(lane_check(&claim, session_id(p.responder), secret));
	pair_done(&p);
	pair_done(&other);
}

static void a_number_that_no_lane_has_is_refused(void **state)
{
	struct lane_key k = key;
	struct pair p;
	struct err err;

	(void)state;
	k.number = LANES_MAX;
	pair_init(&p, 5);
	p.lane = k;
	pair_start(&p);
	assert_ok(pair_move(p.initiator, p.responder, &err), &err);
	assert_ok(pair_move(p.responder, p.initiator, &err), &err);
	assert_fails(pair_move(p.initiator, p.responder, &err), &err, ERR_PROTOCOL);
	pair_done(&p);
}

/* --- numbers --- */

static void numbers_in_order_leave_nothing_but_a_base(void **state)
{
	struct number_set s = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= UINT64_C(3) * NUMBER_SET_AHEAD; i++) {
		assert_false(number_set_has(&s, i));
		assert_true(number_set_add(&s, i));
		assert_int_equal(s.base, i);
	}
	for (size_t i = 0; i < ARRAY_LEN(s.bits); i++)
		assert_int_equal(s.bits[i], 0);
}

static void a_gap_holds_the_base_until_it_is_filled(void **state)
{
	struct number_set s = { 0 };

	(void)state;
	for (uint64_t i = NUMBER_SET_AHEAD; i > 1; i--) {
		assert_true(number_set_add(&s, i));
		assert_true(number_set_add(&s, i)); /* again: nothing changes */
		assert_int_equal(s.base, 0);
	}
	assert_false(number_set_has(&s, 1));
	assert_true(number_set_add(&s, 1));
	assert_int_equal(s.base, NUMBER_SET_AHEAD);
	assert_true(number_set_has(&s, 17));
}

static void a_number_too_far_ahead_is_not_taken(void **state)
{
	struct number_set s = { 0 };

	(void)state;
	assert_false(number_set_add(&s, NUMBER_SET_AHEAD + 1));
	assert_false(number_set_add(&s, UINT64_MAX));
	assert_false(number_set_has(&s, UINT64_MAX));
	assert_true(number_set_add(&s, 1));
	assert_true(number_set_add(&s, NUMBER_SET_AHEAD + 1));
	assert_int_equal(s.base, 1);
}

RUN_TESTS(TEST(a_lane_says_whose_it_is_and_proves_it),
	TEST(a_lane_may_shake_hands_before_its_session_is_known),
	TEST(a_lane_whose_session_is_known_in_time_waits_for_nothing),
	TEST(a_responder_that_speaks_while_the_lane_waits_is_hung_up_on),
	TEST(both_ends_know_the_same_lane_secret_and_no_other_session_does),
	TEST(a_session_of_its_own_claims_nothing),
	TEST(a_proof_is_good_for_its_connection_session_number_and_secret_only),
	TEST(a_number_that_no_lane_has_is_refused), TEST(numbers_in_order_leave_nothing_but_a_base),
	TEST(a_gap_holds_the_base_until_it_is_filled), TEST(a_number_too_far_ahead_is_not_taken))
