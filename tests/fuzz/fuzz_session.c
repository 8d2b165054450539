/*
 * A session after the handshake, whose peer seals what the input says, and whose owner does what
 *the input says. Operations of one byte, low four bits the kind, and arguments: 0 HEAD LEN16 bytes
 *a record		1 LEN bytes	raw bytes 2 HEAD LEN8		a full record and a few
 *bytes (LEN8) of zeros behind it 3 take a message	4 send	5 finish	6 tick	7 eof
 *8 read what was written 9 WELCOME		10 GOODBYE with the right count Bit 7 of the first
 *byte of all: the session is the initiator.
 */
#include "tests/proto/pair.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct pair p;
	struct forger f;
	struct session *s;
	uint64_t now;
	bool initiator, greeted;
};

static uint8_t zeros[RECORD_PLAIN_MAX];

/* Feeds what was forged; takes messages only when the session takes no more. */
static int deliver(struct fuzz *z)
{
	struct message m;
	struct err err;
	size_t taken;
	bool some;

	while (buf_len(&z->f.out) > 0) {
		if (session_feed(z->s, buf_bytes(&z->f.out), buf_len(&z->f.out), &taken, &err) != 0)
			return -1;
		buf_consume(&z->f.out, taken);
		if (taken == 0 && session_next(z->s, &m, &some, &err) != 0)
			return -1;
	}
	return 0;
}

static void record(struct fuzz *z, struct cursor *c)
{
	uint8_t head = cursor_u8(c);
	size_t n = min_size(cursor_u16(c), c->left);
	const uint8_t *bytes = cursor_bytes(c, n);

	if (bytes)
		forger_record(&z->f, head, bytes, n);
}

static int send_one(struct fuzz *z, uint8_t argument)
{
	struct message m = { .type = MSG_SEGMENT,
		.segment = { .record = { .p = zeros, .n = argument * 1000u } } };
	struct err err;

	if (!z->initiator && !z->greeted)
		m = pair_welcome();
	z->greeted = true;
	return session_send(z->s, &m, &err) != 0 && err.code != ERR_LIMIT ? -1 : 0;
}

static int own_act(struct fuzz *z, unsigned kind, struct cursor *c)
{
	const uint8_t *bytes;
	struct message m;
	struct err err;
	bool some;

	switch (kind) {
	case 3:
		return session_next(z->s, &m, &some, &err);
	case 4:
		return send_one(z, cursor_u8(c));
	case 5:
		return session_finish(z->s, &err);
	case 6:
		z->now += cursor_u8(c) * 500u;
		return session_tick(z->s, z->now, &err);
	case 7:
		return session_eof(z->s, &err);
	default:
		session_sent(z->s, session_peek(z->s, &bytes));
		return 0;
	}
}

static int act(struct fuzz *z, struct cursor *c)
{
	unsigned kind = cursor_u8(c) & 15;
	struct message m = pair_welcome();
	const uint8_t *bytes;
	uint8_t head;
	size_t n;

	switch (kind) {
	case 0:
		record(z, c);
		return deliver(z);
	case 1:
		n = min_size(cursor_u8(c), c->left);
		bytes = cursor_bytes(c, n);
		buf_append(&z->f.out, bytes, bytes ? n : 0);
		return deliver(z);
	case 2:
		head = cursor_u8(c);
		forger_record(&z->f, head, zeros, sizeof(zeros));
		forger_record(&z->f, head & 0x7f, zeros, cursor_u8(c));
		return deliver(z);
	case 9:
		forger_message(&z->f, &m);
		return deliver(z);
	case 10:
		m = (struct message){ .type = MSG_GOODBYE,
			.goodbye = { .records = z->f.send.next } };
		forger_message(&z->f, &m);
		return deliver(z);
	default:
		return own_act(z, kind, c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(data, size);
	struct fuzz z = { .now = 1000 };
	const uint8_t *bytes;
	int r = 0;

	if (size == 0)
		return 0;
	z.initiator = (data[0] & 0x80) != 0;
	pair_init(&z.p, 1);
	pair_start(&z.p);
	forger_open(&z.f, &z.p, !z.initiator);
	z.s = z.initiator ? z.p.initiator : z.p.responder;
	while (r == 0 && c.left > 0 && !c.bad) {
		r = act(&z, &c);
		if (session_peek(z.s, &bytes) > SESSION_OUT_MAX + (64u << 10))
			abort();
	}
	if (r != 0 && (session_ready(z.s) || session_wants_input(z.s)))
		abort(); /* every failure is final */
	forger_done(&z.f);
	pair_done(&z.p);
	return 0;
}
