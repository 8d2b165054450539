#include "tests/proto/pair.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define MUST(expression)                                                                           \
	do {                                                                                       \
		bool ok_ = (expression);                                                           \
		assert(ok_);                                                                       \
		(void)ok_;                                                                         \
	} while (0)

void pair_random(void *pair, void *bytes, size_t n)
{
	struct pair *p = pair;
	uint8_t seed[randombytes_SEEDBYTES] = { 0 };

	p->draws++;
	memcpy(seed, &p->draws, sizeof(p->draws));
	randombytes_buf_deterministic(bytes, n, seed);
}

static void make_key(struct pair *p, struct key_pair *ret)
{
	pair_random(p, ret->secret_key, KEY_LEN);
	MUST(crypto_scalarmult_base(ret->public_key, ret->secret_key) == 0);
}

static bool find(void *ctx, const uint8_t public_key[KEY_LEN], const uint8_t token_id[16],
	struct session_peer *ret)
{
	struct pair *p = ctx;

	p->finds++;
	p->find_had_token = token_id != NULL;
	if (!p->known || memcmp(public_key, p->initiator_key.public_key, KEY_LEN) != 0)
		return false;
	if (token_id && memcmp(token_id, p->token_id, 16) != 0)
		return false;
	*ret = p->at_responder;
	return true;
}

void pair_init(struct pair *p, uint64_t seed)
{
	MUST(sodium_init() >= 0);
	memset(p, 0, sizeof(*p));
	p->draws = seed << 32;
	make_key(p, &p->initiator_key);
	make_key(p, &p->responder_key);
	pair_random(p, p->psk, sizeof(p->psk));
	pair_random(p, p->token_id, sizeof(p->token_id));
	memcpy(p->at_responder.psk, p->psk, sizeof(p->psk));
	memcpy(p->at_responder.name, "web01", 6);
	p->at_responder.grants = 1;
	p->known = true;
}

struct session_config pair_config(struct pair *p, bool initiator)
{
	struct session_config config = {
		.initiator = initiator,
		.own = initiator ? &p->initiator_key : &p->responder_key,
		.now_ms = 1000,
		.wall_ms = UINT64_C(1700000000000),
		.random = pair_random,
		.random_ctx = p,
		.pairing = p->pairing,
		.label = "source host",
		.find = find,
		.find_ctx = p,
	};

	memcpy(config.peer_public_key, p->responder_key.public_key, KEY_LEN);
	memcpy(config.psk, p->psk, KEY_LEN);
	memcpy(config.token_id, p->token_id, sizeof(config.token_id));
	config.lane = p->lane;
	config.lane_later = p->lane_later;
	return config;
}

void pair_start(struct pair *p)
{
	struct session_config a = pair_config(p, true), b = pair_config(p, false);

	p->initiator = session_new(&a);
	p->responder = session_new(&b);
	MUST(p->initiator && p->responder);
}

struct message pair_welcome(void)
{
	return (struct message){ .type = MSG_WELCOME,
		.welcome = { .grants = 1, .name = wire_text_of("web01", 5), .max_lanes = 1 } };
}

void pair_open(struct pair *p, uint64_t seed, bool welcome)
{
	struct message m = pair_welcome();
	struct err err;
	bool some;

	pair_init(p, seed);
	pair_start(p);
	for (int i = 0; i < 2; i++) {
		MUST(pair_move(p->initiator, p->responder, &err) == 0);
		MUST(pair_move(p->responder, p->initiator, &err) == 0);
	}
	MUST(session_ready(p->initiator) && session_ready(p->responder));
	if (!welcome)
		return;
	MUST(session_send(p->responder, &m, &err) == 0);
	MUST(pair_move(p->responder, p->initiator, &err) == 0);
	MUST(session_next(p->initiator, &m, &some, &err) == 0 && some);
}

void pair_done(struct pair *p)
{
	session_free(p->initiator);
	session_free(p->responder);
	p->initiator = p->responder = NULL;
}

