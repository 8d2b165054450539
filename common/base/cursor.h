/*
 * Reads bytes that came from outside. Every getter checks what is left first; the first one that
 * does not fit sets `bad`, which sticks, and from then on getters give zero. So a decoder reads all
 * its fields and asks once: cursor_end says whether everything fitted and nothing was left over.
 */
#pragma once

#include "common/base/base.h"

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct cursor cursor_over(const void *bytes, size_t n)
{
	return (struct cursor){ .at = bytes, .left = n };
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);

/* LEB128 in its shortest form only; anything longer, or past 64 bits, is bad. */
uint64_t cursor_varint(struct cursor *c);

/* n bytes in place, or NULL when there are fewer (n == 0 gives a pointer that must not be read). */
const uint8_t *cursor_bytes(struct cursor *c, size_t n);

/* Copies n bytes out, zeros when there are fewer. */
void cursor_copy(struct cursor *c, void *to, size_t n);

/* u16 length and bytes in place; `max` is the longest allowed. Not NUL-terminated. */
const char *cursor_text(struct cursor *c, size_t max, size_t *ret_len);

/* True when every getter fitted and no byte is left. */
static inline bool cursor_end(const struct cursor *c)
{
	return !c->bad && c->left == 0;
}
