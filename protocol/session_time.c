/* Deadlines and signs of life of a session. README.md sections 2.6 and 4.5. */
#include "protocol/session_impl.h"

#define FIRST_MESSAGE_MS 5000u
#define HANDSHAKE_MS 10000u
#define PING_MS 20000u
#define SILENCE_MS 60000u
#define TICK_MS 5000u /* how exactly silence is measured: feeding tells no time */

/* Before the first message of the responder only its owner may speak there, and at the initiator it
 * is not known yet to whom. Whatever waits to be written makes a ping needless. */
static bool may_ping(const struct session *s)
{
	return s->phase == PHASE_OPEN && s->greeted && !s->finished && !s->peer_finished &&
	       buf_len(&s->out) == 0;
}

static uint64_t ping_at(const struct session *s)
{
	return (s->heard_at > s->pinged_at ? s->heard_at : s->pinged_at) + PING_MS;
}

static uint64_t silence_ends(const struct session *s)
{
	return (s->heard_at > s->excused_at ? s->heard_at : s->excused_at) + SILENCE_MS;
}

uint64_t session_deadline(const struct session *s)
{
	if (s->failed.code != ERR_NONE)
		return UINT64_MAX;
	if (s->phase == PHASE_1)
		return s->started + FIRST_MESSAGE_MS;
	if (s->phase != PHASE_OPEN)
		return s->started + HANDSHAKE_MS;
	return s->peer_finished ? UINT64_MAX : s->now + TICK_MS;
}

/* --- a peer that dawdles --- */

/* A record or a message of several has begun and is not whole. */
static bool input_begun(const struct session *s)
{
	return buf_len(&s->in) > s->lent || s->body_type != 0;
}

/* What has begun must go on at a minimum rate, measured window by window; a window in which this
 * side did not read counts for nothing. */
static int check_rate(struct session *s, bool excused, struct err *err)
{
	if (excused || !input_begun(s)) {
		s->rate_since = s->now;
		s->rate_from = s->bytes_in;
		return 0;
	}
	if (s->now - s->rate_since < RATE_WINDOW_MS)
		return 0;
	if (s->bytes_in - s->rate_from < (uint64_t)RATE_MIN * (RATE_WINDOW_MS / 1000))
		return session_fail(s, err, ERR_UNREACHABLE,
			"the peer sends less than %u bytes a second in the middle of a message",
			RATE_MIN);
	s->rate_since = s->now;
	s->rate_from = s->bytes_in;
	return 0;
}

/* An initiator may find its output waiting for as long as the responder's engine takes to apply a
 * layer; a responder keeps no output for a peer that never reads. */
static int check_output(struct session *s, struct err *err)
{
	if (s->initiator || buf_len(&s->out) == 0 || s->bytes_out != s->stall_from) {
		s->stall_since = s->now;
		s->stall_from = s->bytes_out;
		return 0;
	}
	if (s->now - s->stall_since < OUTPUT_STALL_MS)
		return 0;
	return session_fail(s, err, ERR_UNREACHABLE, "the peer has read nothing for %u minutes",
		OUTPUT_STALL_MS / 60000);
}

/* Output waits, and some of it was taken: the peer's end takes what was sent before, which a lane
 * says in no other way. */
static bool output_moved(const struct session *s)
{
	return buf_len(&s->out) > 0 && s->bytes_out != s->moved_from;
}

static int ping(struct session *s, struct err *err)
{
	struct message m = { .type = MSG_PING, .ping = { .cookie = s->pings + 1 } };

	s->pings++;
	s->pinged_at = s->now;
	return session_put(s, &m, err);
}

int session_tick(struct session *s, uint64_t now_ms, struct err *err)
{
	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	if (now_ms > s->now)
		s->now = now_ms;
	if (s->heard || output_moved(s))
		s->heard_at = s->now;
	s->heard = false;
	s->moved_from = s->bytes_out;
	if (s->phase != PHASE_OPEN) {
		if (s->now < session_deadline(s))
			return 0;
		return session_fail(s, err, ERR_UNREACHABLE, "%s",
			s->initiator
				? "the target did not answer the handshake within 10 s (not a dray "
				  "receiver?)"
				: "the peer did not finish the handshake in time");
	}
	if (s->held || !session_wants_input(s))
		s->excused_at = s->now;
	if (check_rate(s, s->excused_at == s->now, err) != 0 || check_output(s, err) != 0)
		return -1;
	if (s->now >= silence_ends(s) && !s->peer_finished)
		return session_fail(s, err, ERR_UNREACHABLE,
			"the connection was lost: no sign of the peer for 60 s");
	if (s->now >= ping_at(s) && may_ping(s))
		return ping(s, err);
	return 0;
}

void session_hold(struct session *s, bool held)
{
	if (s->held && !held)
		s->excused_at = s->now;
	s->held = held;
}
