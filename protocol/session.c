/*
 * Life and handshake of a session. What a user is told when the handshake does not come about
 * (the target never says why: README.md section 2.6):
 *
 *  - message 2 never comes: the responder drops a message 1 that it cannot check without a byte, so
 *    this is a program that is not dray, one that has no room for us, or one with another key than
 *    the one we know. Closed: ERR_UNREACHABLE; silent: ERR_UNREACHABLE after 10 s.
 *  - message 2 does not open: whoever answered does not hold the key that was paired. ERR_REFUSED
 *    (handshake_read_2).
 *  - the connection ends between message 3 and the first record: the responder has proved its key
 *    and does not want us. Our key or psk is not (or no longer) known there, or the token was used,
 *    has expired or belongs to another key. ERR_REFUSED.
 *  - it ends later without GOODBYE: the link or the peer's process was lost. ERR_UNREACHABLE.
 */
#include "protocol/session_impl.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- failing --- */

int session_failed(const struct session *s, struct err *err)
{
	if (err)
		*err = s->failed;
	return -1;
}

int session_break(struct session *s, struct err *why, struct err *err)
{
	s->failed = *why;
	handshake_free(s->handshake);
	s->handshake = NULL;
	sodium_memzero(&s->secret->send, sizeof(s->secret->send));
	sodium_memzero(&s->secret->receive, sizeof(s->secret->receive));
	return session_failed(s, err);
}

int session_fail(struct session *s, struct err *err, enum err_code code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	struct err why;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err_set(&why, code, "%s", text);
	return session_break(s, &why, err);
}

/* --- life --- */

static int append_out(struct session *s, const uint8_t *bytes, size_t n, struct err *err)
{
	buf_append(&s->out, bytes, n);
	return buf_ok(&s->out) ? 0 : err_nomem(err);
}

static void start_initiator(struct session *s)
{
	uint8_t first[HANDSHAKE_LEN_1];
	struct err err;

	s->phase = PHASE_2;
	if (handshake_write_1(s->handshake, first, &err) != 0 ||
		append_out(s, first, sizeof(first), &err) != 0)
		session_break(s, &err, NULL); /* told by the first session_feed or session_tick */
}

struct session *session_new(const struct session_config *config)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	buf_init(&s->in, SESSION_IN_MAX);
	buf_init(&s->body, SEGMENT_MESSAGE_MAX);
	buf_init(&s->scratch, SEGMENT_MESSAGE_MAX);
	buf_init(&s->out, SESSION_OUT_MAX + SESSION_OUT_SLACK);
	s->initiator = config->initiator;
	s->lane_later = config->lane_later;
	s->started = s->now = s->heard_at = s->excused_at = s->pinged_at = config->now_ms;
	s->rate_since = s->stall_since = config->now_ms;
	s->handshake = handshake_new(config);
	s->secret = s->handshake ? sodium_malloc(sizeof(*s->secret)) : NULL;
	if (!s->secret) {
		session_free(s);
		return NULL;
	}
	memset(s->secret, 0, sizeof(*s->secret));
	if (s->initiator)
		start_initiator(s);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	handshake_free(s->handshake);
	sodium_free(s->secret);
	session_take_back(s);
	buf_done(&s->in);
	buf_done(&s->body);
	buf_done(&s->scratch);
	buf_done(&s->out);
	free(s);
}

/* --- handshake --- */

/* The last message was read or written: the records begin. */
static void open_session(struct session *s)
{
	const struct handshake_result *result = handshake_result(s->handshake);
	uint8_t send[KEY_LEN], receive[KEY_LEN];

	s->pairing = result->pairing;
	memcpy(s->peer_key, result->peer_key, sizeof(s->peer_key));
	memcpy(s->token_id, result->token_id, sizeof(s->token_id));
	memcpy(s->label, result->label, sizeof(s->label));
	memcpy(s->id, result->session_id, sizeof(s->id));
	s->lane = result->lane;
	s->secret->peer = result->peer;
	handshake_split(s->handshake, send, receive, s->secret->lane, s->channel_id);
	record_start(&s->secret->send, send);
	record_start(&s->secret->receive, receive);
	sodium_memzero(send, sizeof(send));
	sodium_memzero(receive, sizeof(receive));
	handshake_free(s->handshake);
	s->handshake = NULL;
	s->phase = PHASE_OPEN;
}

static size_t handshake_len(const struct session *s)
{
	switch (s->phase) {
	case PHASE_1:
		return HANDSHAKE_LEN_1;
	case PHASE_2:
		return HANDSHAKE_LEN_2;
	case PHASE_3:
		return HANDSHAKE_LEN_3;
	case PHASE_OPEN:
	default:
		return 0;
	}
}

static int take_1(struct session *s, struct err *err)
{
	uint8_t answer[HANDSHAKE_LEN_2];

	if (handshake_read_1(s->handshake, s->hs, err) != 0 ||
		handshake_write_2(s->handshake, answer, err) != 0)
		return -1;
	s->phase = PHASE_3;
	return append_out(s, answer, sizeof(answer), err);
}

