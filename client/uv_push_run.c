/*
 * Owns the loop, the engine and the connection of a push. Happy path: engine's facts -> the image
 * -> connect -> WELCOME -> push -> goodbye. Failure modes: each step's error ends the run; a push
 * that says so (push_result.again) is tried once more on a new connection; SIGINT and SIGTERM stop
 * it wherever it is.
 */
#include "client/uv_push_run.h"

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/cargo/reference.h"
#include "link/uv_reach.h"
#include "protocol/grant.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 3
#define CLOCK_MS 250u

struct run {
	const struct push_run_options *o;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t clock; /* for the progress line */
	struct engine *engine;
	struct engine_info info;
	struct engine_image image; /* a copy */
	const char **tags;	   /* wanted at the target; point into the image or at `name` */
	size_t n_tags;
	char name[REFERENCE_TEXT_MAX + 1];
	struct uv_reach *reach; /* NULL when not connected */
	struct push *push;	/* NULL when none runs */
	struct push_result result;
	uint64_t bytes_sent;
	struct report report;
	struct err err; /* why it failed */
	unsigned tries;
	bool finishing; /* goodbye was said */
	bool done, closing;
};

static void next_step(struct run *r);

static uint64_t now(const struct run *r)
{
	return uv_now(&r->loop);
}

/* The first reason counts. */
static void fail(struct run *r, const struct err *err)
{
	if (r->err.code == ERR_NONE)
		r->err = *err;
	next_step(r);
}

/* --- the push --- */

static void on_phase(void *ctx, enum push_phase phase)
{
	struct run *r = ctx;

	report_phase(&r->report, phase, now(r));
}

static void on_progress(void *ctx, uint64_t settled, uint64_t begun)
{
	struct run *r = ctx;

	report_progress(&r->report, settled, begun, now(r));
}

static void on_note(void *ctx, const char *text)
{
	struct run *r = ctx;

	report_note(&r->report, text);
}

static void on_over(void *ctx, const struct push_result *result, const struct err *err)
{
	struct run *r = ctx;
	struct uv_conn *conn = r->reach ? uv_reach_conn(r->reach) : NULL;

	r->push = NULL;
	r->result = *result;
	r->done = err == NULL;
	if (conn) {
		r->bytes_sent += session_bytes_out(uv_conn_session(conn));
		r->finishing = true;
		uv_conn_finish(conn);
	}
	if (err)
		fail(r, err);
	else
		next_step(r);
}

static int start_push(struct run *r, const struct msg_welcome *w, struct err *err)
{
	const struct push_ops ops = {
		.phase = on_phase, .progress = on_progress, .note = on_note, .over = on_over
	};
	struct push_config config = { .loop = &r->loop,
		.engine = r->engine,
		.conn = uv_reach_conn(r->reach),
		.info = &r->info,
		.image = &r->image,
		.tags = r->tags,
		.n_tags = (uint16_t)r->n_tags,
		.level = r->o->level,
		.dry_run = r->o->dry_run,
		.full_names = r->result.need_full_names };

	if (!(w->grants & GRANT_PUSH))
		return err_set(err, ERR_REFUSED, "%s does not let this key push images",
			r->o->target->name);
	return push_start(&config, &ops, r, &r->push, err);
}

/* --- the connection --- */

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct run *r = ctx;

	if (r->push)
		return push_message(r->push, m, err);
	if (r->done || r->err.code != ERR_NONE)
		return 0; /* on its way before the end */
	if (m->type == MSG_WELCOME)
		return start_push(r, &m->welcome, err);
	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "the target", err);
	return err_set(err, ERR_PROTOCOL, "%s instead of WELCOME", message_name(m->type));
}

static void on_room(void *ctx)
{
	struct run *r = ctx;

	if (r->push)
		push_room(r->push);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct run *r = ctx;
	struct err lost;

	r->reach = NULL;
	if (r->done || r->err.code != ERR_NONE) {
		next_step(r);
		return;
	}
	if (!err)
		err_set(&lost, ERR_UNREACHABLE, "closed the connection");
	else
		lost = *err;
	err_wrap(&lost, "%s", r->o->target->name);
	if (r->push)
		push_lost(r->push, &lost); /* on_over goes on */
	else
		fail(r, &lost);
}

static void connect_target(struct run *r)
{
	static const struct uv_conn_ops ops = {
		.message = on_message, .room = on_room, .closed = on_closed
	};
	const struct target *t = r->o->target;
	struct session_config config = { .initiator = true, .own = r->o->key };
	struct err err;

	r->tries++;
	r->finishing = false;
	memcpy(config.peer_public_key, t->server_key, sizeof(config.peer_public_key));
	memcpy(config.psk, t->psk, sizeof(config.psk));
	if (uv_reach_start(&r->loop, &t->address, &config, &ops, r, &r->reach, &err) != 0)
		fail(r, &err);
}

/* --- the engine --- */

