#include "protocol/noise.h"
#include "tests/support/test.h"

#include <sodium.h>
#include <string.h>

/* Vector Noise_XK_25519_ChaChaPoly_SHA512 of the public cacophony set (the test vectors of the
 * Haskell Noise library cacophony, which other Noise libraries ship too). */
static const char prologue[] = "4a6f686e2047616c74";
static const char init_static[] =
	"e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
static const char init_ephemeral[] =
	"893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char resp_public[] =
	"31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
static const char resp_static[] =
	"4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char resp_ephemeral[] =
	"bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
static const char handshake_hash[] =
	"a6b33bf324a6ebc4825cc24b0016c2a61497dc30597c012bba8adfd7ac62ddac"
	"91b2c04d1888a463f212bee1d4bc9fa90a66338341fea856211d0cd452c3108b";

static const struct {
	const char *payload, *message;
} vector[] = {
	{ "4c756477696720766f6e204d69736573",
		"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
		"3e6d6a6ea5368eca4ca6b98d4bb43285de802de8da92d5248f7fe7781f719f4b" },
	{ "4d757272617920526f746862617264",
		"95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
		"80e1d99f9ef8a5b3f60f20288c4f3879d426538b7f5dba3f5ffa086a83d2e3" },
	{ "462e20412e20486179656b",
		"8e5e11ab592a0dcd30d9558e1ee0318449d5c303c8fd6bbe42b9bdf2c38d7fb2"
		"33cefee410004a0f07b4e65689b2e95c479c53ed4e35f6dbbb928bcbc2f59178"
		"100b8e0283a39bec5502a8" },
	{ "4361726c204d656e676572", "56219ad4d36805401607114a3f96d3e5a07bb0f7e30201f5197024" },
	{ "4a65616e2d426170746973746520536179",
		"c231ee2ef52ea3526492d7c9f294dfbc42e7b3284cea07012c9e475bcc4394fae5" },
	{ "457567656e2042f6686d20766f6e2042617765726b",
		"9b95440000ae4b609e7193264b0815d3231918c6dae6a9d8368818f143d84f4e7d5ec197e1" },
};

static size_t unhex(const char *hex, uint8_t *ret, size_t max)
{
	size_t n = 0;

	assert_int_equal(sodium_hex2bin(ret, max, hex, strlen(hex), NULL, &n, NULL), 0);
	return n;
}

struct keys {
	uint8_t i_sk[32], i_pk[32], i_e[32], r_sk[32], r_pk[32], r_e[32], prologue[16];
	size_t prologue_len;
};

static struct keys vector_keys(void)
{
	struct keys k;
	uint8_t derived[32];

	unhex(init_static, k.i_sk, 32);
	unhex(init_ephemeral, k.i_e, 32);
	unhex(resp_static, k.r_sk, 32);
	unhex(resp_public, k.r_pk, 32);
	unhex(resp_ephemeral, k.r_e, 32);
	k.prologue_len = unhex(prologue, k.prologue, sizeof(k.prologue));
	assert_int_equal(crypto_scalarmult_base(k.i_pk, k.i_sk), 0);
	assert_int_equal(crypto_scalarmult_base(derived, k.r_sk), 0);
	assert_memory_equal(derived, k.r_pk, 32);
	return k;
}

static void start(struct noise *i, struct noise *r, const struct keys *k, bool psk3)
{
	noise_start(i, true, psk3, k->prologue, k->prologue_len, k->i_pk, k->i_sk, k->r_pk);
	noise_start(r, false, psk3, k->prologue, k->prologue_len, k->r_pk, k->r_sk, NULL);
}

static void is_vector(unsigned i, const uint8_t *message, size_t n)
{
	uint8_t expected[128];

	assert_int_equal(unhex(vector[i].message, expected, sizeof(expected)), n);
	assert_memory_equal(message, expected, n);
}

static void is_payload(unsigned i, const uint8_t *payload, size_t n)
{
	uint8_t expected[64];

	assert_int_equal(unhex(vector[i].payload, expected, sizeof(expected)), n);
	assert_memory_equal(payload, expected, n);
}

