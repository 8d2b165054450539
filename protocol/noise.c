#include "protocol/noise.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const char name_xk[] = "Noise_XK_25519_ChaChaPoly_SHA512";
static const char name_xkpsk3[] = "Noise_XKpsk3_25519_ChaChaPoly_SHA512";

/* --- the cipher --- */

void noise_nonce(uint64_t n, uint8_t ret[NOISE_NONCE_LEN])
{
	memset(ret, 0, 4);
	for (unsigned i = 0; i < 8; i++)
		ret[4 + i] = (uint8_t)(n >> (8 * i));
}

void noise_rekey(uint8_t key[NOISE_KEY_LEN])
{
	static const uint8_t zeros[NOISE_KEY_LEN];
	uint8_t nonce[NOISE_NONCE_LEN], sealed[NOISE_KEY_LEN + NOISE_TAG_LEN];

	noise_nonce(UINT64_MAX, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		sealed, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, key);
	memcpy(key, sealed, NOISE_KEY_LEN);
	sodium_memzero(sealed, sizeof(sealed));
}

/* --- the symmetric state --- */

static void mix_hash(struct noise *no, const void *bytes, size_t n)
{
	crypto_hash_sha512_state state;

	crypto_hash_sha512_init(&state);
	crypto_hash_sha512_update(&state, no->h, sizeof(no->h));
	crypto_hash_sha512_update(&state, bytes, n);
	crypto_hash_sha512_final(&state, no->h);
}

static void hmac(uint8_t ret[NOISE_HASH_LEN], const uint8_t key[NOISE_HASH_LEN], const void *a,
	size_t a_len, const void *b, size_t b_len)
{
	crypto_auth_hmacsha512_state state;

	crypto_auth_hmacsha512_init(&state, key, NOISE_HASH_LEN);
	crypto_auth_hmacsha512_update(&state, a, a_len);
	crypto_auth_hmacsha512_update(&state, b, b_len);
	crypto_auth_hmacsha512_final(&state, ret);
	sodium_memzero(&state, sizeof(state));
}

/* Noise's HKDF with three outputs; the first one becomes the chaining key. Who needs two ignores
 * the last, which changes nothing in the others. */
static void hkdf(struct noise *no, const void *input, size_t n, uint8_t ret_2[NOISE_HASH_LEN],
	uint8_t ret_3[NOISE_HASH_LEN])
{
	uint8_t temp[NOISE_HASH_LEN];

	hmac(temp, no->ck, input, n, NULL, 0);
	hmac(no->ck, temp, "\x01", 1, NULL, 0);
	hmac(ret_2, temp, no->ck, NOISE_HASH_LEN, "\x02", 1);
	hmac(ret_3, temp, ret_2, NOISE_HASH_LEN, "\x03", 1);
	sodium_memzero(temp, sizeof(temp));
}

static void mix_key(struct noise *no, const uint8_t input[NOISE_KEY_LEN])
{
	uint8_t key[NOISE_HASH_LEN], unused[NOISE_HASH_LEN];

	hkdf(no, input, NOISE_KEY_LEN, key, unused);
	memcpy(no->k, key, NOISE_KEY_LEN);
	no->n = 0;
	sodium_memzero(key, sizeof(key));
	sodium_memzero(unused, sizeof(unused));
}

static void mix_psk(struct noise *no, const uint8_t *psk)
{
	uint8_t hash[NOISE_HASH_LEN], key[NOISE_HASH_LEN];

	assert(no->psk3 == (psk != NULL));
	if (!psk)
		return;
	hkdf(no, psk, NOISE_KEY_LEN, hash, key);
	mix_hash(no, hash, sizeof(hash));
	memcpy(no->k, key, NOISE_KEY_LEN);
	no->n = 0;
	sodium_memzero(hash, sizeof(hash));
	sodium_memzero(key, sizeof(key));
}

/* In XK every payload and the static key come after a MixKey, so there is always a key. */
static void seal_and_hash(struct noise *no, const void *plain, size_t n, uint8_t *ret)
{
	uint8_t nonce[NOISE_NONCE_LEN];

	noise_nonce(no->n++, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		ret, NULL, plain, n, no->h, sizeof(no->h), NULL, nonce, no->k);
	mix_hash(no, ret, n + NOISE_TAG_LEN);
}

static bool open_and_hash(struct noise *no, const uint8_t *sealed, size_t n, uint8_t *ret)
{
	uint8_t nonce[NOISE_NONCE_LEN];

	noise_nonce(no->n++, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(ret, NULL, NULL, sealed, n + NOISE_TAG_LEN,
		    no->h, sizeof(no->h), nonce, no->k) != 0)
		return false;
	mix_hash(no, sealed, n + NOISE_TAG_LEN);
	return true;
}

/* --- tokens --- */

/* False for a public key of low order, whose result would be all zero whatever the secret. */
static bool mix_dh(
	struct noise *no, const uint8_t sk[NOISE_KEY_LEN], const uint8_t pk[NOISE_KEY_LEN])
{
	uint8_t shared[NOISE_KEY_LEN];
	bool ok = crypto_scalarmult(shared, sk, pk) == 0;

	if (ok)
		mix_key(no, shared);
	sodium_memzero(shared, sizeof(shared));
	return ok;
}

/* The psk patterns mix the ephemeral key into the chaining key too, so that a key is never used
 * twice for the same psk. */
static void mix_ephemeral(struct noise *no, const uint8_t pk[NOISE_KEY_LEN])
{
	mix_hash(no, pk, NOISE_KEY_LEN);
	if (no->psk3)
		mix_key(no, pk);
}

