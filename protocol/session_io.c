/* Records and messages of a session, both ways. README.md sections 3 and 4. */
#include "protocol/session_impl.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

/* In the head of a record: the message goes on in the next one. */
#define HEAD_MORE 0x80u

_Static_assert(SESSION_OUT_MAX / 2 > SEGMENT_MESSAGE_MAX + 16 * RECORD_OVERHEAD,
	"half of the output holds a segment");

static bool has_secret(unsigned type)
{
	return type == MSG_WELCOME || type == MSG_PAIR_OK;
}

/* --- out --- */

static size_t records_of(size_t n)
{
	return n == 0 ? 1 : (n + RECORD_PLAIN_MAX - 1) / RECORD_PLAIN_MAX;
}

static int seal_records(
	struct session *s, unsigned type, const uint8_t *body, size_t n, struct err *err)
{
	do {
		size_t some = min_size(n, RECORD_PLAIN_MAX);
		uint8_t *to = buf_reserve(&s->out, some + RECORD_OVERHEAD);

		if (!to)
			return session_fail(s, err, ERR_NOMEM, "out of memory");
		record_seal(&s->secret->send, (uint8_t)(type | (n > some ? HEAD_MORE : 0)), body,
			some, to);
		buf_commit(&s->out, some + RECORD_OVERHEAD);
		body += some;
		n -= some;
	} while (n > 0);
	return 0;
}

/* Leaves the encoded message in `scratch`. */
static int encode(struct session *s, const struct message *m, struct err *err)
{
	buf_clear(&s->scratch);
	message_put(&s->scratch, m);
	if (s->scratch.no_memory)
		return err_nomem(err);
	if (!buf_ok(&s->scratch) || buf_len(&s->scratch) > message_max(m->type))
		return err_set(err, ERR_LIMIT, "message %s is larger than the protocol allows",
			message_name(m->type));
	return 0;
}

static int put_encoded(struct session *s, unsigned type, struct err *err)
{
	size_t n = buf_len(&s->scratch);
	int r = seal_records(s, type, n > 0 ? buf_bytes(&s->scratch) : (const uint8_t *)"", n, err);

	if (has_secret(type))
		sodium_memzero(s->scratch.data, s->scratch.cap);
	return r;
}

int session_put(struct session *s, const struct message *m, struct err *err)
{
	struct err why;

	if (encode(s, m, &why) != 0)
		return session_break(s, &why, err);
	return put_encoded(s, m->type, err);
}

static bool is_greeting(unsigned type)
{
	return type == MSG_WELCOME || type == MSG_PAIR_OK || type == MSG_FAIL;
}

int session_send(struct session *s, const struct message *m, struct err *err)
{
	size_t n;

	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	assert(m->type != MSG_GOODBYE && m->type != MSG_PING && m->type != MSG_PONG);
	if (s->phase != PHASE_OPEN || s->finished)
		return session_fail(s, err, ERR_FAILED, "%s cannot be sent %s",
			message_name(m->type),
			s->finished ? "after goodbye" : "before the handshake is done");
	assert(s->initiator || s->greeted || is_greeting(m->type));
	if (encode(s, m, err) != 0)
		return -1;
	n = buf_len(&s->scratch);
	if (buf_len(&s->out) + n + records_of(n) * RECORD_OVERHEAD > SESSION_OUT_MAX)
		return err_set(err, ERR_LIMIT, "too much waits to be sent to the peer");
	if (!s->initiator)
		s->greeted = true;
	return put_encoded(s, m->type, err);
}

size_t session_room(const struct session *s)
{
	size_t len = buf_len(&s->out), room = len < SESSION_OUT_MAX ? SESSION_OUT_MAX - len : 0;
	size_t overhead = (room / RECORD_PLAIN_MAX + 1) * RECORD_OVERHEAD;

	if (!session_ready(s) || s->finished)
		return 0;
	return room > overhead ? room - overhead : 0;
}

