/*
 * Owns the readings that are under way and who waits for one. Happy path: a reader joins and waits
 * until nobody else is about to come -> those that wait for the same image start together -> items
 * -> over -> each leaves when it has taken all. Failure modes: the engine's, told to every reader;
 * one that falls behind; nobody left, which ends the save.
 */
#include "client/push/uv_reading_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 100u

/* --- the end --- */

static void maybe_free(struct readings *rs)
{
	if (rs->timer_closed && !rs->first)
		free(rs);
}

/* Ends a reading that nobody is in any more. */
static void reading_done(struct reading *g)
{
	struct reading **at;

	if (g->telling)
		return;
	if (g->save) {
		source_stop(fanout_source(g->fanout));
		engine_save_cancel(g->save); /* reading_saved comes back here */
		return;
	}
	for (at = &g->all->first; *at != g; at = &(*at)->next)
		;
	*at = g->next;
	fanout_free(g->fanout);
	uv_wake_close(g->wake);
	maybe_free(g->all);
	free(g);
}

static bool has_readers(const struct reading *g)
{
	for (const struct reader *r = g->all->readers; r; r = r->next) {
		if (r->reading == g)
			return true;
	}
	return false;
}

/* After a round of callbacks, in which any reader may have left. */
static void told(struct reading *g)
{
	g->telling = false;
	if (!has_readers(g))
		reading_done(g);
}

static struct reader *untold(const struct reading *g)
{
	for (struct reader *r = g->all->readers; r; r = r->next) {
		if (r->reading == g && !r->told)
			return r;
	}
	return NULL;
}

static void reading_over(struct reading *g, const struct err *err)
{
	struct reader *r;

	g->over = true;
	g->telling = true;
	while ((r = untold(g))) {
		r->told = true;
		r->ops.over(r->ctx, err);
	}
	told(g);
}

void reading_fail(struct reading *g, const struct err *err)
{
	if (g->over)
		return;
	source_stop(fanout_source(g->fanout));
	reading_over(g, err);
}

/* --- items --- */

static void pass_on(struct reading *g)
{
	struct readings *rs = g->all;
	struct reader *next;
	struct err err;

	if (fanout_pull(g->fanout, &err) != 0) {
		reading_fail(g, &err);
		return;
	}
	g->telling = true;
	/* A reader may leave from its callback, and nobody else with it. */
	for (struct reader *r = rs->readers; r; r = next) {
		next = r->next;
		if (r->reading == g && !r->told)
			r->ops.items(r->ctx);
	}
	told(g);
}

void reading_woken(void *ctx)
{
	struct reading *g = ctx;

	if (!g->over && has_readers(g))
		pass_on(g);
}

void reading_saved(void *ctx, const struct err *err)
{
	struct reading *g = ctx;
	struct err nomem;

	g->save = NULL;
	if (!has_readers(g)) {
		reading_done(g);
		return;
	}
	if (g->over)
		return;
	if (!err && fanout_pull(g->fanout, &nomem) != 0)
		err = &nomem;
	reading_over(g, err);
}

static void check_lag(struct readings *rs)
{
	for (struct reader *r = rs->readers; r; r = r->next) {
		struct reading *g = r->reading;

		if (g && !g->over && g->save &&
			fanout_laggard(g->fanout, uv_now(rs->loop)) == r->taker) {
			r->ops.behind(r->ctx);
			return; /* the others are looked at the next time */
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct readings *rs = timer->data;

	while (readings_start_one(rs))
		;
	check_lag(rs);
	if (!rs->readers)
		uv_timer_stop(timer);
}

void readings_poke(struct readings *rs)
{
	if (!rs->closing && rs->readers)
		uv_timer_start(&rs->timer, on_timer, 0, TICK_MS);
}

/* --- readers --- */

int reader_join(struct readings *rs, const struct reader_config *config,
	const struct reader_ops *ops, void *ctx, struct reader **ret, struct err *err)
{
	size_t n = config->wants.n_layers;
	struct reader *r = calloc(1, sizeof(*r));

	if (r)
		r->layers = calloc(n + 1, sizeof(*r->layers));
	if (!r || !r->layers) {
		free(r);
		return err_nomem(err);
	}
	if (n > 0)
		memcpy(r->layers, config->wants.layers, n * sizeof(*r->layers));
	r->all = rs;
	r->c = *config;
	r->c.wants.layers = r->layers;
	r->ops = *ops;
	r->ctx = ctx;
	r->joined_ms = uv_now(rs->loop);
	r->next = rs->readers;
	rs->readers = r;
	readings_poke(rs);
	*ret = r;
	return 0;
}

struct source_item *reader_take(struct reader *r)
{
	return r->taker ? taker_take(r->taker) : NULL;
}

void reader_leave(struct reader *r)
{
	struct readings *rs;
	struct reading *g;
	struct reader **at;

	if (!r)
		return;
	rs = r->all;
	g = r->reading;
	for (at = &rs->readers; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	taker_leave(r->taker);
	free(r->layers);
	free(r);
	if (g && !has_readers(g))
		reading_done(g);
	readings_poke(rs);
}

/* --- the whole --- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct readings *rs = handle->data;

	rs->timer_closed = true;
	maybe_free(rs);
}

int readings_new(uv_loop_t *loop, struct engine *engine, readings_more_fn *more, void *ctx,
	struct readings **ret, struct err *err)
{
	struct readings *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return err_nomem(err);
	rs->loop = loop;
	rs->engine = engine;
	rs->more = more;
	rs->ctx = ctx;
	uv_timer_init(loop, &rs->timer);
	rs->timer.data = rs;
	*ret = rs;
	return 0;
}

void readings_close(struct readings *rs)
{
	if (!rs)
		return;
	assert(!rs->readers);
	rs->closing = true;
	uv_close((uv_handle_t *)&rs->timer, on_timer_closed);
}