static bool write_ephemeral(struct noise *no, const uint8_t e_sk[NOISE_KEY_LEN], uint8_t *ret)
{
	memcpy(no->e_sk, e_sk, NOISE_KEY_LEN);
	if (crypto_scalarmult_base(no->e_pk, no->e_sk) != 0)
		return false;
	memcpy(ret, no->e_pk, NOISE_KEY_LEN);
	mix_ephemeral(no, no->e_pk);
	return true;
}

static void read_ephemeral(struct noise *no, const uint8_t *message)
{
	memcpy(no->re, message, NOISE_KEY_LEN);
	mix_ephemeral(no, no->re);
}

static void take_step(struct noise *no, bool initiator, uint8_t step)
{
	assert(no->initiator == initiator && no->steps == step);
	no->steps++;
}

/* --- the messages --- */

void noise_start(struct noise *no, bool initiator, bool psk3, const void *prologue,
	size_t prologue_len, const uint8_t s_pk[NOISE_KEY_LEN], const uint8_t s_sk[NOISE_KEY_LEN],
	const uint8_t *rs)
{
	const char *name = psk3 ? name_xkpsk3 : name_xk;

	assert(initiator == (rs != NULL));
	memset(no, 0, sizeof(*no));
	no->initiator = initiator;
	no->psk3 = psk3;
	memcpy(no->s_pk, s_pk, NOISE_KEY_LEN);
	memcpy(no->s_sk, s_sk, NOISE_KEY_LEN);
	if (rs)
		memcpy(no->rs, rs, NOISE_KEY_LEN);
	memcpy(no->h, name,
		strlen(name)); /* both names are shorter than a hash: padded with zeros */
	memcpy(no->ck, no->h, sizeof(no->ck));
	mix_hash(no, prologue, prologue_len);
	mix_hash(no, rs ? rs : s_pk, NOISE_KEY_LEN); /* pre-message: <- s */
}

void noise_wipe(struct noise *no)
{
	sodium_memzero(no, sizeof(*no));
}

/* -> e, es */
bool noise_write_1(struct noise *no, const uint8_t e_sk[NOISE_KEY_LEN], const void *payload,
	size_t n, uint8_t *ret)
{
	take_step(no, true, 0);
	if (!write_ephemeral(no, e_sk, ret) || !mix_dh(no, no->e_sk, no->rs))
		return false;
	seal_and_hash(no, payload, n, ret + NOISE_KEY_LEN);
	return true;
}

bool noise_read_1(struct noise *no, const uint8_t *message, size_t n, uint8_t *ret)
{
	take_step(no, false, 0);
	read_ephemeral(no, message);
	return mix_dh(no, no->s_sk, no->re) && open_and_hash(no, message + NOISE_KEY_LEN, n, ret);
}

/* <- e, ee */
bool noise_write_2(struct noise *no, const uint8_t e_sk[NOISE_KEY_LEN], const void *payload,
	size_t n, uint8_t *ret)
{
	take_step(no, false, 1);
	if (!write_ephemeral(no, e_sk, ret) || !mix_dh(no, no->e_sk, no->re))
		return false;
	seal_and_hash(no, payload, n, ret + NOISE_KEY_LEN);
	return true;
}

bool noise_read_2(struct noise *no, const uint8_t *message, size_t n, uint8_t *ret)
{
	take_step(no, true, 1);
	read_ephemeral(no, message);
	return mix_dh(no, no->e_sk, no->re) && open_and_hash(no, message + NOISE_KEY_LEN, n, ret);
}

/* -> s, se, psk */
bool noise_write_3(
	struct noise *no, const uint8_t *psk, const void *payload, size_t n, uint8_t *ret)
{
	take_step(no, true, 2);
	seal_and_hash(no, no->s_pk, NOISE_KEY_LEN, ret);
	if (!mix_dh(no, no->s_sk, no->re))
		return false;
	mix_psk(no, psk);
	seal_and_hash(no, payload, n, ret + NOISE_SEALED_KEY_LEN);
	no->steps++;
	return true;
}

bool noise_read_3_key(struct noise *no, const uint8_t *sealed_key)
{
	take_step(no, false, 2);
	return open_and_hash(no, sealed_key, NOISE_KEY_LEN, no->rs);
}

bool noise_read_3(struct noise *no, const uint8_t *psk, const uint8_t *rest, size_t n, uint8_t *ret)
{
	take_step(no, false, 3);
	if (!mix_dh(no, no->e_sk, no->rs))
		return false;
	mix_psk(no, psk);
	return open_and_hash(no, rest, n, ret);
}

void noise_split(struct noise *no, uint8_t ret_to_responder[NOISE_KEY_LEN],
	uint8_t ret_to_initiator[NOISE_KEY_LEN], uint8_t ret_further[NOISE_KEY_LEN])
{
	uint8_t second[NOISE_HASH_LEN], third[NOISE_HASH_LEN];

	take_step(no, no->initiator, 4);
	hkdf(no, NULL, 0, second, third);
	memcpy(ret_to_responder, no->ck, NOISE_KEY_LEN);
	memcpy(ret_to_initiator, second, NOISE_KEY_LEN);
	memcpy(ret_further, third, NOISE_KEY_LEN);
	sodium_memzero(no->ck, sizeof(no->ck));
	sodium_memzero(second, sizeof(second));
	sodium_memzero(third, sizeof(third));
}
