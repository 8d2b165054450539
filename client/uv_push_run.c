/*
 * Owns the loop, the engine and the connection of a push. Happy path: the facts -> connect ->
 * WELCOME -> push -> goodbye. Failure modes: what may pass (retry.h) is waited for, and the push
 * begun again on a new connection, whose questions find what has arrived; every other error ends
 * the run; SIGINT and SIGTERM stop it wherever it is. An engine that never answered is not waited
 * for.
 */
#include "client/uv_push_run.h"

#include "client/retry.h"
#include "client/uv_facts.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "link/uv_reach.h"
#include "protocol/grant.h"

#include <assert.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_MS 250u

struct run {
	const struct push_run_options *o;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t clock; /* for the progress line */
	uv_timer_t wait;  /* for the next try */
	struct engine *engine;
	struct facts facts;
	struct report report;
	struct retry retry;
	unsigned tries;		   /* begun connections */
	enum push_phase furthest;  /* of all tries */
	struct push_past past;	   /* of all tries */
	uint64_t bytes_sent;	   /* of all tries */
	struct push_result result; /* of this try, as everything below */
	struct uv_reach *reach;	   /* NULL when not connected */
	struct lanes *lanes;	   /* of that connection; NULL before it is greeted */
	struct push *push;	   /* NULL when none runs */
	struct err err;		   /* why it failed */
	bool welcomed, heard;	   /* anything from the target */
	bool hopeless;		   /* whatever the error's code says elsewhere */
	bool finishing;		   /* goodbye was said */
	bool waiting;		   /* for the next one */
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

	if (phase > r->furthest) {
		r->furthest = phase;
		retry_moved(&r->retry);
	}
	report_phase(&r->report, phase, now(r));
}

static void on_progress(void *ctx, uint64_t settled, uint64_t begun)
{
	struct run *r = ctx;

	report_progress(&r->report, settled, begun, now(r));
}

static void on_moved(void *ctx)
{
	struct run *r = ctx;

	retry_moved(&r->retry);
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
		r->finishing = true;
		lanes_finish(r->lanes);
		uv_conn_finish(conn);
	}
	if (err)
		fail(r, err);
	else
		next_step(r);
}

/* How every connection to the target is opened. To be wiped. */
static struct session_config session_of(const struct run *r)
{
	struct session_config config = { .initiator = true, .own = r->o->key };

	memcpy(config.peer_public_key, r->o->target->server_key, sizeof(config.peer_public_key));
	memcpy(config.psk, r->o->target->psk, sizeof(config.psk));
	return config;
}

static void on_lanes_room(void *ctx)
{
	struct run *r = ctx;

	if (r->push)
		push_room(r->push);
}

static int open_lanes(struct run *r, const struct msg_welcome *w, struct err *err)
{
	static const struct lanes_ops ops = { .room = on_lanes_room };
	struct session_config session = session_of(r);
	struct lanes_config config = { .loop = &r->loop,
		.conn = uv_reach_conn(r->reach),
		.address = &r->o->target->address,
		.session = &session,
		.welcome = w,
		.options = &r->o->lanes };
	int n = lanes_open(&config, &ops, r, &r->lanes, err);

	sodium_memzero(&session, sizeof(session));
	return n;
}

static int start_push(struct run *r, const struct msg_welcome *w, struct err *err)
{
	const struct push_ops ops = { .phase = on_phase,
		.progress = on_progress,
		.moved = on_moved,
		.note = on_note,
		.over = on_over };
	struct push_config config = { .loop = &r->loop,
		.engine = r->engine,
		.conn = uv_reach_conn(r->reach),
		.info = &r->facts.info,
		.image = &r->facts.image,
		.layer_sizes = r->facts.layer_sizes,
		.tags = r->facts.tags,
		.n_tags = (uint16_t)r->facts.n_tags,
		.level = r->o->level,
		.read = r->o->read,
		.dry_run = r->o->dry_run,
		.past = &r->past };

	r->welcomed = true;
	retry_connected(&r->retry, now(r));
	if (!(w->grants & GRANT_PUSH))
		return err_set(err, ERR_REFUSED, "%s does not let this key push images",
			r->o->target->name);
	if (open_lanes(r, w, err) != 0)
		return -1;
	config.lanes = r->lanes;
	return push_start(&config, &ops, r, &r->push, err);
}

/* --- the connection --- */

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct run *r = ctx;

	r->heard = true;
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

/* Why the connection ended. */
static void describe_loss(struct run *r, const struct err *err, struct err *ret)
{
	if (err)
		*ret = *err;
	else
		err_set(ret, ERR_UNREACHABLE, "closed the connection");
	if (!r->heard && ret->code == ERR_NOT_FOUND) { /* no such host */
		ret->code = ERR_UNREACHABLE;
		r->hopeless = true;
	}
	err_wrap(ret, "%s", r->o->target->name);
}

static void on_lanes_closed(void *ctx)
{
	struct run *r = ctx;

	r->lanes = NULL;
	next_step(r);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct run *r = ctx;
	struct uv_conn *conn = uv_reach_conn(r->reach);
	struct err lost;

	if (conn)
		r->bytes_sent += session_bytes_out(uv_conn_session(conn));
	r->reach = NULL;
	if (r->lanes) {
		r->bytes_sent += lanes_bytes_out(r->lanes);
		lanes_close(r->lanes, on_lanes_closed, r);
	}
	if (r->done || r->err.code != ERR_NONE) {
		next_step(r);
		return;
	}
	describe_loss(r, err, &lost);
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
	struct session_config config = session_of(r);
	struct err err;
	int n = uv_reach_start(&r->loop, &r->o->target->address, &config, &ops, r, &r->reach, &err);

	sodium_memzero(&config, sizeof(config));
	if (n != 0)
		fail(r, &err);
}

