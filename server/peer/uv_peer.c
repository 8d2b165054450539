/*
 * Owns a connection and all that hangs on it. Happy path: admitted -> handshake -> WELCOME ->
 * offers, each a job -> goodbye. Pairing: handshake with a token -> PAIR_OK -> PAIR_DONE ->
 * goodbye. Failure modes: a handshake that fails is counted against its source and told nothing; a
 * job that fails is told with FAIL and the session goes on; anything else ends the connection with
 * one line in the log.
 */
#include "server/peer/uv_lane.h"

#include "common/base/log.h"
#include "common/base/text.h"
#include "link/uv_refuse.h"
#include "protocol/grant.h"
#include "protocol/limits.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the end --- */

static void drop_jobs(struct uv_peer *p)
{
	while (p->n_jobs > 0)
		peer_job_abort(p->jobs[--p->n_jobs]);
}

static void peer_free(struct uv_peer *p)
{
	uv_lane_leave(p);
	drop_jobs(p);
	answers_close(p->answers);
	intake_close(p->intake);
	receiver_free(p->receiver);
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	free(p);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct uv_peer *p = ctx;

	if (p->admitted && !p->ready)
		admission_failed(p->server->admission, (struct sockaddr *)&p->address,
			err && err->code == ERR_REFUSED, uv_now(p->server->loop));
	if (err && p->ready)
		log_warn("%s (%s): %s", p->name, p->where, err->text);
	else if (err)
		log_info("%s: no session: %s", p->where, err->text);
	else
		log_debug("%s (%s): closed", p->name, p->where);
	peer_free(p);
}

void uv_peer_fail(struct uv_peer *p, const struct err *err)
{
	struct message m = message_fail(UINT32_MAX, err);
	struct err ignored;

	if (p->ending)
		return;
	p->ending = true;
	if (uv_conn_send(p->conn, &m, &ignored) == 0)
		uv_conn_finish(p->conn);
	else
		uv_conn_close(p->conn, NULL); /* it reads nothing, so it is told nothing */
	log_warn("%s (%s): %s", p->name, p->where, err->text);
}

void uv_peer_send(void *ctx, const struct message *m)
{
	struct uv_peer *p = ctx;
	struct err err;

	/* After FAIL and goodbye nothing may follow. */
	if (!p->ending && uv_conn_send(p->conn, m, &err) != 0)
		uv_conn_close(p->conn, &err);
}

static void on_failed(void *ctx, const struct err *err)
{
	uv_peer_fail(ctx, err);
}

/* --- segments and answers --- */

static void on_stored(void *ctx, uint64_t number, size_t len)
{
	struct uv_peer *p = ctx;

	p->stored = number;
	receiver_stored(p->receiver, number, len);
	for (size_t i = 0; i < p->n_jobs; i++)
		peer_job_stored(p->jobs[i], number);
	uv_lane_pause(p);
}

static void on_durable(void *ctx, uint64_t number)
{
	struct message m = { .type = MSG_ACK, .ack = { .number = number } };

	uv_peer_send(ctx, &m);
}

static size_t on_pins(void *ctx, const struct uv_pin *ret[INTAKE_PINS_MAX])
{
	struct uv_peer *p = ctx;

	size_t n = 0;

	for (size_t i = 0; i < p->n_jobs; i++) {
		const struct uv_pin *pin = peer_job_pin(&p->jobs[i]);

		if (pin)
			ret[n++] = pin;
	}
	return n;
}

static void on_answer(void *ctx, const struct message *m)
{
	struct uv_peer *p = ctx;

	receiver_answered(p->receiver);
	uv_peer_send(p, m);
}

/* --- messages --- */

static int on_pair_done(struct uv_peer *p, const struct message *m, struct err *err)
{
	if (m->type != MSG_PAIR_DONE)
		return err_set(err, ERR_PROTOCOL, "%s while pairing", message_name(m->type));
	if (keyring_pair_done(
		    p->server->keyring, session_pair_token(uv_conn_session(p->conn)), err) != 0)
		return -1;
	log_info("%s (%s): paired", p->name, p->where);
	uv_conn_finish(p->conn);
	return 0;
}

/* What the message is about was found by the receiver; a job that failed meanwhile lets it pass. */
static int take_blob_message(struct uv_peer *p, const struct message *m,
	const struct receiver_blob *blob, struct err *err)
{
	const struct peer_job *j = uv_peer_find_job(p, blob->job);

	if (j)
		peer_job_blob(*j, m, blob);
	if (m->type == MSG_BLOB_BEGIN || m->type == MSG_BLOB_END ||
		(m->type == MSG_ASK_RECIPES && m->ask_recipes.flags & ASK_NO_ANSWER))
		return 0;
	j = uv_peer_find_job(p, blob->job); /* it may have ended */
	return answers_ask(p->answers, m, j ? peer_job_pin(j) : NULL, err);
}

void uv_peer_segment(struct uv_peer *p, const struct message *m)
{
	const struct msg_segment *s = &m->segment;
	struct receiver_blob *blob;
	struct err err;

	if (receiver_has_segment(p->receiver, s->number))
		return; /* it was sent again because its lane died, and had arrived */
	if (receiver_take(p->receiver, m, &blob, &err) != 0 ||
		intake_segment(p->intake, s->number, s->record.p, s->record.n, &err) != 0)
		uv_peer_fail(p, &err);
	else
		uv_lane_pause(p);
}