static void handshake_of_the_vector(struct noise *i, struct noise *r)
{
	struct keys k = vector_keys();
	uint8_t payload[64], message[256], got[64];
	size_t n;

	start(i, r, &k, false);
	n = unhex(vector[0].payload, payload, sizeof(payload));
	assert_true(noise_write_1(i, k.i_e, payload, n, message));
	is_vector(0, message, n + NOISE_OVERHEAD_1);
	assert_true(noise_read_1(r, message, n, got));
	is_payload(0, got, n);

	n = unhex(vector[1].payload, payload, sizeof(payload));
	assert_true(noise_write_2(r, k.r_e, payload, n, message));
	is_vector(1, message, n + NOISE_OVERHEAD_2);
	assert_true(noise_read_2(i, message, n, got));
	is_payload(1, got, n);

	n = unhex(vector[2].payload, payload, sizeof(payload));
	assert_true(noise_write_3(i, NULL, payload, n, message));
	is_vector(2, message, n + NOISE_OVERHEAD_3);
	assert_true(noise_read_3_key(r, message));
	assert_memory_equal(r->rs, k.i_pk, 32);
	assert_true(noise_read_3(r, NULL, message + NOISE_SEALED_KEY_LEN, n, got));
	is_payload(2, got, n);
}

static void the_handshake_equals_the_public_vector(void **state)
{
	struct noise i, r;
	uint8_t expected[64];

	(void)state;
	handshake_of_the_vector(&i, &r);
	unhex(handshake_hash, expected, sizeof(expected));
	assert_memory_equal(i.h, expected, 64);
	assert_memory_equal(r.h, expected, 64);
}

static void the_transport_messages_equal_the_public_vector(void **state)
{
	struct noise i, r;
	uint8_t keys[3][32], other[3][32], payload[64], nonce[NOISE_NONCE_LEN], message[128];

	(void)state;
	handshake_of_the_vector(&i, &r);
	noise_split(&i, keys[1], keys[0], keys[2]);
	noise_split(&r, other[1], other[0], other[2]);
	assert_memory_equal(keys, other, sizeof(keys));
	for (unsigned m = 3; m < 6; m++) {
		size_t n = unhex(vector[m].payload, payload, sizeof(payload));

		/* the responder speaks first: messages 4 and 6 are its own */
		noise_nonce((m - 3) / 2, nonce);
		crypto_aead_chacha20poly1305_ietf_encrypt(
			message, NULL, payload, n, NULL, 0, NULL, nonce, keys[m % 2 == 1 ? 0 : 1]);
		is_vector(m, message, n + NOISE_TAG_LEN);
	}
}

/* The points of small order on the curve and its twist, in encodings below 2^255. */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void keys_of_low_order_are_refused_everywhere(void **state)
{
	struct keys k = vector_keys();
	uint8_t message[128], got[64], bad[32], good[32];
	struct noise i, r;

	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(low_order); p++) {
		unhex(low_order[p], bad, sizeof(bad));
		start(&i, &r, &k, true);
		memcpy(i.rs, bad, 32); /* a static key of the responder */
		assert_false(noise_write_1(&i, k.i_e, "", 0, message));

		start(&i, &r, &k, true);
		memset(message, 0, sizeof(message));
		memcpy(message, bad, 32); /* an ephemeral key of the initiator */
		assert_false(noise_read_1(&r, message, 0, got));

		start(&i, &r, &k, true);
		assert_true(noise_write_1(&i, k.i_e, "", 0, message));
		assert_true(noise_read_1(&r, message, 0, got));
		memcpy(message, bad, 32); /* an ephemeral key of the responder */
		assert_false(noise_read_2(&i, message, 0, got));

		start(&i, &r, &k, true);
		memcpy(i.s_pk, bad, 32); /* a static key of the initiator, properly sealed */
		memset(good, 7, sizeof(good));
		assert_true(noise_write_1(&i, k.i_e, "", 0, message));
		assert_true(noise_read_1(&r, message, 0, got));
		assert_true(noise_write_2(&r, k.r_e, "", 0, message));
		assert_true(noise_read_2(&i, message, 0, got));
		assert_true(noise_write_3(&i, good, "", 0, message));
		assert_true(noise_read_3_key(&r, message));
		assert_memory_equal(r.rs, bad, 32);
		assert_false(noise_read_3(&r, good, message + NOISE_SEALED_KEY_LEN, 0, got));
	}
}

static void rekeying_gives_the_first_half_of_sealed_zeros(void **state)
{
	uint8_t key[32], next[32], zeros[32] = { 0 }, sealed[48], nonce[12];

	(void)state;
	memset(key, 5, sizeof(key));
	memcpy(next, key, sizeof(key));
	memset(nonce, 0, 4);
	memset(nonce + 4, 0xff, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		sealed, NULL, zeros, 32, NULL, 0, NULL, nonce, key);
	noise_rekey(next);
	assert_memory_equal(next, sealed, 32);
	assert_memory_not_equal(next, key, 32);
}

RUN_TESTS(TEST(the_handshake_equals_the_public_vector),
	TEST(the_transport_messages_equal_the_public_vector),
	TEST(keys_of_low_order_are_refused_everywhere),
	TEST(rekeying_gives_the_first_half_of_sealed_zeros))
