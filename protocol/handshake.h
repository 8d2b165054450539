/*
 * The three fixed-size messages in which two dray programs prove their keys to each other, on top
 * of noise.h. README.md section 2 has the layouts and every rule. Pure; one owner.
 *
 * Initiator: write_1, read_2, write_3. Responder: read_1, write_2, read_3. Then both: split. Any
 * failure is final. Errors are for the local log or user: the peer is told nothing.
 */
#pragma once

#include "protocol/noise.h"
#include "protocol/session.h"

#define HANDSHAKE_LEN_1 136u
#define HANDSHAKE_LEN_2 80u
#define HANDSHAKE_LEN_3 320u
#define HANDSHAKE_LEN_MAX HANDSHAKE_LEN_3

#define HANDSHAKE_ID_LEN 16u

struct handshake;

/* What the handshake found out: all of it is proved once the last message was written or read. */
struct handshake_result {
	uint8_t peer_key[KEY_LEN];
	uint8_t session_id[HANDSHAKE_ID_LEN];
	bool pairing;
	uint8_t token_id[HANDSHAKE_ID_LEN]; /* zeros when not pairing */
	char label[KEY_NAME_MAX + 1];	    /* printable ASCII; "" when not pairing */
	struct session_peer peer;	    /* responder: what `find` said */
	struct lane_claim lane;		    /* checked by who knows the session; number 0: none */
};

/* Copies the configuration except for *config->own. NULL when out of memory. */
struct handshake *handshake_new(const struct session_config *config);

/* Wipes all secrets. NULL is fine. */
void handshake_free(struct handshake *h);

int handshake_write_1(
	struct handshake *h, uint8_t ret[HANDSHAKE_LEN_1], struct err *err) MUST_CHECK;
int handshake_read_1(
	struct handshake *h, const uint8_t in[HANDSHAKE_LEN_1], struct err *err) MUST_CHECK;
int handshake_write_2(
	struct handshake *h, uint8_t ret[HANDSHAKE_LEN_2], struct err *err) MUST_CHECK;
int handshake_read_2(
	struct handshake *h, const uint8_t in[HANDSHAKE_LEN_2], struct err *err) MUST_CHECK;
/* What this connection is a lane of, before message 3 is written. */
void handshake_join(struct handshake *h, const struct lane_key *lane);

int handshake_write_3(
	struct handshake *h, uint8_t ret[HANDSHAKE_LEN_3], struct err *err) MUST_CHECK;
int handshake_read_3(
	struct handshake *h, const uint8_t in[HANDSHAKE_LEN_3], struct err *err) MUST_CHECK;

const struct handshake_result *handshake_result(const struct handshake *h);

/* The keys of the two directions as this side sees them, the secret of the lanes that the session
 * may get, and the handshake hash. Once. */
void handshake_split(struct handshake *h, uint8_t ret_send[KEY_LEN], uint8_t ret_receive[KEY_LEN],
	uint8_t ret_lane_secret[LANE_SECRET_LEN], uint8_t ret_channel_id[NOISE_HASH_LEN]);