static int take_message(struct uv_peer *p, const struct message *m, struct err *err)
{
	struct receiver_blob *blob;
	const struct peer_job *j;

	if (m->type == MSG_SEGMENT) {
		uv_peer_segment(p, m);
		return 0;
	}
	if (receiver_take(p->receiver, m, &blob, err) != 0)
		return -1;
	if (blob)
		return take_blob_message(p, m, blob, err);
	if (m->type == MSG_IMAGE_OFFER) {
		uv_peer_take_offer(p, &m->image_offer);
	} else if (m->type == MSG_TREE_OFFER) {
		uv_peer_take_tree_offer(p, &m->tree_offer);
	} else if (m->type == MSG_MIGRATE) {
		uv_peer_take_call(p, &m->migrate);
	} else if (m->type == MSG_IMAGE_COMMIT || m->type == MSG_TREE_COMMIT ||
		   m->type == MSG_BACKUP_COMMIT) {
		j = uv_peer_find_job(p, m->image_commit.job); /* all begin with it */
		if (j)
			peer_job_commit(*j, m);
	} else if (uv_peer_take_store(p, m)) {
		return 0;
	} else if (m->type == MSG_FAIL) {
		j = uv_peer_find_job(p, m->fail.job);
		if (j)
			uv_peer_abort_job(p, *j);
	}
	return 0;
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct uv_peer *p = ctx;

	if (p->ending)
		return 0;
	if (!p->entry)
		return on_pair_done(p, m, err);
	if ((p->lane ? uv_lane_message(p, m, err) : take_message(p, m, err)) == 0)
		return 0;
	uv_peer_fail(p, err);
	return 0;
}

/* --- the beginning --- */

static int start_session(struct uv_peer *p, struct err *err)
{
	static const struct answers_ops answers_ops = { .answer = on_answer, .failed = on_failed };
	static const struct intake_ops intake_ops = {
		.pins = on_pins, .stored = on_stored, .durable = on_durable, .failed = on_failed
	};
	struct depot_domain *domain = depot_domain(p->server->depot, p->entry->group);
	struct message m = { .type = MSG_WELCOME };

	if (uv_peer_sessions(p) >= SESSIONS_PER_KEY_MAX)
		return err_set(err, ERR_AGAIN, "key %s has %u sessions already", p->name,
			SESSIONS_PER_KEY_MAX);
	p->receiver = receiver_new();
	p->answers = domain ? answers_new(domain, &answers_ops, p) : NULL;
	if (!p->receiver || !p->answers)
		return err_nomem(err);
	if (intake_new(p->server->loop, domain, p->server->verifier, &intake_ops, p, &p->intake,
		    err) != 0)
		return -1;
	m.welcome.grants = p->entry->grants;
	m.welcome.time_ms = wall_ms();
	m.welcome.name = wire_text_of(p->name, strlen(p->name));
	m.welcome.max_lanes = LANES_MAX;
	return uv_conn_send(p->conn, &m, err);
}

static int start_pairing(struct uv_peer *p, struct err *err)
{
	struct session *s = uv_conn_session(p->conn);
	struct message m = { .type = MSG_PAIR_OK };
	const struct keyring_entry *entry;

	if (keyring_pair_begin(p->server->keyring, session_pair_token(s), session_peer_key(s),
		    session_pair_label(s), wall_ms() / 1000, &entry, err) != 0)
		return -1;
	m.pair_ok.name = wire_text_of(entry->name, strlen(entry->name));
	memcpy(m.pair_ok.psk.bytes, entry->psk, sizeof(m.pair_ok.psk.bytes));
	return uv_conn_send(p->conn, &m, err);
}

static void on_ready(void *ctx)
{
	struct uv_peer *p = ctx;
	struct session *s = uv_conn_session(p->conn);
	struct err err = { 0 };
	int r;

	p->ready = true;
	admission_passed(
		p->server->admission, (struct sockaddr *)&p->address, uv_now(p->server->loop));
	snprintf(p->name, sizeof(p->name), "%s", session_peer(s)->name);
	if (session_pair_token(s)) {
		r = start_pairing(p, &err);
	} else {
		p->entry = keyring_find(p->server->keyring, session_peer_key(s));
		if (!p->entry)
			r = err_set(&err, ERR_REFUSED, "the key was revoked just now");
		else
			r = session_lane(s) ? uv_lane_join(p, &err) : start_session(p, &err);
	}
	if (r != 0)
		uv_peer_fail(p, &err);
}

static void on_room(void *ctx)
{
	uv_peer_room(ctx);
}

static bool find_key(void *ctx, const uint8_t public_key[KEY_LEN], const uint8_t token_id[16],
	struct session_peer *ret)
{
	struct uv_peer *p = ctx;

	return keyring_find_peer(p->server->keyring, public_key, token_id, wall_ms() / 1000, ret);
}

void uv_peer_accept(struct server *server, uv_stream_t *listener)
{
	static const struct uv_conn_ops ops = {
		.ready = on_ready, .message = on_message, .room = on_room, .closed = on_closed
	};
	struct uv_peer *p = calloc(1, sizeof(*p));
	struct session_config config = { .own = keyring_own_key(server->keyring),
		.wall_ms = wall_ms(),
		.find = find_key,
		.find_ctx = p };
	struct err err;

	if (!p) {
		log_warn("cannot take a connection: out of memory");
		uv_refuse(listener);
		return;
	}
	if (uv_conn_accept(listener, &config, &ops, p, &p->conn, &p->address, &err) != 0) {
		log_warn("cannot take a connection: %s", err.text);
		free(p);
		return;
	}
	p->server = server;
	p->next = server->peers;
	p->link = &server->peers;
	if (p->next)
		p->next->link = &p->next;
	server->peers = p;
	uv_address_text(&p->address, p->where);
	p->admitted = admission_ask(
		server->admission, (struct sockaddr *)&p->address, uv_now(server->loop));
	if (!p->admitted) {
		err_set(&err, ERR_REFUSED, "too many connections or failed handshakes");
		uv_conn_close(p->conn, &err);
	}
}
