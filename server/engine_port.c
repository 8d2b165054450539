#include "server/engine_port.h"

#include <string.h>

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void put_##name(struct buf *to, const struct port_##name *m)                        \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) wire_put_##type(to, &m->field);
#include "server/engine_port.def"
#undef F
#undef MESSAGE

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void get_##name(struct cursor *c, struct port_##name *ret)                          \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) wire_get_##type(c, &ret->field);
#include "server/engine_port.def"
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
#include "server/engine_port.def"
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
#include "server/engine_port.def"
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
