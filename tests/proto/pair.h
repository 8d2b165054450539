/*
 * Two sessions joined in memory, and a peer that does the handshake properly and then seals
 * whatever a test wants. All randomness follows from a seed. Asserts where a test would only say
 * "broken set-up"; used by tests and fuzzers, so free of cmocka.
 */
#pragma once

#include "protocol/handshake.h"
#include "protocol/record.h"
#include "protocol/session.h"

struct pair {
	uint64_t draws; /* the random source's state */
	struct key_pair initiator_key, responder_key;
	uint8_t psk[KEY_LEN];		  /* what the initiator uses */
	struct session_peer at_responder; /* what the responder finds */
	bool known;			  /* ... if it does */
	bool pairing;
	uint8_t token_id[16];
	struct lane_key lane; /* of the initiator */
	bool lane_later;
	unsigned finds; /* calls of `find` */
	bool find_had_token;
	struct session *initiator, *responder;
};

/* Keys and configuration; change fields, then pair_start. */
void pair_init(struct pair *p, uint64_t seed);
struct session_config pair_config(struct pair *p, bool initiator);
void pair_random(void *pair, void *bytes, size_t n);

/* Makes both sessions. */
void pair_start(struct pair *p);

/* pair_init, pair_start and the handshake; then WELCOME from the responder if `welcome`. */
void pair_open(struct pair *p, uint64_t seed, bool welcome);
void pair_done(struct pair *p);

/* Takes everything that `s` wants to write, appended to `to`. */
void pair_take(struct session *s, struct buf *to);

/* Moves what `from` wants to write to `to`, feeding only: -1 when `to` fails. */
int pair_move(struct session *from, struct session *to, struct err *err);

struct message pair_welcome(void);

/* A peer made by hand. */
struct forger {
	struct handshake *handshake;
	struct record_key send, receive;
	struct buf out;
};

/* Does the handshake with the session that plays the other role. */
void forger_open(struct forger *f, struct pair *p, bool initiator);
void forger_done(struct forger *f);

/* Seals one record into f->out, and a whole message in one record. */
void forger_record(struct forger *f, uint8_t head, const void *body, size_t n);
void forger_message(struct forger *f, const struct message *m);

/* Feeds f->out to the session and takes one message out: as session_next. */
int forger_deliver(
	struct forger *f, struct session *to, struct message *ret, bool *ret_some, struct err *err);
