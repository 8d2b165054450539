#include "server/engine/engine_port.h"

#include <string.h>

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void put_##name(struct buf *to, const struct port_##name *m)                        \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) wire_put_##type(to, &m->field);
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void get_##name(struct cursor *c, struct port_##name *ret)                          \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) wire_get_##type(c, &ret->field);
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE

void port_put(struct buf *to, const struct port_message *m)
{
	buf_u8(to, (uint8_t)m->type);
	switch (m->type) {
#define MESSAGE(number, NAME, name, fields)                                                        \
	case PORT_##NAME:                                                                          \
		put_##name(to, &m->name);                                                          \
		break;
#define F(type, field)
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE
	}
}

int port_parse(const void *bytes, size_t n, struct port_message *ret, struct err *err)
{
	struct cursor c = cursor_over(bytes, n);
	uint8_t type = cursor_u8(&c);

	if (n > PORT_MESSAGE_MAX)
		return err_set(err, ERR_PROTOCOL, "port message of %zu bytes is too long", n);
	memset(ret, 0, sizeof(*ret));
	switch (type) {
#define MESSAGE(number, NAME, name, fields)                                                        \
	case number:                                                                               \
		ret->type = PORT_##NAME;                                                           \
		get_##name(&c, &ret->name);                                                        \
		break;
#define F(type, field)
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE
	default:
		return err_set(err, ERR_PROTOCOL, "port message of unknown type %u", type);
	}
	if (!cursor_end(&c))
		return err_set(err, ERR_PROTOCOL,
			"port message %u of %zu bytes does not fit its fields", type, n);
	return 0;
}

void port_failure(const struct port_failed *p, struct err *err)
{
	bool known = p->code > ERR_NONE && p->code < ERR_CODE_COUNT;

	err_set(err, known ? (enum err_code)p->code : ERR_FAILED, "%.*s", (int)p->text.n,
		p->text.s);
}

/* --- on a stream --- */

void port_put_framed(struct buf *to, const struct port_message *m)
{
	size_t at = buf_len(to), n;

	buf_u32(to, 0);
	port_put(to, m);
	n = buf_len(to) - at - PORT_LENGTH_BYTES;
	for (size_t i = 0; i < PORT_LENGTH_BYTES && buf_ok(to); i++)
		buf_bytes(to)[at + i] = (uint8_t)(n >> (8 * i));
}

int port_next(
	const void *bytes, size_t n, struct port_message *ret, size_t *ret_used, struct err *err)
{
	struct cursor c = cursor_over(bytes, n);
	uint32_t len;

	*ret_used = 0;
	if (n < PORT_LENGTH_BYTES)
		return 0;
	len = cursor_u32(&c);
	if (len == 0 || len > PORT_MESSAGE_MAX)
		return err_set(err, ERR_PROTOCOL, "port message of %u bytes", (unsigned)len);
	if (c.left < len)
		return 0;
	*ret_used = PORT_LENGTH_BYTES + len;
	return port_parse(c.at, len, ret, err);
}
