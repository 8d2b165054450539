#include "common/base/cursor.h"

#include <string.h>

const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
	static const uint8_t nothing[1];
	const uint8_t *at = c->at;

	if (c->bad || n > c->left) {
		c->bad = true;
		return NULL;
	}
	if (n == 0)
		return nothing;
	c->at += n;
	c->left -= n;
	return at;
}

static uint64_t get_le(struct cursor *c, size_t n)
{
	const uint8_t *raw = cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = 0; raw && i < n; i++)
		v |= (uint64_t)raw[i] << (8 * i);
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)get_le(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)get_le(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)get_le(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return get_le(c, 8);
}

uint64_t cursor_varint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = cursor_u8(c);

		if (c->bad || (shift == 63 && byte > 1) || (shift > 0 && byte == 0))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

void cursor_copy(struct cursor *c, void *to, size_t n)
{
	const uint8_t *raw = cursor_bytes(c, n);

	if (raw)
		memcpy(to, raw, n);
	else
		memset(to, 0, n);
}

const char *cursor_text(struct cursor *c, size_t max, size_t *ret_len)
{
	size_t n = cursor_u16(c);

	*ret_len = 0;
	if (n > max)
		c->bad = true;
	if (c->bad)
		return NULL;
	*ret_len = n;
	return (const char *)cursor_bytes(c, n);
}
