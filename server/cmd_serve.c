/*
 * `drayd serve`: opens the state, the engine, the store and the sockets, and runs the loop until
 * SIGTERM or SIGINT. Closing goes in the order in which things depend on each other: sockets,
 * sessions (and with them jobs), engine side, store, worker; the loop must then be empty.
 */
#include "server/cmd.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/program.h"
#include "server/engine_host.h"
#include "server/uv_listener.h"
#include "server/uv_peer.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN ":7747"
#define REVOKED_WITHIN_MS 1000u /* a session of a revoked key goes on for no longer */

struct serve {
	uv_loop_t loop;
	struct server server;
	struct uv_listener *listener;
	uv_signal_t signals[2];
	uv_timer_t watch; /* over the keyring */
	int lock;
	bool closing;
};

struct serve_options {
	const char *state, *engine;
	struct option_list listen;
	bool verbose, help;
};

/* --- the engine side's own look at the keyring --- */

static bool may_tag(void *ctx, const char *key, const char *tag)
{
	struct serve *s = ctx;
	const struct keyring_entry *entry = keyring_find_name(s->server.keyring, key);

	return entry && keyring_allows_image(entry, tag);
}

static bool may_see(void *ctx, const char *key, const char *const *tags, size_t n)
{
	struct serve *s = ctx;
	const struct keyring_entry *entry = keyring_find_name(s->server.keyring, key);

	return entry && keyring_sees_image(entry, tags, n);
}

static void on_port(void *ctx, const struct port_message *m)
{
	struct serve *s = ctx;

	uv_peer_dispatch(&s->server, m);
}

/* --- closing --- */

static void close_host(struct serve *s)
{
	if (s->server.port)
		engine_host_close(s->server.port, NULL, NULL);
	if (s->server.depot)
		depot_stop(s->server.depot, NULL, NULL);
	if (s->server.verifier)
		uv_worker_stop(s->server.verifier, NULL, NULL);
}

/* Sessions leave the list from the loop: what they use is closed after the last one. */
static void on_idle(uv_idle_t *idle)
{
	struct serve *s = idle->data;

	if (s->server.peers)
		return;
	uv_close((uv_handle_t *)idle, (uv_close_cb)free);
	close_host(s);
}

static void close_all(struct serve *s)
{
	uv_idle_t *idle = calloc(1, sizeof(*idle));

	if (s->closing || !idle) {
		free(idle);
		return;
	}
	s->closing = true;
	for (size_t i = 0; i < ARRAY_LEN(s->signals); i++)
		uv_close((uv_handle_t *)&s->signals[i], NULL);
	uv_close((uv_handle_t *)&s->watch, NULL);
	uv_listener_close(s->listener);
	uv_peer_close_all(&s->server);
	uv_idle_init(&s->loop, idle);
	idle->data = s;
	uv_idle_start(idle, on_idle);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct serve *s = handle->data;

	log_info("stopping (%s)", strsignal(signum));
	close_all(s);
}

/* --- starting --- */

static void on_watch(uv_timer_t *watch)
{
	struct serve *s = watch->data;

	uv_peer_close_revoked(&s->server);
}

static int open_state(struct serve *s, const char *state, struct err *err)
{
	char *lock = NULL;
	int r = -1;

	if (file_make_dir(state, 0700, err) != 0)
		return -1;
	lock = file_join(state, "lock");
	if (!lock)
		return err_nomem(err);
	if (file_lock(lock, &s->lock, err) == 0)
		r = keyring_open(state, &s->server.keyring, err);
	else if (err->code == ERR_REFUSED)
		err_set(err, ERR_FAILED,
			"another drayd serves from %s (choose another with --state)", state);
	free(lock);
	return r;
}

static int start(struct serve *s, const struct serve_options *o, struct err *err)
{
	static const char *const everywhere[] = { DEFAULT_LISTEN };
	static const int signums[] = { SIGTERM, SIGINT };
	const char *const *listen = o->listen.n ? o->listen.items : everywhere;

	for (size_t i = 0; i < ARRAY_LEN(s->signals); i++) {
		uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		uv_signal_start(&s->signals[i], on_signal, signums[i]);
	}
	uv_timer_init(&s->loop, &s->watch);
	s->watch.data = s;
	if (open_state(s, o->state, err) != 0)
		return -1;
	uv_timer_start(&s->watch, on_watch, REVOKED_WITHIN_MS, REVOKED_WITHIN_MS);
	s->server.loop = &s->loop;
	s->server.admission = admission_new();
	if (!s->server.admission)
		return err_nomem(err);
	if (depot_start(&s->loop, o->state, &s->server.depot, err) != 0 ||
		uv_worker_start(&s->loop, "dray-verify", &s->server.verifier, err) != 0 ||
		engine_host_start(&s->loop, o->engine, o->state, may_tag, may_see, s, on_port, s,
			&s->server.port, err) != 0)
		return -1;
	return uv_listener_start(
		&s->server, listen, o->listen.n ? o->listen.n : 1, &s->listener, err);
}

static int serve(const struct serve_options *o, struct err *err)
{
	struct serve *s = calloc(1, sizeof(*s));
	int r, left;

	if (!s)
		return err_nomem(err);
	s->lock = -1;
	uv_loop_init(&s->loop);
	r = start(s, o, err);
	if (r != 0)
		close_all(s);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&s->loop);
	assert(left == 0);
	(void)left;
	admission_free(s->server.admission);
	keyring_close(s->server.keyring);
	if (s->lock >= 0)
		close(s->lock);
	free(s);
	return r;
}

static const char serve_text[] =
	"Listens for paired agents and puts what they send into the engine beside it.\n"
	"Runs in the foreground until SIGTERM or SIGINT.\n";

int cmd_serve(int argc, char **argv)
{
	struct serve_options o = { 0 };
	const struct option_row rows[] = {
		{ "listen", 0, OPTION_LIST, &o.listen, "ADDR:PORT",
			"listen here (default :7747); may be repeated" },
		{ "state", 0, OPTION_TEXT, &o.state, "DIR",
			"keys, invites and store (default: DRAYD_STATE_DIR, else /var/lib/dray)" },
		{ "host", 'H', OPTION_TEXT, &o.engine, "ENGINE",
			"the engine's socket (default: DOCKER_HOST, else the system's)" },
		{ "verbose", 'v', OPTION_FLAG, &o.verbose, NULL, "say more" },
		{ 0 },
	};
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &o.help, &err) != 0)
		return program_fail(&err);
	if (o.help) {
		program_help("serve", serve_text, rows);
		return 0;
	}
	if (n != 0)
		err_set(&err, ERR_USAGE, "serve takes no arguments");
	if (n != 0)
		return program_fail(&err);
	log_start("drayd", o.verbose ? LOG_DEBUG : LOG_INFO, true);
	if (!o.state)
		o.state = cmd_state_dir();
	if (serve(&o, &err) != 0)
		return program_fail(&err);
	return 0;
}
