/*
 * `drayd engine-process`, a child of the supervisor: what reaches the engine. It has the engine's
 * socket, the journal of loads and its own view of the keys, and no network, unless the engine is
 * on TCP; what a network process says to it goes no further than the keyring lets that key. Happy
 * path: enter the sandbox, begin to clean up after the last run, say that it is ready, serve one
 * network process after the other. Failure modes: a network process that goes away, whose jobs are
 * broken off and cleaned up after while the next one is served already; an engine that is away,
 * which is for the jobs to tell.
 */
#include "server/cmd/cmd.h"

#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/program.h"
#include "common/engine/engine_choice.h"
#include "protocol/grant.h"
#include "server/engine/engine_host.h"
#include "server/keys/keyring.h"
#include "server/process/sandbox.h"
#include "server/process/uv_service.h"

#include <assert.h>
#include <stdlib.h>

#define STOP_NOW_MS 5000u /* to clean up after what was broken off */

struct engine_process {
	uv_loop_t loop;
	struct keyring *keyring; /* a view */
	struct engine_address engine;
	struct service *service;
	struct engine_host *host;
	uv_timer_t patience; /* after an urgent stop */
	bool stopping, closing;
};

struct engine_options {
	const char *state, *engine;
	bool verbose, help;
};

/* --- the second look at a key's permission --- */

static bool may_tag(void *ctx, const char *key, const char *tag)
{
	struct engine_process *p = ctx;
	const struct keyring_entry *entry = keyring_find_name(p->keyring, key);

	return entry && (entry->grants & GRANT_PUSH) && keyring_allows_image(entry, tag);
}

static bool may_see(void *ctx, const char *key, const char *const *tags, size_t n)
{
	struct engine_process *p = ctx;
	const struct keyring_entry *entry = keyring_find_name(p->keyring, key);

	return entry && (entry->grants & GRANT_PUSH) && keyring_sees_image(entry, tags, n);
}

static uint32_t grants_of(void *ctx, const char *key)
{
	struct engine_process *p = ctx;
	const struct keyring_entry *entry = keyring_find_name(p->keyring, key);

	return entry ? entry->grants : 0;
}

/* --- stopping --- */

static void close_all(struct engine_process *p)
{
	if (p->closing)
		return;
	p->closing = true;
	uv_close((uv_handle_t *)&p->patience, NULL);
	service_close(p->service);
	if (p->host)
		engine_host_close(p->host, NULL, NULL);
}

static void on_idle(void *ctx)
{
	close_all(ctx);
}

/* The journal has what is left. */
static void on_patience_over(uv_timer_t *timer)
{
	log_warn("the engine process stops before all is cleaned up; the next start goes on");
	close_all(timer->data);
}

/* --- the supervisor's words --- */

static void on_port(void *ctx, int control, int bodies)
{
	struct engine_process *p = ctx;

	engine_host_attach(p->host, control, bodies);
}

/* Keys are read again at each look. */
static void on_reload(void *ctx)
{
	(void)ctx;
}

static void on_stop(void *ctx, bool now)
{
	struct engine_process *p = ctx;

	if (p->closing)
		return;
	if (!p->stopping)
		log_debug("the engine process stops");
	p->stopping = true;
	if (now && !uv_is_active((uv_handle_t *)&p->patience))
		uv_timer_start(&p->patience, on_patience_over, STOP_NOW_MS, 0);
	engine_host_stop(p->host, now, on_idle, p);
}

/* --- starting --- */

/* The files that name the engine are read now, as root where that is; what they said is kept. */
static int choose_engine(struct engine_process *p, const char *option, struct err *err)
{
	const struct engine_address *a = &p->engine;

	if (engine_choose(option, &p->engine, err) != 0)
		return -1;
	if (!option)
		log_info("the engine is at %s (%s)", a->shown, a->why);
	if (engine_address_is_open(a))
		log_warn("%s is without TLS: whoever can reach it, or change what passes, has the "
			 "engine",
			a->shown);
	return 0;
}

static int enter_sandbox(const struct engine_process *p, struct err *err)
{
	enum sandbox kind = engine_address_is_local(&p->engine) ? SANDBOX_ENGINE
								: SANDBOX_ENGINE_TCP;

	return sandbox_enter(kind, NULL, 0, err);
}

static int start(struct engine_process *p, const struct engine_options *o, struct err *err)
{
	static const struct service_ops ops = {
		.port = on_port, .reload = on_reload, .stop = on_stop
	};

	if (service_open(&p->loop, &ops, p, &p->service, err) != 0 ||
		choose_engine(p, o->engine, err) != 0 || enter_sandbox(p, err) != 0 ||
		keyring_view(o->state, &p->keyring, err) != 0 ||
		engine_host_start(&p->loop, &p->engine, o->state, may_tag, may_see, grants_of, p,
			&p->host, err) != 0)
		return -1;
	service_ready(p->service);
	return 0;
}

static int run(const struct engine_options *o, struct err *err)
{
	struct engine_process *p = calloc(1, sizeof(*p));
	int r, left;

	if (!p)
		return err_nomem(err);
	uv_loop_init(&p->loop);
	uv_timer_init(&p->loop, &p->patience);
	p->patience.data = p;
	r = start(p, o, err);
	if (r != 0)
		close_all(p);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&p->loop);
	assert(left == 0);
	(void)left;
	keyring_close(p->keyring);
	engine_address_done(&p->engine);
	free(p);
	return r;
}

int cmd_engine_process(int argc, char **argv)
{
	struct engine_options o = { 0 };
	const struct option_row rows[] = {
		{ "state", 0, OPTION_TEXT, &o.state, "DIR", "keys and the journal of loads" },
		ENGINE_OPTION_ROW(&o.engine),
		{ "verbose", 'v', OPTION_FLAG, &o.verbose, NULL, "say more" },
		{ 0 },
	};
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &o.help, &err) != 0)
		return program_fail(&err);
	log_start("drayd", o.verbose ? LOG_DEBUG : LOG_INFO, true);
	if (!o.state)
		o.state = cmd_state_dir();
	return run(&o, &err) == 0 ? 0 : program_fail(&err);
}
