/*
 * Owns the connection, its lanes and what is under way. Happy path: a request -> connect -> WELCOME
 * -> the request is sent -> its answer -> the next one over the same session. Failure modes: a
 * session that is lost, or a target that says "not now", is waited for and the request made again;
 * everything else is the request's error.
 */
#include "client/migrate/uv_line_impl.h"

#include "common/base/text.h"
#include "protocol/grant.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint64_t now(const struct line *l)
{
	return uv_now(l->c.loop);
}

static uint64_t session_bytes(const struct line *l)
{
	struct uv_conn *conn = l->reach ? uv_reach_conn(l->reach) : NULL;

	return (conn ? session_bytes_out(uv_conn_session(conn)) : 0) +
	       (l->lanes ? lanes_bytes_out(l->lanes) : 0);
}

uint64_t line_bytes_sent(const struct line *l)
{
	return l->bytes_before + session_bytes(l);
}

bool line_may(const struct line *l, uint32_t grants)
{
	return !l->welcomed || (l->grants & grants) == grants;
}

/* --- the end of a request --- */

static void finish_call(struct line *l, const struct line_answer *answer, const struct err *err)
{
	line_answer_fn *fn = l->answer;

	l->request = REQUEST_NONE;
	fn(l->ctx, answer, err);
}

void line_finish_tree(struct line *l, const struct tree_result *result, const struct err *err)
{
	line_tree_fn *fn = l->tree_fn;

	l->request = REQUEST_NONE;
	fn(l->ctx, result, err);
}

void line_finish_talk(struct line *l, const struct err *err)
{
	line_talk_fn *fn = l->talk_fn;

	l->request = REQUEST_NONE;
	l->sent = false;
	fn(l->ctx, err);
}

void line_finish(struct line *l, const struct err *err)
{
	struct err text = *err;

	err_wrap(&text, "%s", l->c.target->name);
	if (l->request == REQUEST_CALL)
		finish_call(l, NULL, &text);
	else if (l->request == REQUEST_TREE)
		line_finish_tree(l, NULL, &text);
	else if (l->request == REQUEST_TALK)
		line_finish_talk(l, &text);
}

static void on_wait(uv_timer_t *wait)
{
	line_go_on(wait->data);
}

/* The request did not come about: again, or for good. */
void line_try_again(struct line *l, const struct err *err, bool other_form)
{
	struct retry_failure f = { .err = err,
		.worked = l->welcomed,
		.late = l->sent,
		.unsaid = !l->heard,
		.other_form = other_form };
	uint64_t jitter, wait;

	l->sent = false;
	randombytes_buf(&jitter, sizeof(jitter));
	if (l->closing)
		return;
	if ((l->request == REQUEST_CALL && l->call.once) ||
		(l->request == REQUEST_TALK && !l->talk->may_retry(l->ctx)) ||
		!retry_failed(&l->retry, &f, now(l), jitter, &wait)) {
		line_finish(l, err);
		return;
	}
	if (wait > 0)
		l->c.retrying(l->c.ctx, err, wait);
	uv_timer_start(&l->wait, on_wait, wait, 0);
}

void line_begin(struct line *l, enum request request)
{
	l->request = request;
	l->sent = l->full_names = false;
	retry_start(&l->retry, l->c.retry_for_ms, now(l));
	if (l->welcomed && l->reach)
		retry_connected(&l->retry, now(l));
	uv_timer_start(&l->wait, on_wait, 0, 0); /* never from inside the caller's call */
}

/* --- the session --- */

static void on_room(void *ctx)
{
	struct line *l = ctx;

	if (l->lanes)
		lanes_send_lost(l->lanes);
	if (l->push)
		tree_push_room(l->push);
}

static struct session_config session_of(const struct line *l)
{
	struct session_config config = { .initiator = true, .own = l->c.key };

	memcpy(config.peer_public_key, l->c.target->server_key, sizeof(config.peer_public_key));
	memcpy(config.psk, l->c.target->psk, sizeof(config.psk));
	return config;
}