static int finish_initiator(struct session *s, struct err *err)
{
	uint8_t last[HANDSHAKE_LEN_3];

	if (handshake_write_3(s->handshake, last, err) != 0 ||
		append_out(s, last, sizeof(last), err) != 0)
		return -1;
	open_session(s);
	return 0;
}

static int take_2(struct session *s, struct err *err)
{
	if (s->lane_waits)
		return err_set(err, ERR_PROTOCOL, "the target spoke out of turn");
	if (handshake_read_2(s->handshake, s->hs, err) != 0)
		return -1;
	s->lane_waits = s->lane_later;
	return s->lane_waits ? 0 : finish_initiator(s, err);
}

int session_join(struct session *s, const struct lane_key *lane, struct err *err)
{
	struct err why;

	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	assert(s->lane_later);
	s->lane_later = false;
	handshake_join(s->handshake, lane);
	if (!s->lane_waits || finish_initiator(s, &why) == 0)
		return 0;
	return session_break(s, &why, err);
}

static int take_3(struct session *s, struct err *err)
{
	if (handshake_read_3(s->handshake, s->hs, err) != 0)
		return -1;
	open_session(s);
	return 0;
}

/* Gathers exactly one message; nothing is looked at before it is whole. */
static int feed_handshake(
	struct session *s, const uint8_t *bytes, size_t n, size_t *ret_taken, struct err *err)
{
	size_t want = handshake_len(s), some = min_size(n, want - s->hs_len);
	struct err why;
	int r = 0;

	memcpy(s->hs + s->hs_len, bytes, some);
	s->hs_len += some;
	*ret_taken = some;
	if (s->hs_len < want)
		return 0;
	s->hs_len = 0;
	if (s->phase == PHASE_1)
		r = take_1(s, &why);
	else if (s->phase == PHASE_2)
		r = take_2(s, &why);
	else
		r = take_3(s, &why);
	return r == 0 ? 0 : session_break(s, &why, err);
}

int session_feed(struct session *s, const void *bytes, size_t n, size_t *ret_taken, struct err *err)
{
	const uint8_t *at = bytes;
	size_t left = n, some = 0;

	session_take_back(s);
	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	while (s->phase != PHASE_OPEN && left > 0) {
		if (feed_handshake(s, at, left, &some, err) != 0)
			return -1;
		at += some;
		left -= some;
	}
	if (left > 0) {
		some = min_size(left, SESSION_IN_MAX - buf_len(&s->in));
		buf_append(&s->in, at, some);
		if (!buf_ok(&s->in))
			return session_fail(s, err, ERR_NOMEM, "out of memory");
		left -= some;
	}
	*ret_taken = n - left;
	s->bytes_in += n - left;
	s->heard = s->heard || left < n;
	return 0;
}

int session_eof(struct session *s, struct err *err)
{
	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	if (s->peer_finished && buf_len(&s->in) == s->lent)
		return 0;
	if (s->initiator && s->phase == PHASE_2)
		return session_fail(s, err, ERR_UNREACHABLE,
			"the target closed the connection before the handshake was done (not a "
			"dray "
			"receiver, too many connections, or its key is not the one that was "
			"paired)");
	if (s->initiator && !s->greeted && buf_len(&s->in) == 0)
		return session_fail(s, err, ERR_REFUSED, "%s",
			s->pairing
				? "the target refused the handshake (the token was used, has "
				  "expired, or belongs to another key)"
				: "the target refused the handshake (it does not know this key, or "
				  "the key was revoked)");
	if (s->phase != PHASE_OPEN)
		return session_fail(
			s, err, ERR_UNREACHABLE, "the peer left before the handshake was done");
	return session_fail(s, err, ERR_UNREACHABLE,
		"the connection was lost: the peer closed it without saying goodbye");
}

/* --- asking --- */

bool session_ready(const struct session *s)
{
	return s->phase == PHASE_OPEN && s->failed.code == ERR_NONE;
}

bool session_established(const struct session *s)
{
	return session_ready(s) && (!s->initiator || s->greeted);
}

const struct session_peer *session_peer(const struct session *s)
{
	return &s->secret->peer;
}

const uint8_t *session_peer_key(const struct session *s)
{
	return s->peer_key;
}

const uint8_t *session_pair_token(const struct session *s)
{
	return s->pairing ? s->token_id : NULL;
}

const char *session_pair_label(const struct session *s)
{
	return s->label;
}

const uint8_t *session_id(const struct session *s)
{
	return s->id;
}

const struct lane_claim *session_lane(const struct session *s)
{
	return s->lane.number ? &s->lane : NULL;
}

const uint8_t *session_lane_secret(const struct session *s)
{
	return s->secret->lane;
}

const uint8_t *session_channel_id(const struct session *s)
{
	return s->channel_id;
}

bool session_peer_finished(const struct session *s)
{
	return s->peer_finished;
}

uint64_t session_bytes_out(const struct session *s)
{
	return s->bytes_out;
}

uint64_t session_bytes_in(const struct session *s)
{
	return s->bytes_in;
}
