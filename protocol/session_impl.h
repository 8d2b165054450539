/* What session.c (life, handshake), session_io.c (records, messages) and session_time.c share. */
#pragma once

#include "protocol/handshake.h"
#include "protocol/record.h"
#include "protocol/session.h"

#define SESSION_IN_MAX (2 * (size_t)RECORD_WIRE_MAX)

/* Beyond SESSION_OUT_MAX, for what the session sends by itself. */
#define SESSION_OUT_SLACK (64u << 10)

enum session_phase {
	PHASE_1,    /* message 1 is awaited */
	PHASE_2,    /* message 2 */
	PHASE_3,    /* message 3 */
	PHASE_OPEN, /* records */
};

/* In sodium_malloc memory. */
struct session_secret {
	struct record_key send, receive;
	uint8_t lane[LANE_SECRET_LEN];
	struct session_peer peer;
};

struct session {
	bool initiator;
	enum session_phase phase;
	struct handshake *handshake; /* NULL once done */
	bool lane_later;	     /* message 3 needs session_join… */
	bool lane_waits;	     /* …and message 2 is there */
	struct session_secret *secret;
	struct err failed; /* ERR_NONE while all is well */

	/* from the handshake */
	bool pairing;
	uint8_t peer_key[KEY_LEN], token_id[HANDSHAKE_ID_LEN];
	char label[KEY_NAME_MAX + 1];
	uint8_t id[HANDSHAKE_ID_LEN];
	struct lane_claim lane;
	uint8_t channel_id[NOISE_HASH_LEN];

	uint8_t hs[HANDSHAKE_LEN_MAX]; /* a handshake message while it arrives */
	size_t hs_len;

	struct buf in; /* records not taken out yet; the front `lent` bytes are lent to the owner */
	struct buf body;    /* a message of several records while it arrives */
	struct buf scratch; /* a message on its way out */
	struct buf out;
	size_t lent;
	bool body_lent, lent_secret;
	unsigned body_type; /* of the message in `body`; 0: none */

	bool greeted; /* the responder's first message was sent (responder) or came (initiator) */
	bool finished, peer_finished;

	uint64_t bytes_in, bytes_out;
	uint64_t pings, pongs; /* sent; answered */

	uint64_t started, now, heard_at, excused_at, pinged_at;
	uint64_t rate_since, rate_from;	  /* a window of check_rate: when, and bytes_in then */
	uint64_t stall_since, stall_from; /* when the output was seen to move, and bytes_out then */
	uint64_t moved_from;		  /* bytes_out at the last tick */
	bool heard;			  /* bytes came since the last tick */
	bool held;
};

/* Fails for good: keeps the error, wipes the keys, returns -1. */
int session_break(struct session *s, struct err *why, struct err *err);
int session_fail(struct session *s, struct err *err, enum err_code code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* -1 with the kept error. */
int session_failed(const struct session *s, struct err *err);

/* Appends the message's records to the output, which must have room: checked by the caller or by
 * SESSION_OUT_SLACK. */
int session_put(struct session *s, const struct message *m, struct err *err) MUST_CHECK;

/* Takes back what session_next lent. */
void session_take_back(struct session *s);
