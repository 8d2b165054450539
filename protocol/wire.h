/*
 * The codec of every message: fields are listed once in a .def file and the struct, encoder and
 * decoder are generated from the list. Decoding copies nothing: texts, bytes and lists point into
 * the message, which must outlive them. All numbers are little-endian.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/chunk/digest.h"

typedef uint8_t wire_u8;
typedef uint16_t wire_u16;
typedef uint32_t wire_u32;
typedef uint64_t wire_u64;
typedef struct digest wire_digest; /* 32 bytes */

typedef struct {
	uint8_t bytes[32];
} wire_secret; /* 32 bytes that never reach a log */

typedef struct {
	uint8_t bytes[16];
} wire_id; /* 16 random bytes */

/* u16 length and UTF-8 bytes, not NUL-terminated. */
typedef struct {
	const char *s;
	uint16_t n;
} wire_text;

/* u32 length and bytes. */
typedef struct {
	const uint8_t *p;
	uint32_t n;
} wire_bytes;

/* u32 count and 32 bytes each. */
typedef struct {
	const struct digest *at;
	uint32_t n;
} wire_digests;

/* u32 count and 8 bytes each: digest_short as a little-endian number. */
typedef struct {
	const uint8_t *raw;
	uint32_t n;
} wire_shorts;

/* u32 count and 8 bytes each: plain numbers. */
typedef wire_shorts wire_numbers;

/* u16 count, then that many texts. */
typedef struct {
	const uint8_t *raw;
	size_t len;
	uint16_t n;
} wire_texts;

void wire_put_u8(struct buf *to, const wire_u8 *v);
void wire_put_u16(struct buf *to, const wire_u16 *v);
void wire_put_u32(struct buf *to, const wire_u32 *v);
void wire_put_u64(struct buf *to, const wire_u64 *v);
void wire_put_digest(struct buf *to, const wire_digest *v);
void wire_put_secret(struct buf *to, const wire_secret *v);
void wire_put_id(struct buf *to, const wire_id *v);
void wire_put_text(struct buf *to, const wire_text *v);
void wire_put_bytes(struct buf *to, const wire_bytes *v);
void wire_put_digests(struct buf *to, const wire_digests *v);
void wire_put_shorts(struct buf *to, const wire_shorts *v);
void wire_put_numbers(struct buf *to, const wire_numbers *v);
void wire_put_texts(struct buf *to, const wire_texts *v);

void wire_get_u8(struct cursor *c, wire_u8 *ret);
void wire_get_u16(struct cursor *c, wire_u16 *ret);
void wire_get_u32(struct cursor *c, wire_u32 *ret);
void wire_get_u64(struct cursor *c, wire_u64 *ret);
void wire_get_digest(struct cursor *c, wire_digest *ret);
void wire_get_secret(struct cursor *c, wire_secret *ret);
void wire_get_id(struct cursor *c, wire_id *ret);
void wire_get_text(struct cursor *c, wire_text *ret);
void wire_get_bytes(struct cursor *c, wire_bytes *ret);
void wire_get_digests(struct cursor *c, wire_digests *ret);
void wire_get_shorts(struct cursor *c, wire_shorts *ret);
void wire_get_numbers(struct cursor *c, wire_numbers *ret);
void wire_get_texts(struct cursor *c, wire_texts *ret);

/* The i-th short name; i < v->n. */
uint64_t wire_short(const wire_shorts *v, uint32_t i);

/* The i-th number; i < v->n. */
uint64_t wire_number(const wire_numbers *v, uint32_t i);

/* Walks a list of texts: `at` starts as v->raw; true while there is one. */
bool wire_texts_next(const wire_texts *v, const uint8_t **at, wire_text *ret);

/* A list of texts out of strings, encoded into `to` (which must outlive the result). */
wire_texts wire_texts_of(struct buf *to, const char *const *strings, uint16_t n);

static inline wire_text wire_text_of(const char *s, size_t n)
{
	return (wire_text){ .s = s, .n = (uint16_t)n };
}

/* A copy with a NUL, NULL when out of memory. Caller frees. */
char *wire_text_dup(const wire_text *t);
