#include "protocol/record.h"

#include "common/base/cursor.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

void record_start(struct record_key *k, const uint8_t key[NOISE_KEY_LEN])
{
	memcpy(k->key, key, NOISE_KEY_LEN);
	k->next = k->last = 0;
	k->used = false;
}

/* The one place that gives out nonces, for sealing and for opening. A counter that stands still
 * would void the encryption, hence the assert, which looks superfluous here and is to outlive
 * changes. */
static void take_nonce(struct record_key *k, uint8_t ret[NOISE_NONCE_LEN])
{
	uint64_t n = k->next++;

	assert(!k->used || n > k->last);
	assert(n < UINT64_MAX);
	k->last = n;
	k->used = true;
	if (n > 0 && n % RECORD_REKEY_EVERY == 0)
		noise_rekey(k->key);
	noise_nonce(n, ret);
}

void record_seal(struct record_key *k, uint8_t head, const void *body, size_t n, uint8_t *ret)
{
	uint8_t nonce[NOISE_NONCE_LEN], *plain = ret + RECORD_LEN_LEN;
	size_t sealed_len = n + RECORD_SEALED_MIN;

	assert(n <= RECORD_PLAIN_MAX);
	for (unsigned i = 0; i < RECORD_LEN_LEN; i++)
		ret[i] = (uint8_t)(sealed_len >> (8 * i));
	plain[0] = head;
	if (n > 0)
		memcpy(plain + 1, body, n);
	take_nonce(k, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		plain, NULL, plain, 1 + n, ret, RECORD_LEN_LEN, NULL, nonce, k->key);
}

size_t record_wire_len(const uint8_t *wire)
{
	struct cursor c = cursor_over(wire, RECORD_LEN_LEN);
	size_t sealed_len = cursor_u32(&c);

	if (sealed_len < RECORD_SEALED_MIN || sealed_len > RECORD_SEALED_MAX)
		return 0;
	return RECORD_LEN_LEN + sealed_len;
}

bool record_open(struct record_key *k, uint8_t *wire, uint8_t **ret_plain, size_t *ret_len)
{
	size_t sealed_len = record_wire_len(wire) - RECORD_LEN_LEN;
	uint8_t nonce[NOISE_NONCE_LEN], *sealed = wire + RECORD_LEN_LEN;

	assert(sealed_len >= RECORD_SEALED_MIN && sealed_len <= RECORD_SEALED_MAX);
	take_nonce(k, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(sealed, NULL, NULL, sealed, sealed_len, wire,
		    RECORD_LEN_LEN, nonce, k->key) != 0)
		return false;
	*ret_plain = sealed;
	*ret_len = sealed_len - RECORD_TAG_LEN;
	return true;
}
