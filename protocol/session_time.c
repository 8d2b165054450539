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
	if (s->heard)
		s->heard_at = s->now;
	s->heard = false;
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
