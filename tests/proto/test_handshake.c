#include "protocol/invite.h"
#include "tests/proto/pair.h"
#include "tests/support/test.h"

#include <sodium.h>
#include <string.h>

#define PAYLOAD_1 64u
#define PAYLOAD_2 32u
#define PAYLOAD_3 256u

static const uint8_t prologue[15] = { 'd', 'r', 'a', 'y', '/', '1', 0, 'D', 'R', 'A', 'Y', 1, 0,
	136, 0 };

/* mac1 as the specification has it, without the code under test. */
static void seal_mac1(const struct pair *p, uint8_t message[HANDSHAKE_LEN_1])
{
	uint8_t input[10 + KEY_LEN], key[32];

	memcpy(input, "dray1-mac1", 10);
	memcpy(input + 10, p->responder_key.public_key, KEY_LEN);
	crypto_generichash(key, 32, input, sizeof(input), NULL, 0);
	crypto_generichash(message + 120, 16, message, 120, key, 32);
}

static struct handshake *new_side(struct pair *p, bool initiator)
{
	struct session_config config = pair_config(p, initiator);
	struct handshake *h = handshake_new(&config);

	assert_non_null(h);
	return h;
}

/* An initiator whose payloads the test makes. */
static void craft_start(struct pair *p, struct noise *no)
{
	noise_start(no, true, true, prologue, sizeof(prologue), p->initiator_key.public_key,
		p->initiator_key.secret_key, p->responder_key.public_key);
}

static void craft_1(struct pair *p, struct noise *no, const uint8_t payload[PAYLOAD_1],
	uint8_t ret[HANDSHAKE_LEN_1])
{
	uint8_t e_sk[KEY_LEN];

	craft_start(p, no);
	memcpy(ret, prologue + 7, 8);
	pair_random(p, e_sk, sizeof(e_sk));
	assert_true(noise_write_1(no, e_sk, payload, PAYLOAD_1, ret + 8));
	seal_mac1(p, ret);
}

static void good_payload_1(uint8_t payload[PAYLOAD_1])
{
	memset(payload, 0, PAYLOAD_1);
	memset(payload + 24, 0x55, 8); /* the time, which nobody checks */
}

static int feed_crafted_1(struct pair *p, const uint8_t payload[PAYLOAD_1], struct err *err)
{
	struct handshake *h = new_side(p, false);
	uint8_t message[HANDSHAKE_LEN_1];
	struct noise no;
	int r;

	craft_1(p, &no, payload, message);
	r = handshake_read_1(h, message, err);
	handshake_free(h);
	return r;
}

/* A handshake up to message 3, whose payload the test gives; `echo` puts the right session id in.
 */
static int feed_crafted_3(struct pair *p, bool pairing, uint8_t payload[PAYLOAD_3], bool echo,
	struct handshake **ret, struct err *err)
{
	struct handshake *h = new_side(p, false);
	uint8_t first[PAYLOAD_1], message[HANDSHAKE_LEN_3], second[PAYLOAD_2];
	struct noise no;
	int r;

	good_payload_1(first);
	if (pairing)
		memcpy(first, p->token_id, 16);
	craft_1(p, &no, first, message);
	assert_ok(handshake_read_1(h, message, err), err);
	assert_ok(handshake_write_2(h, message, err), err);
	assert_true(noise_read_2(&no, message, PAYLOAD_2, second));
	if (echo)
		memcpy(payload + 68, second + 16, 16);
	assert_true(noise_write_3(&no, p->psk, payload, PAYLOAD_3, message));
	r = handshake_read_3(h, message, err);
	if (ret)
		*ret = h;
	else
		handshake_free(h);
	return r;
}