int session_finish(struct session *s, struct err *err)
{
	struct message m = { .type = MSG_GOODBYE };

	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	if (s->finished)
		return 0;
	if (s->phase != PHASE_OPEN || (!s->initiator && !s->greeted))
		return session_fail(
			s, err, ERR_FAILED, "closed before the handshake was done and answered");
	m.goodbye.records = s->secret->send.next;
	s->finished = true;
	return session_put(s, &m, err);
}

size_t session_peek(const struct session *s, const uint8_t **ret)
{
	size_t n = buf_len(&s->out);

	*ret = n > 0 ? buf_bytes(&s->out) : NULL;
	return n;
}

void session_sent(struct session *s, size_t n)
{
	buf_consume(&s->out, n);
	s->bytes_out += n;
}

/* --- in --- */

bool session_wants_input(const struct session *s)
{
	return s->failed.code == ERR_NONE && buf_len(&s->in) - s->lent < SESSION_IN_MAX;
}

void session_take_back(struct session *s)
{
	if (s->lent > 0) {
		if (s->lent_secret)
			sodium_memzero(buf_bytes(&s->in), s->lent);
		buf_consume(&s->in, s->lent);
	}
	if (s->body_lent)
		buf_clear(&s->body);
	s->lent = 0;
	s->body_lent = s->lent_secret = false;
}

/* Opens the next whole record, lends its bytes out, and gives head and body; *ret_some false when
 * there is none. */
static int next_record(struct session *s, uint8_t *ret_head, const uint8_t **ret_body,
	size_t *ret_n, bool *ret_some, struct err *err)
{
	size_t have = buf_len(&s->in), wire_len, n;
	uint8_t *plain;

	*ret_some = false;
	if (have > 0 && s->peer_finished)
		return session_fail(s, err, ERR_PROTOCOL, "the peer went on after its goodbye");
	if (have < RECORD_LEN_LEN)
		return 0;
	wire_len = record_wire_len(buf_bytes(&s->in));
	if (wire_len == 0)
		return session_fail(
			s, err, ERR_PROTOCOL, "a record of a length that none may have");
	if (have < wire_len)
		return 0;
	if (!record_open(&s->secret->receive, buf_bytes(&s->in), &plain, &n))
		return session_fail(s, err, ERR_PROTOCOL,
			"a record does not open: it was changed, repeated or reordered on its way");
	s->lent = wire_len;
	*ret_head = plain[0];
	*ret_body = plain + 1;
	*ret_n = n - 1;
	*ret_some = true;
	return 0;
}

/* Puts records together to a message. `*ret_whole` false: it goes on in the next record. What is
 * returned lies in `in` (one record) or in `body` (several). */
static int join(struct session *s, uint8_t head, const uint8_t **body, size_t *n, bool *ret_whole,
	struct err *err)
{
	unsigned type = head & ~HEAD_MORE;
	bool more = (head & HEAD_MORE) != 0, first = s->body_type == 0;
	size_t before = buf_len(&s->body);

	if (!first && type != s->body_type)
		return session_fail(s, err, ERR_PROTOCOL, "message %s inside message %s",
			message_name(type), message_name(s->body_type));
	if (*n > message_max(type) - before)
		return session_fail(
			s, err, ERR_PROTOCOL, "message %s is too long", message_name(type));
	/* One way to cut a message only: so that no record is without use. */
	if ((more && *n != RECORD_PLAIN_MAX) || (!first && *n == 0))
		return session_fail(s, err, ERR_PROTOCOL,
			"message %s is cut into too small records", message_name(type));
	*ret_whole = !more;
	if (first && !more)
		return 0;
	buf_append(&s->body, *body, *n);
	if (!buf_ok(&s->body))
		return session_fail(s, err, ERR_NOMEM, "out of memory");
	s->body_type = more ? type : 0;
	s->body_lent = !more;
	*body = buf_bytes(&s->body);
	*n = buf_len(&s->body);
	return 0;
}

