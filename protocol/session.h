/*
 * One end of an encrypted connection: handshake, records, whole messages. Bytes in, bytes out; no
 * socket, clock, thread or log. The owner feeds what arrived, takes messages out one by one, writes
 * what session_peek shows and tells how much was written. Used by the programs' uv_conn, by the
 * tests' in-memory pair and by the fuzzers.
 *
 * Errors: any failure is final. session_feed, session_next and session_send return -1 with the
 * reason; afterwards session_peek may still hold bytes (never an alert: see README.md section 3.4).
 * The one exception is ERR_LIMIT of session_send: nothing was sent, the session goes on.
 */
#pragma once

#include "protocol/lane.h"
#include "protocol/limits.h"
#include "protocol/message.h"

#define KEY_LEN 32

struct key_pair {
	uint8_t public_key[KEY_LEN];
	uint8_t secret_key[KEY_LEN];
};

/* What the responder knows of a key or of a pairing token. */
struct session_peer {
	uint8_t psk[KEY_LEN];
	char name[KEY_NAME_MAX + 1]; /* of the key, or that the token is to give */
	uint32_t grants;	     /* goes into WELCOME */
};

/* The responder's table. Called from session_feed, at most once a session. `token_id` is NULL for a
 * normal session. False: unknown, expired, bound to another key; the handshake then fails at the
 * same step, with the same bytes, as one with a wrong psk. */
typedef bool session_find_fn(void *ctx, const uint8_t public_key[KEY_LEN],
	const uint8_t token_id[16], struct session_peer *ret);

struct session_config {
	bool initiator;
	const struct key_pair *own; /* must outlive the session */
	uint64_t now_ms;	    /* monotonic; sets the handshake's deadline */
	uint64_t wall_ms;	    /* for payload1, diagnostic only */
	void (*random)(void *ctx, void *bytes, size_t n); /* NULL: libsodium's */
	void *random_ctx;

	/* initiator */
	uint8_t peer_public_key[KEY_LEN];
	uint8_t psk[KEY_LEN];
	bool pairing;
	uint8_t token_id[16]; /* when pairing */
	const char *label; /* when pairing: the name this host gives itself, at most KEY_NAME_MAX */
	struct lane_key lane; /* number 0: this connection begins a session of its own */
	bool lane_later;      /* it is a lane, and session_join will say of what */

	/* responder */
	session_find_fn *find;
	void *find_ctx;
};

struct session;

/* NULL when out of memory. Secrets are kept in sodium_malloc memory and wiped by session_free. */
struct session *session_new(const struct session_config *config);
void session_free(struct session *s);

/* Initiator with lane_later: what this connection is a lane of. Message 3 waits for it. Once. */
int session_join(struct session *s, const struct lane_key *lane, struct err *err) MUST_CHECK;

/* Bytes arrived. Takes all of them, except that it stops taking when session_wants_input is false:
 * returns the number taken in *ret_taken; the rest is to be fed again later. */
int session_feed(struct session *s, const void *bytes, size_t n, size_t *ret_taken,
	struct err *err) MUST_CHECK;

/* The next whole message, in order; *ret_some false when there is none yet. What the message points
 * to is valid until the next session_next or session_feed. GOODBYE, PING and PONG are handled
 * inside and not shown. */
int session_next(
	struct session *s, struct message *ret, bool *ret_some, struct err *err) MUST_CHECK;

/* True when messages may be sent: for the initiator after the handshake (records can already ride
 * behind message 3, but only WELCOME proves the responder: see session_established), for the
 * responder after message 3. The responder's first message is WELCOME, PAIR_OK or FAIL. */
bool session_ready(const struct session *s);

/* True when the peer has proved itself: for the initiator once the responder's first message was
 * taken out, for the responder as soon as session_ready. */
bool session_established(const struct session *s);

/* Responder: the peer that the handshake proved. Valid once session_ready. */
const struct session_peer *session_peer(const struct session *s);
const uint8_t *session_peer_key(const struct session *s);   /* KEY_LEN bytes */
const uint8_t *session_pair_token(const struct session *s); /* 16 bytes, NULL when not pairing */
const char *session_pair_label(const struct session *s);    /* "" when not pairing */

/* This session's id, drawn by the responder: the same 16 bytes at both ends. Valid once
 * session_ready. */
const uint8_t *session_id(const struct session *s);

/* Responder: the session that this connection claims to be a lane of; NULL when it is none. */
const struct lane_claim *session_lane(const struct session *s);

/* The secret by which further connections prove to be lanes of this session: the same
 * LANE_SECRET_LEN bytes at both ends. Valid once session_ready. */
const uint8_t *session_lane_secret(const struct session *s);

/* The handshake hash: the same 64 bytes at both ends, for the audit log. Valid once session_ready.
 */
const uint8_t *session_channel_id(const struct session *s);

/* Seals the message into the output. ERR_LIMIT when the output already holds SESSION_OUT_MAX bytes:
 * ask session_room first. */
int session_send(struct session *s, const struct message *m, struct err *err) MUST_CHECK;

/* Bytes that can be queued before session_send refuses. Always above one whole SEGMENT message
 * after the output has drained below half. */
size_t session_room(const struct session *s);

/* Bytes to write to the peer: valid until session_sent, session_send or session_feed. */
size_t session_peek(const struct session *s, const uint8_t **ret);
void session_sent(struct session *s, size_t n);

/* False while two records wait to be taken out with session_next. */
bool session_wants_input(const struct session *s);

/* The owner stops (starts again) reading from the peer: its silence is not held against it. */
void session_hold(struct session *s, bool held);

/* Says goodbye: GOODBYE goes out behind everything sent before; nothing can be sent after it. */
int session_finish(struct session *s, struct err *err) MUST_CHECK;

/* The peer closed or reset the connection; to be called when session_next has given all it has. An
 * error unless its GOODBYE was seen: ERR_REFUSED where that is how a responder says no to the
 * handshake, else ERR_UNREACHABLE. */
int session_eof(struct session *s, struct err *err) MUST_CHECK;

/* True when the peer's GOODBYE was seen. */
bool session_peer_finished(const struct session *s);

/* The absolute time (as now_ms) at which session_tick must be called; UINT64_MAX: none. Handshake
 * 10 s (5 s to message 1 at the responder); afterwards PING after 20 s of silence, and
 * ERR_UNREACHABLE after 60 s without a byte from the peer, when a message that has begun comes in
 * more slowly than RATE_MIN, or (responder) when the peer reads nothing for OUTPUT_STALL_MS. */
uint64_t session_deadline(const struct session *s);
int session_tick(struct session *s, uint64_t now_ms, struct err *err) MUST_CHECK;

#define SESSION_OUT_MAX (4u << 20)

/* Totals for the result line: bytes of all records and of the handshake, both ways. */
uint64_t session_bytes_out(const struct session *s);
uint64_t session_bytes_in(const struct session *s);