static void both_sides_agree_on_everything(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1], m2[HANDSHAKE_LEN_2], m3[HANDSHAKE_LEN_3];
	uint8_t send[2][KEY_LEN], receive[2][KEY_LEN], lane[2][LANE_SECRET_LEN], channel[2][64];
	struct handshake *i, *r;
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 1);
	i = new_side(&p, true);
	r = new_side(&p, false);
	assert_ok(handshake_write_1(i, m1, &err), &err);
	assert_ok(handshake_read_1(r, m1, &err), &err);
	assert_ok(handshake_write_2(r, m2, &err), &err);
	assert_ok(handshake_read_2(i, m2, &err), &err);
	assert_ok(handshake_write_3(i, m3, &err), &err);
	assert_ok(handshake_read_3(r, m3, &err), &err);
	assert_memory_equal(handshake_result(r)->peer_key, p.initiator_key.public_key, KEY_LEN);
	assert_memory_equal(handshake_result(i)->session_id, handshake_result(r)->session_id, 16);
	assert_false(handshake_result(r)->pairing);
	assert_string_equal(handshake_result(r)->label, "");
	assert_string_equal(handshake_result(r)->peer.name, "web01");
	handshake_split(i, send[0], receive[0], lane[0], channel[0]);
	handshake_split(r, send[1], receive[1], lane[1], channel[1]);
	assert_memory_equal(send[0], receive[1], KEY_LEN);
	assert_memory_equal(send[1], receive[0], KEY_LEN);
	assert_memory_not_equal(send[0], send[1], KEY_LEN);
	assert_memory_equal(lane[0], lane[1], LANE_SECRET_LEN);
	assert_memory_not_equal(lane[0], send[0], KEY_LEN);
	assert_memory_not_equal(lane[0], receive[0], KEY_LEN);
	assert_memory_equal(channel[0], channel[1], 64);
	handshake_free(i);
	handshake_free(r);
}

static void the_first_message_has_the_specified_outside(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1], expected[HANDSHAKE_LEN_1];
	struct handshake *i;
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 1);
	i = new_side(&p, true);
	assert_ok(handshake_write_1(i, m1, &err), &err);
	assert_memory_equal(m1, "DRAY\x01\x00\x88\x00", 8);
	memcpy(expected, m1, sizeof(m1));
	seal_mac1(&p, expected);
	assert_memory_equal(m1, expected, sizeof(m1));
	handshake_free(i);
}

static void every_flipped_bit_of_message_1_is_refused(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1], bad[HANDSHAKE_LEN_1];
	struct handshake *i;
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 2);
	i = new_side(&p, true);
	assert_ok(handshake_write_1(i, m1, &err), &err);
	for (unsigned bit = 0; bit < 8 * HANDSHAKE_LEN_1; bit++) {
		/* as it is, and by somebody who knows the public key and can make a mac1 */
		for (int remade = 0; remade < 2; remade++) {
			struct handshake *r = new_side(&p, false);

			memcpy(bad, m1, sizeof(bad));
			bad[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			if (remade && bit < 8 * 120)
				seal_mac1(&p, bad);
			assert_int_equal(handshake_read_1(r, bad, &err), -1);
			handshake_free(r);
		}
	}
	handshake_free(i);
}

static void every_flipped_bit_of_message_2_is_refused(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1], m2[HANDSHAKE_LEN_2];
	struct handshake *i, *r;
	struct pair p;
	struct err err;

	(void)state;
	for (unsigned bit = 0; bit < 8 * HANDSHAKE_LEN_2; bit++) {
		pair_init(&p, 3);
		i = new_side(&p, true);
		r = new_side(&p, false);
		assert_ok(handshake_write_1(i, m1, &err), &err);
		assert_ok(handshake_read_1(r, m1, &err), &err);
		assert_ok(handshake_write_2(r, m2, &err), &err);
		m2[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_fails(handshake_read_2(i, m2, &err), &err, ERR_REFUSED);
		handshake_free(i);
		handshake_free(r);
	}
}

static void every_flipped_bit_of_message_3_is_refused(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1], m2[HANDSHAKE_LEN_2], m3[HANDSHAKE_LEN_3];
	struct handshake *i, *r;
	struct pair p;
	struct err err;
	uint64_t draws;

	(void)state;
	pair_init(&p, 4);
	i = new_side(&p, true);
	r = new_side(&p, false);
	assert_ok(handshake_write_1(i, m1, &err), &err);
	assert_ok(handshake_read_1(r, m1, &err), &err);
	draws = p.draws; /* from here every responder draws the same numbers */
	assert_ok(handshake_write_2(r, m2, &err), &err);
	assert_ok(handshake_read_2(i, m2, &err), &err);
	assert_ok(handshake_write_3(i, m3, &err), &err);
	handshake_free(r);
	for (unsigned bit = 0; bit <= 8 * HANDSHAKE_LEN_3; bit++) {
		bool flip = bit <
			    8 * HANDSHAKE_LEN_3; /* the last round shows that the rest is right */

		r = new_side(&p, false);
		assert_ok(handshake_read_1(r, m1, &err), &err);
		p.draws = draws;
		assert_ok(handshake_write_2(r, m2, &err), &err);
		if (flip)
			m3[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_equal(handshake_read_3(r, m3, &err), flip ? -1 : 0);
		if (flip)
			m3[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		handshake_free(r);
	}
	handshake_free(i);
}

static void a_message_1_for_another_key_is_dropped_before_any_arithmetic(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1];
	struct handshake *i, *r;
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 5);
	i = new_side(&p, true);
	assert_ok(handshake_write_1(i, m1, &err), &err);
	memcpy(&p.responder_key, &p.initiator_key, sizeof(p.responder_key));
	r = new_side(&p, false);
	assert_fails(handshake_read_1(r, m1, &err), &err, ERR_REFUSED);
	handshake_free(i);
	handshake_free(r);
}