static bool copy_image(struct engine_image *to, const struct engine_image *from)
{
	*to = *from;
	to->diff_ids = calloc(from->n_diff_ids + 1, sizeof(*to->diff_ids));
	to->tags = calloc(from->n_tags + 1, sizeof(*to->tags));
	if (!to->diff_ids || !to->tags)
		return false;
	memcpy(to->diff_ids, from->diff_ids, from->n_diff_ids * sizeof(*to->diff_ids));
	for (size_t i = 0; i < from->n_tags; i++) {
		to->tags[i] = strdup(from->tags[i]);
		if (!to->tags[i])
			return false;
	}
	return true;
}

static void free_image(struct engine_image *image)
{
	for (size_t i = 0; image->tags && i < image->n_tags; i++)
		free(image->tags[i]);
	free(image->tags);
	free(image->diff_ids);
}

/* The name that was typed, when the image has it; else (an ID was typed) all the names it has. */
static bool choose_tags(struct run *r)
{
	struct reference ref;
	struct err ignored;
	bool named = reference_parse(r->o->image, &ref, &ignored) == 0;

	r->tags = calloc(r->image.n_tags + 1, sizeof(*r->tags));
	if (!r->tags)
		return false;
	if (named)
		reference_familiar(&ref, r->name);
	for (size_t i = 0; i < r->image.n_tags; i++) {
		if (named && strcmp(r->name, r->image.tags[i]) == 0) {
			r->tags[0] = r->name;
			r->n_tags = 1;
			return true;
		}
		r->tags[i] = r->image.tags[i];
	}
	r->n_tags = r->image.n_tags;
	return true;
}

static void on_image(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct run *r = ctx;
	char shown[REFERENCE_TEXT_MAX + 1];
	struct err why;

	if (err && err->code == ERR_NOT_FOUND) {
		text_escape(shown, sizeof(shown), r->o->image, strlen(r->o->image));
		err_set(&why, ERR_NOT_FOUND,
			"no image %s in the engine at %s (docker images lists them)", shown,
			engine_host(r->engine));
		fail(r, &why);
		return;
	}
	if (err) {
		fail(r, err);
		return;
	}
	if (r->err.code != ERR_NONE) {
		next_step(r);
		return;
	}
	if (!copy_image(&r->image, image) || !choose_tags(r)) {
		err_nomem(&why);
		fail(r, &why);
		return;
	}
	connect_target(r);
}

static void on_info(void *ctx, const struct engine_info *info, const struct err *err)
{
	struct run *r = ctx;

	if (err) {
		fail(r, err);
		return;
	}
	r->info = *info;
	engine_inspect_image(r->engine, r->o->image, on_image, r);
}

/* --- the whole --- */

static void on_clock(uv_timer_t *clock)
{
	struct run *r = clock->data;

	report_tick(&r->report, now(r));
}

static void on_signal(uv_signal_t *signal, int signum)
{
	struct run *r = signal->data;
	struct err err;

	(void)signum;
	err_set(&err, ERR_INTERRUPTED, "interrupted; the same command goes on where it was");
	if (r->push)
		push_lost(r->push, &err);
	else if (!r->done)
		fail(r, &err);
}

static void close_rest(struct run *r)
{
	if (r->closing)
		return;
	r->closing = true;
	for (size_t i = 0; i < ARRAY_LEN(r->signals); i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	uv_close((uv_handle_t *)&r->clock, NULL);
	if (r->engine)
		engine_close(r->engine, NULL, NULL);
}

/* After an end of something: tries again, closes the connection, or closes the rest. */
static void next_step(struct run *r)
{
	if (r->push)
		return;
	if (r->reach) {
		if (!r->finishing)
			uv_reach_close(r->reach, NULL);
		return; /* on_closed comes back here */
	}
	if (!r->done && r->result.again && r->tries < TRIES_MAX) {
		r->err = (struct err){ 0 };
		r->result.again = false;
		connect_target(r);
		return;
	}
	close_rest(r);
}

static int finish(struct run *r)
{
	if (r->done)
		report_done(
			&r->report, &r->image.id, &r->result, r->bytes_sent, r->o->dry_run, now(r));
	else
		report_failed(&r->report, &r->err, now(r));
	return r->done ? 0 : err_exit_code(&r->err);
}

int push_run(const struct push_run_options *options)
{
	static const int signums[] = { SIGINT, SIGTERM };
	struct run *r = calloc(1, sizeof(*r));
	struct err err;
	int code, left;

	if (!r) {
		log_error("out of memory");
		return 1;
	}
	r->o = options;
	uv_loop_init(&r->loop);
	report_start(&r->report, options->style, options->image, options->target->name, now(r));
	for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
		uv_signal_init(&r->loop, &r->signals[i]);
		r->signals[i].data = r;
		uv_signal_start(&r->signals[i], on_signal, signums[i]);
	}
	uv_timer_init(&r->loop, &r->clock);
	r->clock.data = r;
	uv_timer_start(&r->clock, on_clock, CLOCK_MS, CLOCK_MS);
	if (engine_open(&r->loop, options->engine, &r->engine, &err) != 0)
		fail(r, &err);
	else
		engine_get_info(r->engine, on_info, r);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	code = finish(r);
	left = uv_loop_close(&r->loop);
	assert(left == 0);
	(void)left;
	free(r->tags);
	free_image(&r->image);
	free(r);
	return code;
}
