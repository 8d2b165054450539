/*
 * `drayd net-process`, a child of the supervisor: what peers reach. It has the sockets, sessions,
 * jobs, keys and stores, and knows the engine only by the engine port. Happy path: open the state
 * and the sockets, enter the sandbox, say that it is ready, run until the supervisor says stop;
 * then the listening sockets close, sessions without a job are sent away, and when the last job is
 * over everything closes in the order in which it depends on each other: sessions, admin socket,
 * store, worker, port; the loop must then be empty. Failure modes: an engine process that goes
 * away, whose jobs are handed back to their clients; a stop that is urgent, which hands all of them
 * back.
 */
#include "server/cmd/cmd.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/program.h"
#include "server/admin/uv_admin.h"
#include "server/engine/uv_engine_port.h"
#include "server/peer/uv_listener.h"
#include "server/peer/uv_peer.h"
#include "server/process/sandbox.h"
#include "server/process/uv_service.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

#define DEFAULT_LISTEN ":7747"
#define REVOKED_WITHIN_MS 1000u /* a session of a revoked key goes on for no longer */
#define STOP_LOOK_MS 20u	/* between looks whether the last session is gone */
#define STOP_GOODBYE_MS 3000u	/* for clients to take their goodbye, when it is urgent */

struct net_process {
	uv_loop_t loop;
	struct server server;
	struct service *service;
	struct uv_listener *listener;
	struct uv_admin *admin;
	uv_timer_t watch;    /* over the keyring */
	uv_timer_t stopping; /* looks whether the last session is gone */
	bool joined;	     /* to an engine process, at least once */
	bool now;	     /* the stop is urgent */
	bool closing;
	uint64_t give_up; /* when to wait for goodbyes no longer */
};

struct net_options {
	const char *state;
	struct option_list listen;
	uint64_t cache;
	bool verbose, help;
};

/* --- the engine port --- */

static void on_port_message(void *ctx, const struct port_message *m)
{
	struct net_process *n = ctx;

	uv_peer_dispatch(&n->server, m);
}

static void on_port_lost(void *ctx, const struct err *why)
{
	struct net_process *n = ctx;
	unsigned jobs = uv_peer_engine_lost(&n->server);

	if (jobs > 0)
		log_warn("%s: %u jobs handed back", why->text, jobs);
	else
		log_debug("%s", why->text); /* the supervisor tells of it */
}

static void on_port(void *ctx, int control, int bodies)
{
	struct net_process *n = ctx;

	engine_port_attach(n->server.port, control, bodies);
	if (n->joined)
		log_info("joined to a new engine process");
	n->joined = true;
}

/* --- closing --- */

static void close_rest(void *ctx)
{
	struct net_process *n = ctx;

	uv_close((uv_handle_t *)&n->watch, NULL);
	uv_close((uv_handle_t *)&n->stopping, NULL);
	service_close(n->service);
	if (n->server.depot)
		depot_stop(n->server.depot, NULL, NULL);
	if (n->server.verifier)
		uv_worker_stop(n->server.verifier, NULL, NULL);
	if (n->server.port)
		engine_port_close(n->server.port, NULL, NULL);
}

/* Sessions leave the list from the loop: what they use is closed after the last one. */
static void on_stop_look(uv_timer_t *stopping)
{
	struct net_process *n = stopping->data;

	if (n->now && uv_now(&n->loop) >= n->give_up)
		uv_peer_close_all(&n->server);
	else
		uv_peer_stop(&n->server, n->now);
	if (n->server.peers || n->closing)
		return;
	n->closing = true;
	admin_close(n->admin, close_rest, n); /* its commands use the store */
}

static void stop(struct net_process *n, bool now)
{
	if (n->closing || (n->server.stopping && (n->now || !now)))
		return;
	n->server.stopping = true;
	n->now = now;
	n->give_up = uv_now(&n->loop) + STOP_GOODBYE_MS;
	uv_listener_close(n->listener);
	n->listener = NULL;
	uv_timer_start(&n->stopping, on_stop_look, 0, STOP_LOOK_MS);
}