void pair_take(struct session *s, struct buf *to)
{
	const uint8_t *bytes;
	size_t n;

	while ((n = session_peek(s, &bytes)) > 0) {
		buf_append(to, bytes, n);
		session_sent(s, n);
	}
	MUST(buf_ok(to));
}

int pair_move(struct session *from, struct session *to, struct err *err)
{
	const uint8_t *bytes;
	size_t n, taken;

	while ((n = session_peek(from, &bytes)) > 0) {
		if (session_feed(to, bytes, n, &taken, err) != 0)
			return -1;
		if (taken == 0)
			break;
		session_sent(from, taken);
	}
	return 0;
}

/* --- the forger --- */

static void feed_all(struct session *s, const uint8_t *bytes, size_t n)
{
	struct err err;
	size_t taken = 0;

	MUST(session_feed(s, bytes, n, &taken, &err) == 0 && taken == n);
}

static void forge_initiator(struct forger *f, struct session *to)
{
	uint8_t first[HANDSHAKE_LEN_1], last[HANDSHAKE_LEN_3];
	const uint8_t *answer;
	struct err err;

	MUST(handshake_write_1(f->handshake, first, &err) == 0);
	feed_all(to, first, sizeof(first));
	MUST(session_peek(to, &answer) == HANDSHAKE_LEN_2);
	MUST(handshake_read_2(f->handshake, answer, &err) == 0);
	session_sent(to, HANDSHAKE_LEN_2);
	MUST(handshake_write_3(f->handshake, last, &err) == 0);
	feed_all(to, last, sizeof(last));
}

static void forge_responder(struct forger *f, struct session *to)
{
	uint8_t answer[HANDSHAKE_LEN_2];
	const uint8_t *bytes;
	struct err err;

	MUST(session_peek(to, &bytes) == HANDSHAKE_LEN_1);
	MUST(handshake_read_1(f->handshake, bytes, &err) == 0);
	session_sent(to, HANDSHAKE_LEN_1);
	MUST(handshake_write_2(f->handshake, answer, &err) == 0);
	feed_all(to, answer, sizeof(answer));
	MUST(session_peek(to, &bytes) == HANDSHAKE_LEN_3);
	MUST(handshake_read_3(f->handshake, bytes, &err) == 0);
	session_sent(to, HANDSHAKE_LEN_3);
}

void forger_open(struct forger *f, struct pair *p, bool initiator)
{
	struct session_config config = pair_config(p, initiator);
	uint8_t send[KEY_LEN], receive[KEY_LEN], lane[LANE_SECRET_LEN], channel_id[64];

	memset(f, 0, sizeof(*f));
	buf_init(&f->out, SIZE_MAX / 2);
	f->handshake = handshake_new(&config);
	MUST(f->handshake);
	if (initiator)
		forge_initiator(f, p->responder);
	else
		forge_responder(f, p->initiator);
	handshake_split(f->handshake, send, receive, lane, channel_id);
	record_start(&f->send, send);
	record_start(&f->receive, receive);
}

void forger_done(struct forger *f)
{
	handshake_free(f->handshake);
	buf_done(&f->out);
}

void forger_record(struct forger *f, uint8_t head, const void *body, size_t n)
{
	uint8_t *to = buf_reserve(&f->out, n + RECORD_OVERHEAD);

	MUST(to);
	record_seal(&f->send, head, body, n, to);
	buf_commit(&f->out, n + RECORD_OVERHEAD);
}

void forger_message(struct forger *f, const struct message *m)
{
	struct buf body;

	buf_init(&body, RECORD_PLAIN_MAX);
	message_put(&body, m);
	MUST(buf_ok(&body));
	forger_record(f, (uint8_t)m->type, body.data ? buf_bytes(&body) : NULL, buf_len(&body));
	buf_done(&body);
}

int forger_deliver(
	struct forger *f, struct session *to, struct message *ret, bool *ret_some, struct err *err)
{
	size_t taken = 0;

	if (buf_len(&f->out) > 0) {
		if (session_feed(to, buf_bytes(&f->out), buf_len(&f->out), &taken, err) != 0)
			return -1;
		buf_consume(&f->out, taken);
	}
	return session_next(to, ret, ret_some, err);
}
