/*
 * Owns the connection to a target: how it is opened, greeted, charged for and lost. What is done
 * over it, and how often it is tried, is uv_target.c's.
 */
#include "client/push/uv_target_impl.h"

#include "protocol/grant.h"

#include <sodium.h>
#include <string.h>

/* --- the account --- */

static uint64_t session_bytes(const struct uv_target *t)
{
	struct uv_conn *conn = t->reach ? uv_reach_conn(t->reach) : NULL;

	if (!conn)
		return t->charged;
	return session_bytes_out(uv_conn_session(conn)) +
	       (t->lanes ? lanes_bytes_out(t->lanes) : 0);
}

void uv_target_charge(struct uv_target *t, struct pair *next)
{
	uint64_t n = session_bytes(t);

	if (t->payer)
		t->payer->bytes_sent += n - t->charged;
	if (t->payer)
		t->charged = n;
	t->payer = next;
}

/* --- the connection --- */

static void on_room(void *ctx)
{
	struct uv_target *t = ctx;

	if (t->lanes)
		lanes_send_lost(t->lanes);
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].push)
			push_room(t->pairs[i].push);
	}
}

/* How every connection to the target is opened. To be wiped. */
static struct session_config session_of(const struct uv_target *t)
{
	struct session_config config = { .initiator = true, .own = t->s->key };

	memcpy(config.peer_public_key, t->target->server_key, sizeof(config.peer_public_key));
	memcpy(config.psk, t->target->psk, sizeof(config.psk));
	return config;
}

static int open_lanes(struct uv_target *t, struct err *err)
{
	static const struct lanes_ops ops = { .room = on_room };
	struct session_config session = session_of(t);
	struct lanes_config config = { .loop = t->s->loop,
		.conn = uv_reach_conn(t->reach),
		.address = &t->target->address,
		.session = &session,
		.options = t->s->lanes };
	int n = lanes_open(&config, &ops, t, &t->lanes, err);

	sodium_memzero(&session, sizeof(session));
	return n;
}

static int on_welcome(struct uv_target *t, const struct msg_welcome *w, struct err *err)
{
	t->welcomed = true;
	retry_connected(&t->retry, uv_now(t->s->loop));
	if (!(w->grants & GRANT_PUSH))
		return err_set(
			err, ERR_REFUSED, "%s does not let this key push images", t->target->name);
	lanes_welcome(t->lanes, w);
	return 0;
}

static void on_reached(void *ctx)
{
	struct uv_target *t = ctx;
	struct err err;

	if (open_lanes(t, &err) != 0)
		uv_conn_close(uv_reach_conn(t->reach), &err);
}

/* The first offer rides behind the handshake's last message. Only who has the key and the psk that
 * were paired can read it. */
static void on_ready(void *ctx)
{
	struct uv_target *t = ctx;

	t->ready = true;
	lanes_join(t->lanes);
	uv_target_step(t);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct uv_target *t = ctx;

	t->heard = true;
	if (t->welcomed)
		return uv_target_message(t, m, err);
	if (t->err.code != ERR_NONE)
		return 0; /* on its way before the end */
	if (m->type == MSG_WELCOME)
		return on_welcome(t, &m->welcome, err);
	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "the target", err);
	return err_set(err, ERR_PROTOCOL, "%s instead of WELCOME", message_name(m->type));
}

/* Why the connection ended. */
static void describe_loss(struct uv_target *t, const struct err *err, struct err *ret)
{
	if (err)
		*ret = *err;
	else
		err_set(ret, ERR_UNREACHABLE, "closed the connection");
	if (!t->heard && ret->code == ERR_NOT_FOUND) { /* no such host */
		ret->code = ERR_UNREACHABLE;
		t->hopeless = true;
	}
	err_wrap(ret, "%s", t->target->name);
}

static void on_lanes_closed(void *ctx)
{
	struct uv_target *t = ctx;

	t->lanes = NULL;
	uv_target_step(t);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct uv_target *t = ctx;
	struct err lost;

	uv_target_charge(t, NULL);
	t->reach = NULL;
	if (t->lanes)
		lanes_close(t->lanes, on_lanes_closed, t);
	if (t->err.code == ERR_NONE && !t->finishing) {
		describe_loss(t, err, &lost);
		uv_target_fail(t, NULL, &lost);
	}
	for (size_t i = 0; i < t->n_pairs; i++) {
		if (t->pairs[i].push)
			push_lost(t->pairs[i].push, &t->err); /* its end goes on */
	}
	uv_target_step(t);
}

/* One connection to the target, made ready for a session. */
void uv_target_connect(struct uv_target *t)
{
	static const struct uv_conn_ops ops = { .reached = on_reached,
		.ready = on_ready,
		.message = on_message,
		.room = on_room,
		.closed = on_closed };
	struct session_config config = session_of(t);
	struct err err;
	int n;

	t->tries++;
	t->next_job = t->next_blob = 0;
	t->ready = t->welcomed = t->heard = t->answered = t->unsettled = t->finishing = t->renew =
		false;
	t->charged = 0;
	n = uv_reach_start(t->s->loop, &t->target->address, &config, &ops, t, &t->reach, &err);
	hasher_prepare(); /* meanwhile */
	sodium_memzero(&config, sizeof(config));
	if (n != 0)
		uv_target_fail(t, NULL, &err);
}

void uv_target_finish(struct uv_target *t)
{
	struct uv_conn *conn = uv_reach_conn(t->reach);

	if (t->finishing)
		return; /* on_closed comes back */
	t->finishing = true;
	if (t->lanes)
		lanes_finish(t->lanes);
	if (t->welcomed && conn)
		uv_conn_leave(conn);
	else
		uv_reach_close(t->reach, NULL);
}