static void on_stop(void *ctx, bool now)
{
	struct net_process *n = ctx;

	if (now || !n->server.stopping)
		log_info("the network process stops%s: %u jobs %s", now ? " now" : "",
			uv_peer_jobs(&n->server), now ? "handed back" : "to finish");
	stop(n, now);
}

/* --- keys --- */

static void on_watch(uv_timer_t *watch)
{
	struct net_process *n = watch->data;

	uv_peer_close_revoked(&n->server);
}

static void on_reload(void *ctx)
{
	struct net_process *n = ctx;

	uv_peer_close_revoked(&n->server);
	log_info("read the keys again");
}

/* --- starting --- */

/* A session takes a descriptor, a store several. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int open_server(struct net_process *n, const struct net_options *o, struct err *err)
{
	static const struct engine_port_ops ops = { .message = on_port_message,
		.lost = on_port_lost };
	struct server *server = &n->server;

	if (keyring_open(o->state, &server->keyring, err) != 0)
		return -1;
	server->admission = admission_new();
	if (!server->admission)
		return err_nomem(err);
	if (depot_start(&n->loop, o->state, o->cache, &server->depot, err) != 0 ||
		uv_worker_start(&n->loop, "dray-verify", &server->verifier, err) != 0 ||
		engine_port_new(&n->loop, PORT_END_NET, &ops, n, &server->port, err) != 0)
		return -1;
	return 0;
}

/* The store may be a link to another disk. What SQLite cannot keep in memory goes there, too. */
static int confine(const char *state, struct err *err)
{
	CLEANUP(cleanup_free) char *domains = file_join(state, "domains");
	const char *const own[] = { state, domains };

	if (!domains || setenv("SQLITE_TMPDIR", domains, 1) != 0)
		return err_nomem(err);
	return sandbox_enter(SANDBOX_NET, own, ARRAY_LEN(own), err);
}

static int start(struct net_process *n, const struct net_options *o, struct err *err)
{
	static const char *const everywhere[] = { DEFAULT_LISTEN };
	static const struct service_ops ops = {
		.port = on_port, .reload = on_reload, .stop = on_stop
	};
	const char *const *listen = o->listen.n ? o->listen.items : everywhere;
	size_t n_listen = o->listen.n ? o->listen.n : 1;

	n->server.loop = &n->loop;
	raise_files();
	/* Sockets before the sandbox, and that before any thread. */
	if (service_open(&n->loop, &ops, n, &n->service, err) != 0 ||
		uv_listener_start(&n->server, listen, n_listen, &n->listener, err) != 0 ||
		admin_start(&n->server, o->state, listen, n_listen, &n->admin, err) != 0 ||
		confine(o->state, err) != 0 || open_server(n, o, err) != 0)
		return -1;
	uv_timer_start(&n->watch, on_watch, REVOKED_WITHIN_MS, REVOKED_WITHIN_MS);
	service_ready(n->service);
	return 0;
}

static int run(const struct net_options *o, struct err *err)
{
	struct net_process *n = calloc(1, sizeof(*n));
	int r, left;

	if (!n)
		return err_nomem(err);
	uv_loop_init(&n->loop);
	uv_timer_init(&n->loop, &n->watch);
	uv_timer_init(&n->loop, &n->stopping);
	n->watch.data = n->stopping.data = n;
	r = start(n, o, err);
	if (r != 0) {
		service_close(n->service); /* what the supervisor says finds nothing to act on */
		n->service = NULL;
		stop(n, true);
	}
	uv_run(&n->loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&n->loop);
	assert(left == 0);
	(void)left;
	admission_free(n->server.admission);
	keyring_close(n->server.keyring);
	free(n);
	return r;
}

int cmd_net_process(int argc, char **argv)
{
	struct net_options o = { 0 };
	const struct option_row rows[] = {
		{ "listen", 0, OPTION_LIST, &o.listen, "ADDR:PORT", "listen here" },
		{ "state", 0, OPTION_TEXT, &o.state, "DIR", "keys, invites and store" },
		{ "cache", 0, OPTION_SIZE, &o.cache, "SIZE", "keep at most this much" },
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
