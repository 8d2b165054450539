/*
 * Waits for a container to be up. Happy path: look -> a little later look again -> healthy, or
 * running for long enough. Failure modes: it ended; the time is over; the engine's, told at once.
 */
#include "common/engine/engine_call.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 100u

struct await {
	struct engine *engine;
	uv_timer_t timer;
	char *id;
	uint64_t until, steady_since; /* loop's time; 0: it does not run */
	engine_done_fn *fn;
	void *ctx;
	struct err err;
};

static void look(struct await *a);

static void timer_closed(uv_handle_t *handle)
{
	struct await *a = handle->data;
	struct engine *e = a->engine;

	a->fn(a->ctx, a->err.code == ERR_NONE ? NULL : &a->err);
	free(a->id);
	free(a);
	e->loads--;
	engine_maybe_close(e);
}

static void over(struct await *a, const struct err *err)
{
	if (err)
		a->err = *err;
	uv_close((uv_handle_t *)&a->timer, timer_closed);
}

static void on_timer(uv_timer_t *timer)
{
	look(timer->data);
}

/* 1: it is up; 0: not yet; -1: it never will be. */
static int judge(struct await *a, const json_t *state, uint64_t now, struct err *err)
{
	const json_t *health = json_object_get(state, "Health");
	const char *status = json_string_value(json_object_get(health, "Status"));
	bool running = json_is_true(json_object_get(state, "Running")) &&
		       !json_is_true(json_object_get(state, "Restarting"));
	bool checked = status && strcmp(status, "none") != 0 && *status;

	if (!running)
		a->steady_since = 0;
	else if (a->steady_since == 0)
		a->steady_since = now;
	if (!running && !json_is_true(json_object_get(state, "Restarting")))
		return err_set(err, ERR_ENGINE, "it ended with exit code %lld",
			(long long)json_integer_value(json_object_get(state, "ExitCode")));
	if (checked)
		return running && strcmp(status, "healthy") == 0;
	return running && now - a->steady_since >= AWAIT_STEADY_MS;
}

static void looked(void *ctx, json_t *o, const struct err *failed)
{
	struct await *a = ctx;
	uint64_t now = uv_now(a->timer.loop);
	struct err err = { 0 };
	int r;

	if (failed) {
		over(a, failed);
		return;
	}
	r = judge(a, json_object_get(o, "State"), now, &err);
	if (r == 0 && now >= a->until)
		r = err_set(&err, ERR_ENGINE, "it was not up and healthy in time");
	if (r != 0)
		over(a, r < 0 ? &err : NULL);
	else
		uv_timer_start(&a->timer, on_timer, LOOK_EVERY_MS, 0);
}

static void look(struct await *a)
{
	engine_inspect_container(a->engine, a->id, looked, a);
}

int engine_await_container(struct engine *e, const char *id, uint64_t timeout_ms,
	engine_done_fn *fn, void *ctx, struct err *err)
{
	struct await *a = calloc(1, sizeof(*a));

	if (a)
		a->id = strdup(id);
	if (!a || !a->id) {
		free(a);
		return err_nomem(err);
	}
	a->engine = e;
	a->fn = fn;
	a->ctx = ctx;
	e->loads++; /* the engine stays until this is over */
	uv_timer_init(e->loop, &a->timer);
	a->timer.data = a;
	uv_update_time(e->loop);
	a->until = uv_now(e->loop) + timeout_ms;
	look(a);
	return 0;
}
