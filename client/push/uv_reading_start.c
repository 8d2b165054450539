/*
 * Owns the choice of who is read for next. Happy path: a reader waits until nobody else is about to
 * want the same image; then all that wait for it start together, with the large window. One that
 * came too late for that, or was told to leave, starts alone with a small one. Failure modes:
 * memory, the engine; told to the readers.
 */
#include "client/push/uv_reading_impl.h"

#include <stdlib.h>

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
		engine_read_config(r->c.info, &r->c.image->config, &config, &len)) {
		n = source_give_config(source, config, len, err);
		free(config);
	}
	if (n != 0)
		return -1;
	if (source_wants_more(source))
		return engine_read_start(g->all->engine, r->c.info, r->c.image, r->c.way,
			&source_sink, source, reading_saved, g, &g->save, err);
	reading_saved(g, NULL);
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
	if (uv_wake_new(rs->loop, reading_woken, g, &g->wake, err) != 0) {
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
	return a == b ||
	       (!a->c.alone && !b->c.alone && !a->reading && !b->reading && a->c.way == b->c.way &&
		       digest_equal(&a->c.image->config, &b->c.image->config));
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
		reading_fail(g, &err);
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

bool readings_start_one(struct readings *rs)
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
		} else if (!shared && (waited || !rs->more(rs->ctx, &r->c.image->config))) {
			start_for(r, true);
			return true;
		}
	}
	return false;
}
