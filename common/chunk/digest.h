/*
 * SHA-256 names of blobs, layers, configs and chunks. The only hash that names anything in dray.
 * Backed by libcrypto, which uses the processor's SHA instructions. Functions are thread safe; a
 * `struct hasher` belongs to one thread at a time.
 */
#pragma once

#include "common/base/err.h"

#define DIGEST_LEN 32
#define DIGEST_TEXT_LEN 71 /* "sha256:" and 64 hexadecimal digits, without the NUL */
#define DIGEST_HEX_LEN 64

struct digest {
	uint8_t bytes[DIGEST_LEN];
};

struct hasher;

/* The first hasher of a process takes some milliseconds, of which this is most: for when there is
 * nothing else to do. */
void hasher_prepare(void);

/* NULL when out of memory. hasher_free(NULL) is fine. */
struct hasher *hasher_new(void);
void hasher_free(struct hasher *h);
void hasher_update(struct hasher *h, const void *bytes, size_t n);

/* Gives the digest of all that was fed since the start or the last end, and starts anew. */
struct digest hasher_end(struct hasher *h);

struct digest digest_of(const void *bytes, size_t n);
bool digest_equal(const struct digest *a, const struct digest *b);

/* The first eight bytes as a big-endian number: the short name that questions use. */
uint64_t digest_short(const struct digest *d);

/* Accepts exactly "sha256:" and 64 lower-case digits; anything else is ERR_PROTOCOL. */
int digest_parse(const char *text, struct digest *ret, struct err *err) MUST_CHECK;

/* Writes "sha256:<hex>" and a NUL. */
void digest_text(const struct digest *d, char ret[DIGEST_TEXT_LEN + 1]);
void digest_hex(const struct digest *d, char ret[DIGEST_HEX_LEN + 1]);

/* The chain ID of a layer: of the chain below it (NULL for the lowest layer) and its diffID. */
struct digest digest_chain(const struct digest *below, const struct digest *diff_id);
