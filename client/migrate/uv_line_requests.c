/* What is asked over a line: calls and trees, their beginning and their ends. */
#include "client/migrate/uv_line_impl.h"

#include <string.h>

static int send_call(struct line *l, struct err *err)
{
	struct message m = { .type = MSG_MIGRATE };

	l->job = m.migrate.job = l->next_job++;
	memcpy(m.migrate.migration.bytes, l->call.migration, sizeof(l->call.migration));
	m.migrate.verb = (uint8_t)l->call.verb;
	m.migrate.flags = l->call.flags;
	m.migrate.seconds = l->call.seconds;
	m.migrate.image = l->call.image;
	if (l->call.manifest)
		m.migrate.manifest = (wire_bytes){ .p = buf_bytes(l->call.manifest),
			.n = (uint32_t)buf_len(l->call.manifest) };
	return uv_conn_send(uv_reach_conn(l->reach), &m, err);
}

static void on_tree_progress(void *ctx, uint64_t done)
{
	struct line *l = ctx;

	l->progress(l->ctx, done);
}

static void on_tree_over(
	void *ctx, const struct tree_result *result, bool again, const struct err *err)
{
	struct line *l = ctx;

	if (tree_push_has_blob(l->push, l->next_blob))
		l->next_blob++;
	l->push = NULL;
	l->sent = false;
	if (l->closing) {
		line_maybe_closed(l);
		return;
	}
	if (!err) {
		retry_moved(&l->retry);
		line_finish_tree(l, result, NULL);
		return;
	}
	line_abandon(l, err);
	l->full_names = l->full_names || again;
	line_try_again(l, err, again);
}

static int send_tree(struct line *l, struct err *err)
{
	static const struct tree_push_ops ops = { .progress = on_tree_progress,
		.over = on_tree_over };
	struct tree_push_config config = { .loop = l->c.loop,
		.conn = uv_reach_conn(l->reach),
		.lanes = l->lanes,
		.volume = l->tree.volume,
		.backup = l->tree.backup,
		.root = l->tree.root,
		.cache = l->tree.cache,
		.reread = l->tree.reread,
		.full_names = l->full_names,
		.job = l->next_job,
		.blob = l->next_blob,
		.level = l->c.level };

	memcpy(config.migration, l->tree.migration, sizeof(config.migration));
	l->job = l->next_job++;
	return tree_push_start(&config, &ops, l, &l->push, err);
}

static int send_talk(struct line *l, struct err *err)
{
	l->job = l->next_job++;
	return l->talk->begin(l->ctx, uv_reach_conn(l->reach), l->job, err);
}

static int send_request(struct line *l, struct err *err)
{
	if (l->request == REQUEST_TALK)
		return send_talk(l, err);
	return l->request == REQUEST_CALL ? send_call(l, err) : send_tree(l, err);
}

void line_go_on(struct line *l)
{
	struct err err;
	int r;

	if (l->request == REQUEST_NONE || l->sent || l->closing || l->push)
		return;
	if (!l->reach) {
		if (!l->lanes) /* those of the session before are still closing */
			line_connect(l);
		return;
	}
	if (!l->welcomed || l->leaving)
		return;
	l->sent = true;
	r = send_request(l, &err);
	if (r != 0)
		uv_conn_close(uv_reach_conn(l->reach), &err);
}

void line_ask(struct line *l, const struct line_call *call, line_answer_fn *fn, void *ctx)
{
	l->call = *call;
	l->answer = fn;
	l->ctx = ctx;
	line_begin(l, REQUEST_CALL);
}

void line_send_tree(struct line *l, const struct line_tree *tree,
	void (*progress)(void *ctx, uint64_t done), line_tree_fn *fn, void *ctx)
{
	l->tree = *tree;
	l->progress = progress;
	l->tree_fn = fn;
	l->ctx = ctx;
	line_begin(l, REQUEST_TREE);
}

void line_start_talk(struct line *l, const struct line_talk *talk, line_talk_fn *fn, void *ctx)
{
	l->talk = talk;
	l->talk_fn = fn;
	l->ctx = ctx;
	line_begin(l, REQUEST_TALK);
}

void line_talk_end(struct line *l, const struct err *err)
{
	if (l->request != REQUEST_TALK)
		return;
	line_hold(l, false);
	if (err && l->sent)
		line_abandon(l, err);
	else
		retry_moved(&l->retry);
	line_finish_talk(l, err);
}

void line_hold(struct line *l, bool hold)
{
	if (l->reach && hold)
		uv_conn_pause(uv_reach_conn(l->reach));
	else if (l->reach)
		uv_conn_resume(uv_reach_conn(l->reach));
}

void line_break_off(struct line *l, const struct err *err)
{
	if (l->push) {
		tree_push_lost(l->push, err);
	} else if (l->request != REQUEST_NONE) {
		uv_timer_stop(&l->wait);
		if (l->sent && l->reach) { /* its answer may be on its way */
			l->leaving = true;
			uv_reach_close(l->reach, NULL);
		}
		l->sent = false;
		line_finish(l, err);
	}
}