/* The responder's first message shows that it holds its key and the psk; everything else comes
 * after it, and nothing of the kind a second time or from the initiator. */
static int check_greeting(struct session *s, unsigned type, struct err *err)
{
	bool due = s->initiator && !s->greeted;
	unsigned proof = s->pairing ? MSG_PAIR_OK : MSG_WELCOME;

	if (due && type != proof && type != MSG_FAIL)
		return session_fail(s, err, ERR_PROTOCOL,
			"the target's first message is %s, not %s", message_name(type),
			message_name(proof));
	if (!due && (type == MSG_WELCOME || type == MSG_PAIR_OK))
		return session_fail(
			s, err, ERR_PROTOCOL, "message %s out of place", message_name(type));
	if (due)
		s->greeted = true;
	return 0;
}

static int take_ping(struct session *s, const struct message *m, struct err *err)
{
	struct message answer = { .type = MSG_PONG, .pong = { .cookie = m->ping.cookie } };

	if (!s->initiator && !s->greeted)
		return session_fail(s, err, ERR_PROTOCOL, "message PING before the greeting");
	if (s->finished)
		return 0;
	if (buf_len(&s->out) > SESSION_OUT_MAX + SESSION_OUT_SLACK / 2)
		return session_fail(
			s, err, ERR_LIMIT, "the peer asks for signs of life and reads none");
	return session_put(s, &answer, err);
}

/* The messages that the session keeps to itself. *ret_ours says whether this was one. */
static int take_own(struct session *s, const struct message *m, bool *ret_ours, struct err *err)
{
	*ret_ours = true;
	if (m->type == MSG_PING)
		return take_ping(s, m, err);
	if (m->type == MSG_PONG) {
		if (s->pongs == s->pings || m->pong.cookie != s->pongs + 1)
			return session_fail(s, err, ERR_PROTOCOL, "message PONG without a PING");
		s->pongs++;
		return 0;
	}
	if (m->type == MSG_GOODBYE) {
		if (m->goodbye.records != s->secret->receive.next - 1)
			return session_fail(s, err, ERR_PROTOCOL,
				"the peer sent %llu records before its goodbye, %llu arrived",
				(unsigned long long)m->goodbye.records,
				(unsigned long long)(s->secret->receive.next - 1));
		s->peer_finished = true;
		return 0;
	}
	*ret_ours = false;
	return 0;
}

/* One record further. *ret_some: there was one; *ret_shown: it completed a message for the owner.
 */
static int step(
	struct session *s, struct message *ret, bool *ret_some, bool *ret_shown, struct err *err)
{
	const uint8_t *body = NULL;
	struct message m;
	struct err why;
	uint8_t head = 0;
	size_t n = 0;
	bool whole = false, ours;

	*ret_shown = false;
	session_take_back(s);
	if (next_record(s, &head, &body, &n, ret_some, err) != 0)
		return -1;
	if (!*ret_some)
		return 0;
	if (join(s, head, &body, &n, &whole, err) != 0)
		return -1;
	if (!whole)
		return 0;
	if (message_parse(head & ~HEAD_MORE, body, n, &m, &why) != 0)
		return session_break(s, &why, err);
	if (check_greeting(s, m.type, err) != 0 || take_own(s, &m, &ours, err) != 0)
		return -1;
	if (ours)
		return 0;
	s->lent_secret = has_secret(m.type);
	*ret = m;
	*ret_shown = true;
	return 0;
}

int session_next(struct session *s, struct message *ret, bool *ret_some, struct err *err)
{
	bool some = true, shown = false;

	session_take_back(s);
	if (s->failed.code != ERR_NONE)
		return session_failed(s, err);
	while (s->phase == PHASE_OPEN && some && !shown) {
		if (step(s, ret, &some, &shown, err) != 0)
			return -1;
	}
	*ret_some = shown;
	return 0;
}