static void another_major_version_is_named(void **state)
{
	uint8_t m1[HANDSHAKE_LEN_1];
	struct handshake *i, *r;
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 5);
	i = new_side(&p, true);
	r = new_side(&p, false);
	assert_ok(handshake_write_1(i, m1, &err), &err);
	m1[4] = 2;
	assert_fails(handshake_read_1(r, m1, &err), &err, ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "version 2"));
	handshake_free(i);
	handshake_free(r);
}

static void zeros_of_payload_1_must_be_zero(void **state)
{
	uint8_t payload[PAYLOAD_1];
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 6);
	good_payload_1(payload);
	assert_ok(feed_crafted_1(&p, payload, &err), &err);
	for (unsigned i = 32; i < PAYLOAD_1; i++) {
		good_payload_1(payload);
		payload[i] = 1;
		assert_fails(feed_crafted_1(&p, payload, &err), &err, ERR_PROTOCOL);
	}
	good_payload_1(payload);
	payload[16] = 2; /* minor_min 2, minor_max 1 */
	payload[18] = 1;
	assert_fails(feed_crafted_1(&p, payload, &err), &err, ERR_PROTOCOL);
	payload[18] = 2;    /* a later minor version alone is no error here: message 2 says ours */
	payload[20] = 0xff; /* and unknown features are offers */
	assert_ok(feed_crafted_1(&p, payload, &err), &err);
}

/* A responder whose payload the test makes. */
static int feed_crafted_2(struct pair *p, const uint8_t payload[PAYLOAD_2], struct err *err)
{
	struct handshake *h = new_side(p, true);
	uint8_t m1[HANDSHAKE_LEN_1], m2[HANDSHAKE_LEN_2], first[PAYLOAD_1], e_sk[KEY_LEN];
	struct noise no;
	int r;

	assert_ok(handshake_write_1(h, m1, err), err);
	noise_start(&no, false, true, prologue, sizeof(prologue), p->responder_key.public_key,
		p->responder_key.secret_key, NULL);
	assert_true(noise_read_1(&no, m1 + 8, PAYLOAD_1, first));
	pair_random(p, e_sk, sizeof(e_sk));
	assert_true(noise_write_2(&no, e_sk, payload, PAYLOAD_2, m2));
	r = handshake_read_2(h, m2, err);
	handshake_free(h);
	return r;
}

static void payload_2_has_one_form_only(void **state)
{
	static const uint8_t good[PAYLOAD_2] = { [10] = 4, [12] = 1 };
	uint8_t payload[PAYLOAD_2];
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 7);
	memcpy(payload, good, sizeof(payload));
	assert_ok(feed_crafted_2(&p, payload, &err), &err);
	for (unsigned i = 0; i < 16; i++) {
		memcpy(payload, good, sizeof(payload));
		payload[i] ^= 0x10;
		assert_fails(feed_crafted_2(&p, payload, &err), &err, ERR_PROTOCOL);
		if (i < 2)
			assert_non_null(strstr(err.text, "speaks version 1."));
	}
}

static void payload_3_has_one_form_only(void **state)
{
	uint8_t payload[PAYLOAD_3] = { 0 };
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 8);
	assert_ok(feed_crafted_3(&p, false, payload, true, NULL, &err), &err);
	assert_fails(feed_crafted_3(&p, false, (uint8_t[PAYLOAD_3]){ 0 }, false, NULL, &err), &err,
		ERR_PROTOCOL);
	for (unsigned i = 0; i < PAYLOAD_3; i++) {
		if (i >= 68 && i < 84)
			continue; /* the session id, put in on the way */
		memset(payload, 0, sizeof(payload));
		payload[i] = 1;
		assert_fails(
			feed_crafted_3(&p, false, payload, true, NULL, &err), &err, ERR_PROTOCOL);
	}
	memset(payload, 0, sizeof(payload));
	payload[68] = 1; /* an echo of another session */
	assert_fails(feed_crafted_3(&p, false, payload, false, NULL, &err), &err, ERR_PROTOCOL);
}

