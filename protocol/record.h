/*
 * Records: what follows the handshake on the wire. README.md section 3.
 *
 *	u32 sealed_len | sealed[sealed_len]	the length is authenticated with the rest
 *	plain: u8 head | body			at most RECORD_PLAIN_MAX bytes of body
 *
 * A direction has one key and one counter, which is the nonce and never travels. Both live only
 * here, side by side. Pure; one owner.
 */
#pragma once

#include "protocol/limits.h"
#include "protocol/noise.h"

#define RECORD_LEN_LEN 4u
#define RECORD_SEALED_MIN (1u + RECORD_TAG_LEN)
#define RECORD_SEALED_MAX (1u + RECORD_PLAIN_MAX + RECORD_TAG_LEN)
#define RECORD_OVERHEAD (RECORD_LEN_LEN + RECORD_SEALED_MIN)
#define RECORD_WIRE_MAX (RECORD_LEN_LEN + RECORD_SEALED_MAX)

/* One direction. In sodium_malloc memory. */
struct record_key {
	uint8_t key[NOISE_KEY_LEN];
	uint64_t next; /* counter of the next record, which is the number of records so far */
	uint64_t last; /* the counter used last, once `used`: asserted to grow */
	bool used;
};

void record_start(struct record_key *k, const uint8_t key[NOISE_KEY_LEN]);

/* Writes n + RECORD_OVERHEAD bytes to `ret`; n is at most RECORD_PLAIN_MAX. */
void record_seal(struct record_key *k, uint8_t head, const void *body, size_t n, uint8_t *ret);

/* The length of the record whose first RECORD_LEN_LEN bytes these are, all of it; 0 when no record
 * may be so short or so long. */
size_t record_wire_len(const uint8_t *wire);

/* Opens a whole record in place: head and body are then at *ret_plain, *ret_len bytes (1 and up).
 * False: it is forged, damaged, repeated or out of order; the connection is to be dropped. */
bool record_open(
	struct record_key *k, uint8_t *wire, uint8_t **ret_plain, size_t *ret_len) MUST_CHECK;
