/*
 * Owns, while it asks an engine, that engine and the loop; while it asks a target, the connection
 * and the loop. Happy path: engine -> facts and history of each image; target -> WELCOME -> offer,
 * state, offer taken back, for each image -> goodbye. Failure modes: those of one image are that
 * image's; a lost connection is the error of every image that was not answered.
 */
#include "client/plan/uv_survey.h"

#include "client/client.h"
#include "client/push/offer.h"
#include "link/uv_reach.h"
#include "protocol/grant.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void end_loop(uv_loop_t *loop)
{
	int left;

	uv_run(loop, UV_RUN_DEFAULT);
	left = uv_loop_close(loop);
	assert(left == 0);
	(void)left;
}

/* --- the engine --- */

struct engine_survey {
	uv_loop_t loop;
	struct engine_address address;
	struct engine *engine;
	struct survey_image *images;
	size_t n, at;
};

static void next_image(struct engine_survey *s);

static struct survey_image *asked(struct engine_survey *s)
{
	return &s->images[s->at];
}

static void end_image(struct engine_survey *s, const struct err *err)
{
	if (err)
		asked(s)->err = *err;
	s->at++;
	/* An engine that is not there need not be asked again. */
	for (; err && err->code == ERR_UNREACHABLE && s->at < s->n; s->at++)
		asked(s)->err = *err;
	next_image(s);
}

/* The engine's steps are done without: some engines do not tell them of every image. */
static void on_history(void *ctx, const struct engine_step *steps, size_t n, const struct err *err)
{
	struct engine_survey *s = ctx;
	struct survey_image *image = asked(s);
	struct facts *f = &image->facts;
	uint8_t *config = NULL;
	size_t len = 0;
	struct err why;
	int r;

	if (!engine_read_config(&f->info, &f->image.config, &config, &len))
		config = NULL;
	r = history_build(err ? NULL : steps, err ? 0 : n, config, len, f->image.n_diff_ids,
		&image->history, &why);
	free(config);
	end_image(s, r == 0 ? NULL : &why);
}

static void on_facts(void *ctx, const struct err *err)
{
	struct engine_survey *s = ctx;

	if (err)
		end_image(s, err);
	else
		engine_get_history(s->engine, &asked(s)->facts.image.id, on_history, s);
}

static void next_image(struct engine_survey *s)
{
	if (s->at < s->n)
		facts_ask(&asked(s)->facts, s->engine, asked(s)->typed, on_facts, s);
	else
		engine_close(s->engine, NULL, NULL);
}

void survey_engine(const char *engine, struct survey_image *images, size_t n)
{
	struct engine_survey s = { .images = images, .n = n };
	struct err err;

	uv_loop_init(&s.loop);
	if (client_engine(engine, &s.address, &err) == 0 &&
		engine_open(&s.loop, &s.address, &s.engine, &err) == 0) {
		next_image(&s);
	} else {
		for (size_t i = 0; i < n; i++)
			images[i].err = err;
	}
	end_loop(&s.loop);
	engine_address_done(&s.address);
}

void survey_done(struct survey_image *images, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		facts_done(&images[i].facts);
		history_done(&images[i].history);
	}
}

/* --- the target --- */

struct target_survey {
	uv_loop_t loop;
	const struct target *target;
	const struct survey_image *images;
	struct survey_answer *answers;
	size_t n, at;
	uint32_t job; /* of the last offer; they count from 0 */
	bool offered, heard, done;
	uint64_t bytes;
	struct uv_reach *reach;
};

static int tell(struct target_survey *s, const struct message *m, struct err *err)
{
	return uv_conn_send(uv_reach_conn(s->reach), m, err);
}

static int offer_image(struct target_survey *s, struct err *err)
{
	const struct facts *f = &s->images[s->at].facts;
	struct offer offer;
	int r = offer_build(&offer, s->job, &f->image, f->layer_sizes, f->tags, f->n_tags, err);

	if (r == 0)
		r = tell(s, &offer.message, err);
	offer_done(&offer);
	s->offered = r == 0;
	return r;
}

/* The next image of which there is something to offer, or goodbye. */
static int offer_next(struct target_survey *s, struct err *err)
{
	for (; s->at < s->n; s->at++) {
		if (s->images[s->at].err.code != ERR_NONE)
			continue;
		if (offer_image(s, err) == 0)
			return 0;
		if (err->code != ERR_LIMIT)
			return -1;
		s->answers[s->at].err = *err;
	}
	s->done = true;
	uv_conn_finish(uv_reach_conn(s->reach));
	return 0;
}

