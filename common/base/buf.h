/*
 * A growing byte buffer with a hard maximum, consumed from the front. Appending past the maximum or
 * running out of memory sets `failed`, which sticks, so that a writer may append many fields and
 * check once with buf_ok. Not thread safe; one owner.
 */
#pragma once

#include "common/base/base.h"

struct buf {
	uint8_t *data;
	size_t start, end; /* the content is data[start..end) */
	size_t cap, max;
	bool failed;
	bool no_memory; /* failed for want of memory, not because of `max` */
};

/* `max` is the largest content in bytes that the buffer will ever hold. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Frees the content; the buffer is as after buf_init. Fit for CLEANUP(buf_done). */
void buf_done(struct buf *b);

/* Empties the buffer, keeps its memory, forgets a failure. */
void buf_clear(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/* The content; valid until the next call that changes the buffer. */
static inline uint8_t *buf_bytes(const struct buf *b)
{
	return b->start ? b->data + b->start : b->data; /* may be NULL + 0, which C forbids */
}

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

void buf_append(struct buf *b, const void *bytes, size_t n);

/* Room for n more bytes at the end, or NULL (and failed) if there is none; then buf_commit. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* Drops n bytes from the front; n is at most buf_len. */
void buf_consume(struct buf *b, size_t n);

/* Hands over the memory: returns the content (start moved to 0), to be freed by the caller. */
uint8_t *buf_steal(struct buf *b, size_t *ret_len);

/* Little-endian writers for every on-wire and on-disk format. */
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);

/* LEB128: seven bits a byte, low bits first, at most ten bytes. */
void buf_varint(struct buf *b, uint64_t v);

/* u16 length, then the bytes (at most 65535, else failed). */
void buf_text(struct buf *b, const char *s);