static void on_ready(void *ctx)
{
	static const struct lanes_ops ops = { .room = on_room };
	struct line *l = ctx;
	struct session_config session = session_of(l);
	struct lanes_config config = { .loop = l->c.loop,
		.conn = uv_reach_conn(l->reach),
		.address = &l->c.target->address,
		.session = &session,
		.options = l->c.lanes };
	struct err err;
	int r = lanes_open(&config, &ops, l, &l->lanes, &err);

	sodium_memzero(&session, sizeof(session));
	if (r != 0)
		uv_conn_close(uv_reach_conn(l->reach), &err);
}

static int take_welcome(struct line *l, const struct message *m, struct err *err)
{
	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "the target", err);
	if (m->type != MSG_WELCOME)
		return err_set(err, ERR_PROTOCOL, "%s instead of WELCOME", message_name(m->type));
	l->welcomed = true;
	l->grants = m->welcome.grants;
	retry_connected(&l->retry, now(l));
	lanes_welcome(l->lanes, &m->welcome);
	if ((l->grants & l->c.grants) != l->c.grants)
		return err_set(err, ERR_REFUSED, "%s", l->c.needs);
	line_go_on(l);
	return 0;
}

static int take_answer(struct line *l, const struct msg_migrated *m, struct err *err)
{
	struct line_answer a = { .stage = (enum migrate_stage)m->stage, .up_ms = m->up_ms };

	if (m->stage >= MIGRATE_STAGES_END)
		return err_set(err, ERR_PROTOCOL, "MIGRATED with a stage that is none");
	if (m->report.n > MANIFEST_MAX)
		return err_set(err, ERR_PROTOCOL, "MIGRATED with a report that is too long");
	if (m->container.n >= sizeof(a.container) ||
		(m->container.n > 0 && memchr(m->container.s, '\0', m->container.n)))
		return err_set(err, ERR_PROTOCOL, "MIGRATED with an ID that is none");
	if (m->container.n > 0)
		memcpy(a.container, m->container.s, m->container.n);
	if (m->report.n > 0) {
		a.report = json_loadb(
			(const char *)m->report.p, m->report.n, JSON_REJECT_DUPLICATES, NULL);
		if (!a.report)
			return err_set(err, ERR_PROTOCOL, "MIGRATED with a report that is no JSON");
	}
	l->sent = false;
	retry_moved(&l->retry);
	finish_call(l, &a, NULL);
	json_decref(a.report);
	return 0;
}

static int take_ack(struct line *l, const struct msg_ack *m, struct err *err)
{
	bool moved;

	if (lanes_acked(l->lanes, m->number, &moved, err) != 0)
		return -1;
	if (moved)
		retry_moved(&l->retry);
	if (l->push)
		tree_push_room(l->push);
	return 0;
}

/* Does the message belong to the tree that is under way? Answers to one that is over are let pass.
 */
static bool is_trees(const struct line *l, const struct message *m)
{
	if (m->type == MSG_TELL_RECIPES)
		return tree_push_has_blob(l->push, m->tell_recipes.blob);
	if (m->type == MSG_TELL_CHUNKS)
		return tree_push_has_blob(l->push, m->tell_chunks.blob);
	if (m->type == MSG_BLOB_DONE)
		return tree_push_has_blob(l->push, m->blob_done.blob);
	if (m->type == MSG_FAIL || m->type == MSG_PROGRESS || m->type == MSG_TREE_STATE ||
		m->type == MSG_TREE_DONE || m->type == MSG_BACKUP_STATE ||
		m->type == MSG_BACKUP_DONE)
		return m->fail.job == l->job; /* all begin with it */
	return false;
}

/* The target has the job open as long as it was not told. */
void line_abandon(struct line *l, const struct err *why)
{
	struct message m = message_fail(l->job, why);
	struct uv_conn *conn = l->reach && !l->leaving ? uv_reach_conn(l->reach) : NULL;
	struct err err;

	if (conn && l->welcomed && uv_conn_send(conn, &m, &err) != 0)
		uv_conn_close(conn, &err);
}

