/*
 * The Noise handshake XKpsk3 with X25519, ChaCha20-Poly1305 and SHA-512 (noiseprotocol.org,
 * revision 34): three messages, after which both sides hold the same two keys. The plain XK pattern
 * exists for the public test vectors, which have no psk3. Pure; one owner.
 *
 * The caller brings the memory (sodium_malloc) and the ephemeral secrets, calls the functions of
 * its role in order, and wipes the state when it is done or anything returned false. False means
 * that a message is not authentic or a public key is of low order: there is nothing more to tell.
 */
#pragma once

#include "common/base/base.h"

#define NOISE_KEY_LEN 32u
#define NOISE_HASH_LEN 64u
#define NOISE_TAG_LEN 16u
#define NOISE_NONCE_LEN 12u

/* What each message is longer than its payload. */
#define NOISE_OVERHEAD_1 (NOISE_KEY_LEN + NOISE_TAG_LEN)
#define NOISE_OVERHEAD_2 NOISE_OVERHEAD_1
#define NOISE_SEALED_KEY_LEN (NOISE_KEY_LEN + NOISE_TAG_LEN)
#define NOISE_OVERHEAD_3 (NOISE_SEALED_KEY_LEN + NOISE_TAG_LEN)

struct noise {
	bool initiator, psk3;
	uint8_t steps; /* done so far: the order of calls is asserted */
	uint64_t n;
	uint8_t h[NOISE_HASH_LEN], ck[NOISE_HASH_LEN], k[NOISE_KEY_LEN];
	uint8_t s_pk[NOISE_KEY_LEN], s_sk[NOISE_KEY_LEN];
	uint8_t e_pk[NOISE_KEY_LEN], e_sk[NOISE_KEY_LEN];
	uint8_t rs[NOISE_KEY_LEN], re[NOISE_KEY_LEN];
};

/* `rs`: the responder's public key; NULL at the responder. */
void noise_start(struct noise *no, bool initiator, bool psk3, const void *prologue,
	size_t prologue_len, const uint8_t s_pk[NOISE_KEY_LEN], const uint8_t s_sk[NOISE_KEY_LEN],
	const uint8_t *rs);
void noise_wipe(struct noise *no);

/* Writes `n + NOISE_OVERHEAD_x` bytes to `ret`. */
bool noise_write_1(struct noise *no, const uint8_t e_sk[NOISE_KEY_LEN], const void *payload,
	size_t n, uint8_t *ret) MUST_CHECK;
bool noise_write_2(struct noise *no, const uint8_t e_sk[NOISE_KEY_LEN], const void *payload,
	size_t n, uint8_t *ret) MUST_CHECK;
/* `psk` is NULL in the plain pattern. */
bool noise_write_3(struct noise *no, const uint8_t *psk, const void *payload, size_t n,
	uint8_t *ret) MUST_CHECK;

/* Takes a message whose payload has `n` bytes, which go to `ret`. */
bool noise_read_1(struct noise *no, const uint8_t *message, size_t n, uint8_t *ret) MUST_CHECK;
bool noise_read_2(struct noise *no, const uint8_t *message, size_t n, uint8_t *ret) MUST_CHECK;

/* Message 3 comes in two parts, so that the psk can be chosen by the key that the first one shows
 * (NOISE_SEALED_KEY_LEN bytes; then no->rs is the initiator's). */
bool noise_read_3_key(struct noise *no, const uint8_t *sealed_key) MUST_CHECK;
bool noise_read_3(struct noise *no, const uint8_t *psk, const uint8_t *rest, size_t n,
	uint8_t *ret) MUST_CHECK;

/* The keys of the two directions, after message 3, and a third one for what else both are to know
 * and nobody else. no->h is then the handshake hash. */
void noise_split(struct noise *no, uint8_t ret_to_responder[NOISE_KEY_LEN],
	uint8_t ret_to_initiator[NOISE_KEY_LEN], uint8_t ret_further[NOISE_KEY_LEN]);

/* The cipher's nonce for a counter: four zero bytes, then the counter, little-endian. */
void noise_nonce(uint64_t n, uint8_t ret[NOISE_NONCE_LEN]);

/* REKEY: replaces a key by the first 32 bytes of 32 zeros sealed under it at counter 2^64-1. */
void noise_rekey(uint8_t key[NOISE_KEY_LEN]);
