#include "common/base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
	b->failed = b->no_memory = false;
}

/* Moves the content to the front of the memory. */
static void compact(struct buf *b)
{
	if (b->start == 0)
		return;
	memmove(b->data, b->data + b->start, buf_len(b));
	b->end -= b->start;
	b->start = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b), want;
	uint8_t *bigger;

	if (b->failed || n > b->max || len > b->max - n) {
		b->failed = true;
		return NULL;
	}
	if (b->cap - b->end >= n && b->data)
		return b->data + b->end;
	compact(b);
	if (b->cap - b->end >= n && b->data)
		return b->data + b->end;
	want = b->cap ? b->cap : BUF_FIRST;
	while (want < len + n)
		want = want > b->max / 2 ? b->max : want * 2;
	bigger = realloc(b->data, want ? want : 1);
	if (!bigger) {
		b->failed = b->no_memory = true;
		return NULL;
	}
	b->data = bigger;
	b->cap = want;
	return b->data + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->end);
	b->end += n;
}

void buf_append(struct buf *b, const void *bytes, size_t n)
{
	uint8_t *to = n ? buf_reserve(b, n) : NULL;

	if (!to)
		return;
	memcpy(to, bytes, n);
	b->end += n;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

uint8_t *buf_steal(struct buf *b, size_t *ret_len)
{
	uint8_t *data;

	compact(b);
	data = b->data;
	*ret_len = b->end;
	buf_init(b, b->max);
	return data;
}

static void put_le(struct buf *b, uint64_t v, size_t n)
{
	uint8_t raw[8];

	for (size_t i = 0; i < n; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	buf_append(b, raw, n);
}

void buf_u8(struct buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void buf_varint(struct buf *b, uint64_t v)
{
	uint8_t raw[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		raw[n++] = (uint8_t)(v | 0x80);
	raw[n++] = (uint8_t)v;
	buf_append(b, raw, n);
}

void buf_text(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (n > UINT16_MAX) {
		b->failed = true;
		return;
	}
	buf_u16(b, (uint16_t)n);
	buf_append(b, s, n);
}