static void call_failed(struct line *l, const struct msg_fail *m)
{
	struct err err;

	message_failure(m, "the target", &err);
	line_abandon(l, &err);
	line_try_again(l, &err, false);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct line *l = ctx;

	l->heard = true;
	if (l->leaving)
		return 0;
	if (!l->welcomed)
		return take_welcome(l, m, err);
	if (m->type == MSG_FAIL && m->fail.job == UINT32_MAX)
		return message_failure(&m->fail, "the target", err);
	if (m->type == MSG_ACK)
		return take_ack(l, &m->ack, err);
	if (l->push)
		return is_trees(l, m) ? tree_push_message(l->push, m, err) : 0;
	if (l->request == REQUEST_TALK && l->sent && m->type != MSG_FAIL)
		return l->talk->message(l->ctx, m, err);
	if ((l->request != REQUEST_CALL && l->request != REQUEST_TALK) || !l->sent ||
		m->fail.job != l->job)
		return 0;
	if (m->type == MSG_MIGRATED)
		return take_answer(l, &m->migrated, err);
	if (m->type == MSG_FAIL)
		call_failed(l, &m->fail);
	return 0;
}

void line_maybe_closed(struct line *l)
{
	void (*closed)(void *ctx) = l->closed;
	void *ctx = l->closed_ctx;

	if (!l->closing || !l->handles_closed || l->reach || l->lanes || l->push)
		return;
	free(l);
	closed(ctx);
}

static void session_over(struct line *l)
{
	if (l->closing)
		line_maybe_closed(l);
	else if (l->request != REQUEST_NONE && !l->push && !uv_is_active((uv_handle_t *)&l->wait))
		line_go_on(l);
}

static void on_lanes_closed(void *ctx)
{
	struct line *l = ctx;

	l->lanes = NULL;
	session_over(l);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct line *l = ctx;
	struct err lost;

	if (err)
		lost = *err;
	else
		err_set(&lost, ERR_UNREACHABLE, "closed the connection");
	l->bytes_before += session_bytes(l);
	l->reach = NULL;
	if (l->lanes)
		lanes_close(l->lanes, on_lanes_closed, l);
	if (l->push)
		tree_push_lost(l->push, &lost); /* its end goes on */
	else if (l->request != REQUEST_NONE && !l->leaving)
		line_try_again(l, &lost, false);
	session_over(l);
}

void line_connect(struct line *l)
{
	static const struct uv_conn_ops ops = {
		.ready = on_ready, .message = on_message, .room = on_room, .closed = on_closed
	};
	struct session_config config = session_of(l);
	struct err err;
	int r;

	l->next_job = l->next_blob = 0;
	l->welcomed = l->heard = l->leaving = false;
	r = uv_reach_start(l->c.loop, &l->c.target->address, &config, &ops, l, &l->reach, &err);
	sodium_memzero(&config, sizeof(config));
	if (r != 0)
		line_try_again(l, &err, false);
}

/* --- the whole --- */

int line_new(const struct line_config *config, struct line **ret, struct err *err)
{
	struct line *l = calloc(1, sizeof(*l));

	if (!l)
		return err_nomem(err);
	l->c = *config;
	uv_timer_init(config->loop, &l->wait);
	l->wait.data = l;
	*ret = l;
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	struct line *l = handle->data;

	l->handles_closed = true;
	line_maybe_closed(l);
}

void line_close(struct line *l, void (*closed)(void *ctx), void *ctx)
{
	struct uv_conn *conn = l->reach ? uv_reach_conn(l->reach) : NULL;
	struct err err;

	l->closing = l->leaving = true;
	l->closed = closed;
	l->closed_ctx = ctx;
	err_set(&err, ERR_INTERRUPTED, "closed");
	if (l->push)
		tree_push_lost(l->push, &err);
	if (l->lanes && l->reach)
		lanes_finish(l->lanes);
	if (conn && l->welcomed)
		uv_conn_leave(conn);
	else if (l->reach)
		uv_reach_close(l->reach, NULL);
	uv_close((uv_handle_t *)&l->wait, timer_closed);
}