/* --- the tries --- */

/* The engine is there, and everything that it is asked before a push is known. */
static void on_facts(void *ctx, const struct err *err)
{
	struct run *r = ctx;
	struct err nomem;

	if (r->closing)
		return;
	if (err) {
		r->result.engine_failed = true;
		fail(r, err);
		return;
	}
	if (!r->past.sizes) {
		r->past.sizes = calloc(r->facts.image.n_diff_ids + 1, sizeof(*r->past.sizes));
		retry_start(&r->retry, r->o->retry_for_ms, now(r));
	}
	if (r->past.sizes) {
		connect_target(r);
	} else {
		err_nomem(&nomem);
		fail(r, &nomem);
	}
}

static void start_try(struct run *r)
{
	bool ask = r->tries == 0 || r->result.engine_failed;

	r->tries++;
	r->result = (struct push_result){ 0 };
	r->err = (struct err){ 0 };
	r->welcomed = r->heard = r->finishing = false;
	if (ask)
		facts_ask(&r->facts, r->engine, r->o->image, on_facts, r);
	else
		connect_target(r);
}

static void on_wait(uv_timer_t *wait)
{
	struct run *r = wait->data;

	r->waiting = false;
	start_try(r);
}

/* Adds for how long it was tried. */
static void give_up(struct run *r)
{
	char text[ERR_TEXT_MAX], took[TEXT_SECONDS_MAX];

	if (r->tries < 2 || (r->err.code != ERR_UNREACHABLE && r->err.code != ERR_AGAIN))
		return;
	memcpy(text, r->err.text, sizeof(text));
	text_seconds(took, (double)retry_used(&r->retry, now(r)) / 1000);
	err_set(&r->err, r->err.code, "%.*s; gave up after %u tries, %s without a session",
		ERR_TEXT_MAX - 100, text, r->tries, took);
}

static bool try_again(struct run *r)
{
	struct retry_failure f = { .err = &r->err,
		.worked = r->welcomed,
		.late = r->result.answered,
		.unsaid = !r->heard,
		.other_form = r->result.other_form };
	uint64_t wait, jitter;

	if (r->done || r->closing || r->hopeless || !r->past.sizes ||
		r->err.code == ERR_INTERRUPTED)
		return false;
	randombytes_buf(&jitter, sizeof(jitter));
	if (!retry_failed(&r->retry, &f, now(r), jitter, &wait)) {
		give_up(r);
		return false;
	}
	report_retry(&r->report, &r->err, wait, retry_left(&r->retry, now(r)), now(r));
	r->waiting = true;
	uv_timer_start(&r->wait, on_wait, wait, 0);
	return true;
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

	(void)signum;
	if (r->done)
		return;
	err_set(&r->err, ERR_INTERRUPTED, "interrupted; the same command goes on where it was");
	r->waiting = false;
	uv_timer_stop(&r->wait);
	if (r->push) {
		push_lost(r->push, &r->err);
		return;
	}
	if (r->reach)
		uv_reach_close(r->reach, NULL);
	next_step(r);
}

static void close_rest(struct run *r)
{
	if (r->closing)
		return;
	r->closing = true;
	for (size_t i = 0; i < ARRAY_LEN(r->signals); i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	uv_close((uv_handle_t *)&r->clock, NULL);
	uv_close((uv_handle_t *)&r->wait, NULL);
	if (r->engine)
		engine_close(r->engine, NULL, NULL);
}

/* After an end of something: closes the connection, waits for another try, or closes the rest. */
static void next_step(struct run *r)
{
	if (r->push || r->waiting)
		return;
	if (r->reach) {
		if (!r->finishing)
			uv_reach_close(r->reach, NULL);
		return; /* on_closed comes back here */
	}
	if (r->lanes)
		return; /* so does on_lanes_closed */
	if (!try_again(r))
		close_rest(r);
}

static int finish(struct run *r)
{
	if (r->done)
		report_done(&r->report, &r->facts.image.id, &r->result, r->bytes_sent,
			r->o->dry_run, now(r));
	else
		report_failed(&r->report, &r->err, now(r));
	return r->done ? 0 : err_exit_code(&r->err);
}

static void start(struct run *r)
{
	static const int signums[] = { SIGINT, SIGTERM };
	struct err err;

	uv_loop_init(&r->loop);
	report_start(&r->report, r->o->style, r->o->image, r->o->target->name, now(r));
	for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
		uv_signal_init(&r->loop, &r->signals[i]);
		r->signals[i].data = r;
		uv_signal_start(&r->signals[i], on_signal, signums[i]);
	}
	uv_timer_init(&r->loop, &r->clock);
	r->clock.data = r;
	uv_timer_start(&r->clock, on_clock, CLOCK_MS, CLOCK_MS);
	uv_timer_init(&r->loop, &r->wait);
	r->wait.data = r;
	if (engine_open(&r->loop, r->o->engine, &r->engine, &err) != 0)
		fail(r, &err);
	else
		start_try(r);
}

int push_run(const struct push_run_options *options)
{
	struct run *r = calloc(1, sizeof(*r));
	int code, left;

	if (!r) {
		log_error("out of memory");
		return 1;
	}
	r->o = options;
	start(r);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	code = finish(r);
	left = uv_loop_close(&r->loop);
	assert(left == 0);
	(void)left;
	facts_done(&r->facts);
	free(r->past.sizes);
	free(r);
	return code;
}