static int feed_label(
	struct pair *p, const char *label, uint8_t len, struct handshake **ret, struct err *err)
{
	uint8_t payload[PAYLOAD_3] = { 1, len };

	memcpy(payload + 2, label, strlen(label));
	return feed_crafted_3(p, true, payload, true, ret, err);
}

static void labels_are_printable_and_padded_with_zeros(void **state)
{
	static const char full[] = "12345678901234567890123456789012345678901234567890123456789012";
	struct handshake *h;
	struct pair p;
	struct err err;

	(void)state;
	pair_init(&p, 9);
	assert_ok(feed_label(&p, "db ~01", 6, &h, &err), &err);
	assert_string_equal(handshake_result(h)->label, "db ~01");
	assert_true(handshake_result(h)->pairing);
	assert_true(p.find_had_token);
	handshake_free(h);
	assert_ok(feed_label(&p, full, 62, &h, &err), &err);
	assert_string_equal(handshake_result(h)->label, full);
	handshake_free(h);
	assert_fails(feed_label(&p, full, 63, NULL, &err), &err, ERR_PROTOCOL);
	assert_fails(feed_label(&p, full, 255, NULL, &err), &err, ERR_PROTOCOL);
	assert_fails(feed_label(&p, full, 61, NULL, &err), &err, ERR_PROTOCOL);
	assert_fails(feed_label(&p, "a\nb", 3, NULL, &err), &err, ERR_PROTOCOL);
	assert_fails(feed_label(&p, "a\x7f", 2, NULL, &err), &err, ERR_PROTOCOL);
	assert_fails(feed_label(&p, "\xc3\xa9", 2, NULL, &err), &err, ERR_PROTOCOL);
	assert_fails(feed_label(&p, "a", 2, NULL, &err), &err, ERR_PROTOCOL);
}

static void the_own_label_is_made_fit(void **state)
{
	struct session_config config;
	struct handshake *h;
	struct pair p;
	char label[70];

	(void)state;
	pair_init(&p, 9);
	p.pairing = true;
	config = pair_config(&p, true);
	config.label = "h\xc3\xb6st\n";
	h = handshake_new(&config);
	assert_non_null(h);
	assert_string_equal(handshake_result(h)->label, "h__st_");
	handshake_free(h);
	memset(label, 'x', 69);
	label[69] = '\0';
	config.label = label;
	h = handshake_new(&config);
	assert_non_null(h);
	assert_int_equal(strlen(handshake_result(h)->label), KEY_NAME_MAX);
	handshake_free(h);
}

static void the_pairing_psk_binds_secret_key_and_token(void **state)
{
	uint8_t input[14 + 32 + 16], expected[32], psk[32];
	struct invite invite = { 0 };

	(void)state;
	memset(invite.secret, 1, 32);
	memset(invite.server_key, 2, 32);
	memset(invite.token_id, 3, 16);
	memcpy(input, "dray1-pair-psk", 14);
	memset(input + 14, 2, 32);
	memset(input + 46, 3, 16);
	crypto_generichash(expected, 32, input, sizeof(input), invite.secret, 32);
	invite_psk(&invite, psk);
	assert_memory_equal(psk, expected, 32);
}

RUN_TESTS(TEST(both_sides_agree_on_everything), TEST(the_first_message_has_the_specified_outside),
	TEST(every_flipped_bit_of_message_1_is_refused),
	TEST(every_flipped_bit_of_message_2_is_refused),
	TEST(every_flipped_bit_of_message_3_is_refused),
	TEST(a_message_1_for_another_key_is_dropped_before_any_arithmetic),
	TEST(another_major_version_is_named), TEST(zeros_of_payload_1_must_be_zero),
	TEST(payload_2_has_one_form_only), TEST(payload_3_has_one_form_only),
	TEST(labels_are_printable_and_padded_with_zeros), TEST(the_own_label_is_made_fit),
	TEST(the_pairing_psk_binds_secret_key_and_token))