/* The job is over: at both ends, so that the next one can follow. */
static int end_offer(struct target_survey *s, struct err *err)
{
	struct err over;
	struct message m;

	err_set(&over, ERR_INTERRUPTED, "it was only asked about");
	m = message_fail(s->job++, &over);
	s->offered = false;
	s->at++;
	return tell(s, &m, err) == 0 ? offer_next(s, err) : -1;
}

static int take_state(struct target_survey *s, const struct msg_image_state *m, struct err *err)
{
	struct survey_answer *a = &s->answers[s->at];

	if (!s->offered || m->job != s->job ||
		m->layers.n != s->images[s->at].facts.image.n_diff_ids)
		return err_set(err, ERR_PROTOCOL, "IMAGE_STATE does not fit the offer");
	a->layers = calloc(m->layers.n + 1, 1);
	if (!a->layers)
		return err_nomem(err);
	if (m->layers.n > 0)
		memcpy(a->layers, m->layers.p, m->layers.n);
	a->n_layers = m->layers.n;
	a->image_present = m->image_present;
	return end_offer(s, err);
}

static int take_welcome(struct target_survey *s, const struct msg_welcome *m, struct err *err)
{
	if (!(m->grants & GRANT_PUSH))
		return err_set(err, ERR_REFUSED, "it does not let this key push images");
	return offer_next(s, err);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct target_survey *s = ctx;
	bool first = !s->heard;

	s->heard = true;
	if (s->done)
		return 0; /* on its way before the end */
	if (m->type == MSG_FAIL && s->offered && m->fail.job == s->job) {
		message_failure(&m->fail, s->target->name, &s->answers[s->at].err);
		return end_offer(s, err);
	}
	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "it", err);
	if (m->type == MSG_WELCOME && first)
		return take_welcome(s, &m->welcome, err);
	if (m->type == MSG_IMAGE_STATE)
		return take_state(s, &m->image_state, err);
	return err_set(err, ERR_PROTOCOL, "%s out of place", message_name(m->type));
}

static void on_closed(void *ctx, const struct err *err)
{
	struct target_survey *s = ctx;
	struct uv_conn *conn = s->reach ? uv_reach_conn(s->reach) : NULL;
	struct err why;

	if (conn)
		s->bytes = session_bytes_out(uv_conn_session(conn));
	s->reach = NULL;
	if (s->done)
		return;
	if (err)
		why = *err;
	else
		err_set(&why, ERR_UNREACHABLE, "closed the connection");
	if (!s->heard && why.code == ERR_NOT_FOUND) /* no such host */
		why.code = ERR_UNREACHABLE;
	err_wrap(&why, "%s", s->target->name);
	for (; s->at < s->n; s->at++)
		s->answers[s->at].err = why;
}

static bool anything_to_offer(const struct survey_image *images, size_t n)
{
	size_t i = 0;

	while (i < n && images[i].err.code != ERR_NONE)
		i++;
	return i < n;
}

static void connect_target(struct target_survey *s, const struct key_pair *key)
{
	static const struct uv_conn_ops ops = { .message = on_message, .closed = on_closed };
	struct session_config config = { .initiator = true, .own = key };
	struct err err;
	int r;

	memcpy(config.peer_public_key, s->target->server_key, sizeof(config.peer_public_key));
	memcpy(config.psk, s->target->psk, sizeof(config.psk));
	r = uv_reach_start(&s->loop, &s->target->address, &config, &ops, s, &s->reach, &err);
	sodium_memzero(config.psk, sizeof(config.psk));
	if (r != 0)
		on_closed(s, &err);
}

void survey_target(const struct key_pair *key, const struct target *target,
	const struct survey_image *images, size_t n, struct survey_answer *answers,
	uint64_t *ret_bytes)
{
	struct target_survey s = { .target = target, .images = images, .answers = answers, .n = n };

	uv_loop_init(&s.loop);
	if (anything_to_offer(images, n))
		connect_target(&s, key);
	end_loop(&s.loop);
	for (size_t i = 0; i < n; i++) {
		if (images[i].err.code != ERR_NONE)
			answers[i].err = images[i].err;
	}
	*ret_bytes = s.bytes;
}

void answers_done(struct survey_answer *answers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(answers[i].layers);
}

bool answer_has_layer(const struct survey_answer *a, size_t layer)
{
	return a->image_present || a->layers[layer] != LAYER_TO_SEND;
}
