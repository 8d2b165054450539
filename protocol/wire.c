#include "protocol/wire.h"

#include <stdlib.h>
#include <string.h>

void wire_put_u8(struct buf *to, const wire_u8 *v)
{
	buf_u8(to, *v);
}

void wire_put_u16(struct buf *to, const wire_u16 *v)
{
	buf_u16(to, *v);
}

void wire_put_u32(struct buf *to, const wire_u32 *v)
{
	buf_u32(to, *v);
}

void wire_put_u64(struct buf *to, const wire_u64 *v)
{
	buf_u64(to, *v);
}

void wire_put_digest(struct buf *to, const wire_digest *v)
{
	buf_append(to, v->bytes, sizeof(v->bytes));
}

void wire_put_secret(struct buf *to, const wire_secret *v)
{
	buf_append(to, v->bytes, sizeof(v->bytes));
}

void wire_put_id(struct buf *to, const wire_id *v)
{
	buf_append(to, v->bytes, sizeof(v->bytes));
}

void wire_put_text(struct buf *to, const wire_text *v)
{
	buf_u16(to, v->n);
	buf_append(to, v->s, v->n);
}

void wire_put_bytes(struct buf *to, const wire_bytes *v)
{
	buf_u32(to, v->n);
	buf_append(to, v->p, v->n);
}

void wire_put_digests(struct buf *to, const wire_digests *v)
{
	buf_u32(to, v->n);
	buf_append(to, v->at, (size_t)v->n * DIGEST_LEN);
}

void wire_put_shorts(struct buf *to, const wire_shorts *v)
{
	buf_u32(to, v->n);
	buf_append(to, v->raw, (size_t)v->n * 8);
}

void wire_put_numbers(struct buf *to, const wire_numbers *v)
{
	wire_put_shorts(to, v);
}

void wire_put_texts(struct buf *to, const wire_texts *v)
{
	buf_u16(to, v->n);
	buf_append(to, v->raw, v->len);
}

void wire_get_u8(struct cursor *c, wire_u8 *ret)
{
	*ret = cursor_u8(c);
}

void wire_get_u16(struct cursor *c, wire_u16 *ret)
{
	*ret = cursor_u16(c);
}

void wire_get_u32(struct cursor *c, wire_u32 *ret)
{
	*ret = cursor_u32(c);
}

void wire_get_u64(struct cursor *c, wire_u64 *ret)
{
	*ret = cursor_u64(c);
}

void wire_get_digest(struct cursor *c, wire_digest *ret)
{
	cursor_copy(c, ret->bytes, sizeof(ret->bytes));
}

void wire_get_secret(struct cursor *c, wire_secret *ret)
{
	cursor_copy(c, ret->bytes, sizeof(ret->bytes));
}

void wire_get_id(struct cursor *c, wire_id *ret)
{
	cursor_copy(c, ret->bytes, sizeof(ret->bytes));
}

void wire_get_text(struct cursor *c, wire_text *ret)
{
	size_t n;

	ret->s = cursor_text(c, UINT16_MAX, &n);
	ret->n = (uint16_t)n;
}

void wire_get_bytes(struct cursor *c, wire_bytes *ret)
{
	uint32_t n = cursor_u32(c);

	ret->p = cursor_bytes(c, n);
	ret->n = ret->p ? n : 0;
}

/* A counted list of items of one width: the count is compared with what is left before it is used.
 */
static const uint8_t *get_items(struct cursor *c, size_t width, uint32_t *ret_n)
{
	uint32_t n = cursor_u32(c);

	*ret_n = 0;
	if (n > c->left / width)
		c->bad = true;
	if (c->bad)
		return NULL;
	*ret_n = n;
	return cursor_bytes(c, (size_t)n * width);
}

void wire_get_digests(struct cursor *c, wire_digests *ret)
{
	ret->at = (const struct digest *)get_items(c, DIGEST_LEN, &ret->n);
}

void wire_get_shorts(struct cursor *c, wire_shorts *ret)
{
	ret->raw = get_items(c, 8, &ret->n);
}

void wire_get_numbers(struct cursor *c, wire_numbers *ret)
{
	wire_get_shorts(c, ret);
}

void wire_get_texts(struct cursor *c, wire_texts *ret)
{
	uint16_t n = cursor_u16(c);
	const uint8_t *from = c->at;
	size_t before = c->left, len;

	*ret = (wire_texts){ 0 };
	for (uint16_t i = 0; i < n && !c->bad; i++)
		cursor_text(c, UINT16_MAX, &len);
	if (c->bad)
		return;
	*ret = (wire_texts){ .raw = from, .len = before - c->left, .n = n };
}

uint64_t wire_short(const wire_shorts *v, uint32_t i)
{
	struct cursor c = cursor_over(v->raw + (size_t)i * 8, 8);

	return cursor_u64(&c);
}

uint64_t wire_number(const wire_numbers *v, uint32_t i)
{
	return wire_short(v, i);
}

bool wire_texts_next(const wire_texts *v, const uint8_t **at, wire_text *ret)
{
	struct cursor c = cursor_over(*at, v->len - (size_t)(*at - v->raw));

	if (c.left == 0)
		return false;
	wire_get_text(&c, ret);
	*at = c.at;
	return !c.bad;
}

wire_texts wire_texts_of(struct buf *to, const char *const *strings, uint16_t n)
{
	buf_clear(to);
	for (uint16_t i = 0; i < n; i++)
		buf_text(to, strings[i]);
	return (wire_texts){ .raw = buf_bytes(to), .len = buf_len(to), .n = n };
}

char *wire_text_dup(const wire_text *t)
{
	char *s = malloc((size_t)t->n + 1);

	if (!s)
		return NULL;
	if (t->n)
		memcpy(s, t->s, t->n);
	s[t->n] = '\0';
	return s;
}
