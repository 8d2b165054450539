/*
 * Messages: the C side of message.def. A `struct message` borrows everything it points to from the
 * bytes that it was parsed from (or from the caller, when it is to be sent).
 */
#pragma once

#include "common/base/err.h"
#include "protocol/wire.h"

enum message_type {
#define MESSAGE(number, NAME, name, fields) MSG_##NAME = number,
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
};

#define MESSAGE(number, NAME, name, fields)                                                        \
	struct msg_##name {                                                                        \
		fields                                                                             \
	};
#define F(type, field) wire_##type field;
#include "protocol/message.def"
#undef F
#undef MESSAGE

struct message {
	enum message_type type;
	union {
#define MESSAGE(number, NAME, name, fields) struct msg_##name name;
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
	};
};

/* The name in message.def ("IMAGE_OFFER"), or "?" for a number that is none. */
const char *message_name(unsigned type);

/* Appends the body (without the type). Check buf_ok. */
void message_put(struct buf *to, const struct message *m);

/* Parses one body; wrong lengths, left-over bytes and unknown types are ERR_PROTOCOL. Only the form
 * is checked here, values by the state machine that takes the message. */
int message_parse(
	unsigned type, const void *body, size_t n, struct message *ret, struct err *err) MUST_CHECK;

/* The largest body that this type may have: see protocol/limits.h. */
size_t message_max(unsigned type);

/* FAIL for a job (UINT32_MAX: the session) with the error's code and text, cut to FAIL_TEXT_MAX;
 * borrows `why`. */
struct message message_fail(uint32_t job, const struct err *why);

/* The other way: a FAIL as an error of this end, with who said so before its escaped text. Returns
 * -1. */
int message_failure(const struct msg_fail *m, const char *who, struct err *err);
