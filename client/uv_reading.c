/*
 * Owns the readings that are under way and who waits for one. Happy path: a reader joins and waits
 * until nobody else is about to come -> those that wait for the same image start together -> items
 * -> over -> each leaves when it has taken all. Failure modes: the engine's, told to every reader;
 * one that falls behind; nobody left, which ends the save.
 */
#include "client/uv_reading.h"

#include "link/uv_wake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 100u

struct reading {
	struct reading *next;
	struct readings *all;
	struct fanout *fanout;
	struct uv_wake *wake;
	struct engine_save *save; /* NULL when none runs */
	bool shared;		  /* it has the large window */
	bool over;
	bool telling; /* its readers: it must stay until all of them know */
};

struct reader {
	struct reader *next;
	struct readings *all;
	struct reader_config c;
	struct digest *layers;
	struct reader_ops ops;
	void *ctx;
	struct reading *reading; /* NULL while it waits */
	struct taker *taker;
	uint64_t joined_ms;
	bool told; /* that it is over */
};

struct readings {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct engine *engine;
	readings_more_fn *more;
	void *ctx;
	struct reading *first;
	struct reader *readers;
	bool closing, timer_closed;
};

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
		engine_save_cancel(g->save); /* on_saved comes back here */
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

static void fail(struct reading *g, const struct err *err)
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
		fail(g, &err);
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

static void on_wake(void *ctx)
{
	struct reading *g = ctx;

	if (!g->over && has_readers(g))
		pass_on(g);
}

static void on_saved(void *ctx, const struct err *err)
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

/* --- the start --- */

/* Reads the config from beside the engine, if it can, and starts the save if something is left. */
static int start_save(struct reading *g, const struct reader *r, struct err *err)
{
	struct source *source = fanout_source(g->fanout);
	uint8_t *config;
	size_t len;
	int n = 0;

	if (fanout_open(g->fanout, err) != 0)
		return -1;
	if (source_wants_config(source) &&
		engine_read_config(r->c.info, &r->c.image->id, &config, &len)) {
		n = source_give_config(source, config, len, err);
		free(config);
	}
	if (n != 0)
		return -1;
	if (source_wants_more(source))
		return engine_save_start(g->all->engine, r->c.image, &source_sink, source, on_saved,
			g, &g->save, err);
	on_saved(g, NULL);
	return 0;
}

static struct reading *reading_new(struct readings *rs, uint64_t window, struct err *err)
{
	struct reading *g = calloc(1, sizeof(*g));

	if (!g) {
		err_nomem(err);
		return NULL;
	}
	g->all = rs;
	if (uv_wake_new(rs->loop, on_wake, g, &g->wake, err) != 0) {
		free(g);
		return NULL;
	}
	g->fanout = fanout_new(window, uv_wake_send, g->wake, err);
	if (!g->fanout) {
		uv_wake_close(g->wake);
		free(g);
		return NULL;
	}
	g->next = rs->first;
	rs->first = g;
	return g;
}

/* May these two be read for together? */
static bool alike(const struct reader *a, const struct reader *b)
{
	return a == b || (!a->c.alone && !b->c.alone && !a->reading && !b->reading &&
				 digest_equal(&a->c.image->id, &b->c.image->id));
}

static void start_for(struct reader *first, bool shared)
{
	struct readings *rs = first->all;
	struct err err;
	size_t n = 0;
	struct reading *g;
	int r = 0;

	for (const struct reader *other = rs->readers; other; other = other->next)
		n += shared && alike(first, other);
	g = reading_new(rs,
		!shared ? WINDOW_ALONE_BYTES
		: n > 1 ? WINDOW_SHARED_BYTES
			: WINDOW_BYTES,
		&err);
	if (!g) {
		first->told = true;
		first->ops.over(first->ctx, &err);
		return;
	}
	g->shared = shared;
	for (struct reader *other = rs->readers; other && r == 0; other = other->next) {
		if (other != first && (!shared || !alike(first, other)))
			continue;
		r = fanout_join(g->fanout, &other->c.wants, &other->taker, &err);
		if (other != first)
			other->reading = g;
	}
	first->reading = g;
	if (r != 0 || start_save(g, first, &err) != 0)
		fail(g, &err);
}

/* --- who may start --- */

static size_t under_way(const struct readings *rs, bool *ret_shared)
{
	size_t n = 0;

	*ret_shared = false;
	for (const struct reading *g = rs->first; g; g = g->next) {
		n++;
		*ret_shared = *ret_shared || g->shared;
	}
	return n;
}

static bool start_one(struct readings *rs)
{
	bool shared;
	size_t n = under_way(rs, &shared);

	for (struct reader *r = rs->readers; r && n < READINGS_MAX; r = r->next) {
		bool waited = uv_now(rs->loop) - r->joined_ms >= READING_WAIT_MS;

		if (r->reading || r->told)
			continue;
		if (r->c.alone || (shared && waited)) {
			if (n + !shared < READINGS_MAX) { /* one is kept for those that share */
				start_for(r, false);
				return true;
			}
		} else if (!shared && (waited || !rs->more(rs->ctx, &r->c.image->id))) {
			start_for(r, true);
			return true;
		}
	}
	return false;
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

	while (start_one(rs))
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
