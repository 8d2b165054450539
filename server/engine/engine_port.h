/*
 * The one narrow way from drayd's network side to the engine: see engine_port.def for the messages.
 * The network side holds a `struct engine_port` and knows nothing of HTTP; the other end is
 * engine_host.c, in a process of its own. Only bytes pass between them (uv_engine_port.h).
 */
#pragma once

#include "protocol/wire.h"

enum port_type {
#define MESSAGE(number, NAME, name, fields) PORT_##NAME = number,
#define F(type, field)
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE
};

#define MESSAGE(number, NAME, name, fields)                                                        \
	struct port_##name {                                                                       \
		fields                                                                             \
	};
#define F(type, field) wire_##type field;
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE

struct port_message {
	enum port_type type;
	union {
#define MESSAGE(number, NAME, name, fields) struct port_##name name;
#define F(type, field)
#include "server/engine/engine_port.def"
#undef F
#undef MESSAGE
	};
};

#define PORT_MESSAGE_MAX (384u << 10) /* DATA carries at most PORT_DATA_MAX bytes */
#define PORT_DATA_MAX (64u << 10)
#define PORT_MEMBER_UNKNOWN 65535u

enum engine_phase {
	PHASE_RECEIVING = 1,
	PHASE_APPLYING = 2,
	PHASE_VERIFYING = 3,
	PHASE_TAGGING = 4
};

/* Type byte and body. Check buf_ok. */
void port_put(struct buf *to, const struct port_message *m);
int port_parse(const void *bytes, size_t n, struct port_message *ret, struct err *err) MUST_CHECK;

/* MEMBER, DATA and COMMIT: what an image is made of, whose order among themselves matters. */
static inline bool port_is_body(enum port_type type)
{
	return type == PORT_MEMBER || type == PORT_DATA || type == PORT_COMMIT;
}

/* Engine to net. */
static inline bool port_is_reply(enum port_type type)
{
	return type >= PORT_HAVE_REPLY;
}

/* FAILED as an error of the net side. */
void port_failure(const struct port_failed *p, struct err *err);

/* On a stream each message has its length before it. */
#define PORT_LENGTH_BYTES 4u

/* Length and message. Check buf_ok. */
void port_put_framed(struct buf *to, const struct port_message *m);

/* The first message of a stream's bytes: *ret_used is how many it took, 0 when it is not whole yet.
 * A length that no message has is ERR_PROTOCOL at once. */
int port_next(const void *bytes, size_t n, struct port_message *ret, size_t *ret_used,
	struct err *err) MUST_CHECK;

struct engine_port;

/* What the other end sent; `m` and what it points to are valid during the call. Fires on the loop's
 * thread, from the loop (never from inside port_send). */
typedef void engine_port_fn(void *ctx, const struct port_message *m);

/* Sends a message to the other end. The message is encoded and copied. ERR_AGAIN: there is no other
 * end just now. */
int engine_port_send(
	struct engine_port *p, const struct port_message *m, struct err *err) MUST_CHECK;
