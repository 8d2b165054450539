/*
 * First byte: what the rest is. 0, 1: the stream that a responder, an initiator reads. 2, 3, 4:
 * bits to flip in messages 1, 2, 3 of a good handshake. 5, 6, 7: the payload of message 1, 2, 3,
 * properly sealed. Whatever comes in, only a handshake without a flipped bit may succeed.
 */
#include "tests/proto/pair.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stream(bool initiator, const uint8_t *data, size_t size)
{
	struct session_config config;
	struct session *s;
	struct err err;
	struct pair p;
	size_t taken;

	pair_init(&p, 1);
	config = pair_config(&p, initiator);
	s = session_new(&config);
	if (s && session_feed(s, data, size, &taken, &err) == 0 && session_ready(s))
		abort();
	session_free(s);
}

/* True when a bit was flipped. */
static bool flip(uint8_t *message, size_t len, const uint8_t *data, size_t size)
{
	bool any = false;

	for (size_t i = 0; i < len && i < size; i++) {
		message[i] ^= data[i];
		any = any || data[i] != 0;
	}
	return any;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void flipped(unsigned which, const uint8_t *data, size_t size)
{
	uint8_t m1[HANDSHAKE_LEN_1], m2[HANDSHAKE_LEN_2], m3[HANDSHAKE_LEN_3];
	struct session_config config;
	struct handshake *i, *r;
	struct err err;
	struct pair p;
	bool bad = false;

	pair_init(&p, 1);
	config = pair_config(&p, true);
	i = handshake_new(&config);
	config = pair_config(&p, false);
	r = handshake_new(&config);
	must(i && r && handshake_write_1(i, m1, &err) == 0);
	bad = which == 1 && flip(m1, sizeof(m1), data, size);
	must((handshake_read_1(r, m1, &err) != 0) == bad);
	if (!bad) {
		must(handshake_write_2(r, m2, &err) == 0);
		bad = which == 2 && flip(m2, sizeof(m2), data, size);
		must((handshake_read_2(i, m2, &err) != 0) == bad);
	}
	if (!bad) {
		must(handshake_write_3(i, m3, &err) == 0);
		bad = which == 3 && flip(m3, sizeof(m3), data, size);
		must((handshake_read_3(r, m3, &err) != 0) == bad);
	}
	handshake_free(i);
	handshake_free(r);
}

static void start_noise(struct noise *no, const struct pair *p, bool initiator)
{
	const struct key_pair *own = initiator ? &p->initiator_key : &p->responder_key;

	noise_start(no, initiator, true, "dray/1\0DRAY\x01\0\x88\0", 15, own->public_key,
		own->secret_key, initiator ? p->responder_key.public_key : NULL);
}

static void mac1(const struct pair *p, uint8_t *message)
{
	uint8_t input[10 + KEY_LEN], key[32];

	memcpy(input, "dray1-mac1", 10);
	memcpy(input + 10, p->responder_key.public_key, KEY_LEN);
	crypto_generichash(key, 32, input, sizeof(input), NULL, 0);
	crypto_generichash(message + 120, 16, message, 120, key, 32);
}

/* A payload of the input, padded with zeros or cut. */
static void payload(uint8_t *to, size_t len, const uint8_t *data, size_t size)
{
	memset(to, 0, len);
	if (size > 0)
		memcpy(to, data, min_size(len, size));
}

/* The peer of a responder, with a payload of its own in message 1 or 3. */
static void forge_initiator(unsigned which, const uint8_t *data, size_t size)
{
	uint8_t message[HANDSHAKE_LEN_3], bytes[256], e_sk[KEY_LEN];
	struct session_config config;
	struct handshake *r;
	struct noise no;
	struct err err;
	struct pair p;

	pair_init(&p, 1);
	config = pair_config(&p, false);
	r = handshake_new(&config);
	start_noise(&no, &p, true);
	pair_random(&p, e_sk, sizeof(e_sk));
	payload(bytes, 64, data, which == 1 ? size : 0);
	memcpy(message, "DRAY\x01\0\x88\0", 8);
	must(r && noise_write_1(&no, e_sk, bytes, 64, message + 8));
	mac1(&p, message);
	if (handshake_read_1(r, message, &err) == 0 && which == 3) {
		must(handshake_write_2(r, message, &err) == 0);
		must(noise_read_2(&no, message, 32, bytes));
		payload(bytes, 256, data, size);
		memcpy(bytes + 68, handshake_result(r)->session_id, 16);
		must(noise_write_3(&no, p.psk, bytes, 256, message));
		(void)!handshake_read_3(r, message, &err);
	}
	handshake_free(r);
}

static void forge_responder(const uint8_t *data, size_t size)
{
	uint8_t message[HANDSHAKE_LEN_1], bytes[64], e_sk[KEY_LEN];
	struct session_config config;
	struct handshake *i;
	struct noise no;
	struct err err;
	struct pair p;

	pair_init(&p, 1);
	config = pair_config(&p, true);
	i = handshake_new(&config);
	start_noise(&no, &p, false);
	must(i && handshake_write_1(i, message, &err) == 0);
	must(noise_read_1(&no, message + 8, 64, bytes));
	pair_random(&p, e_sk, sizeof(e_sk));
	payload(bytes, 32, data, size);
	must(noise_write_2(&no, e_sk, bytes, 32, message));
	(void)!handshake_read_2(i, message, &err);
	handshake_free(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what = size > 0 ? data[0] % 8 : 0;

	if (size == 0)
		return 0;
	data++;
	size--;
	if (what < 2)
		stream(what == 1, data, size);
	else if (what < 5)
		flipped(what - 1, data, size);
	else if (what == 6)
		forge_responder(data, size);
	else
		forge_initiator(what == 5 ? 1 : 3, data, size);
	return 0;
}
