/*
 * `drayd serve`: checks its options, takes the state's lock, and goes on as the supervisor of the
 * network process and the engine process (supervisor.h), whose command lines it writes. What is
 * wrong with the options is said before anything is started or made.
 */
#include "server/cmd/cmd.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/base/program.h"
#include "common/engine/engine_choice.h"
#include "server/peer/uv_listener.h"
#include "server/process/supervisor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NO_CACHE_SIZE UINT64_MAX /* --cache was not given */
#define LOCK_PATIENCE_MS 1000u
#define LOCK_PAUSE_MS 20u
#define ARGV_MAX (16 + 2 * OPTION_LIST_MAX)

struct serve_options {
	const char *state, *engine;
	struct option_list listen;
	uint64_t cache;
	bool verbose, help;
};

/* --- the children's command lines --- */

struct argv {
	const char *at[ARGV_MAX + 1]; /* ends with NULL */
	size_t n;
};

static void add_arg(struct argv *a, const char *arg)
{
	assert(a->n < ARGV_MAX);
	a->at[a->n++] = arg;
}

static void add_option(struct argv *a, const char *name, const char *value)
{
	if (!value)
		return;
	add_arg(a, name);
	add_arg(a, value);
}

static void begin_argv(struct argv *a, const char *command, const struct serve_options *o)
{
	add_arg(a, "drayd");
	add_arg(a, command);
	add_option(a, "--state", o->state);
	if (o->verbose)
		add_arg(a, "--verbose");
}

static int supervise(const struct serve_options *o, int lock, int *ret_code, struct err *err)
{
	struct argv net = { 0 }, engine = { 0 };
	char *const *argv[CHILD_ROLES];
	char cache[24];

	begin_argv(&net, "net-process", o);
	for (size_t i = 0; i < o->listen.n; i++)
		add_option(&net, "--listen", o->listen.items[i]);
	snprintf(cache, sizeof(cache), "%" PRIu64, o->cache);
	add_option(&net, "--cache", o->cache == NO_CACHE_SIZE ? NULL : cache);
	begin_argv(&engine, "engine-process", o);
	add_option(&engine, "--host", o->engine);
	/* exec changes none of them, whatever its type says */
	argv[CHILD_NET] = (char *const *)net.at;
	argv[CHILD_ENGINE] = (char *const *)engine.at;
	return supervisor_run(argv, lock, ret_code, err);
}

/* --- the state --- */

/* The processes of a serve that was killed hold the lock until they have ended, which is soon. */
static int lock_soon(const char *path, int *ret, struct err *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	int r = file_lock(path, ret, err);

	for (unsigned waited = 0; r != 0 && err->code == ERR_REFUSED && waited < LOCK_PATIENCE_MS;
		waited += LOCK_PAUSE_MS) {
		nanosleep(&pause, NULL);
		r = file_lock(path, ret, err);
	}
	return r;
}

static int lock_state(const char *state, int *ret, struct err *err)
{
	char *lock;
	int r;

	if (file_make_dir(state, 0700, err) != 0)
		return -1;
	lock = file_join(state, "lock");
	if (!lock)
		return err_nomem(err);
	r = lock_soon(lock, ret, err);
	if (r != 0 && err->code == ERR_REFUSED)
		err_set(err, ERR_FAILED,
			"another drayd serves from %s (choose another with --state)", state);
	free(lock);
	return r;
}

static int serve(const struct serve_options *o, int *ret_code, struct err *err)
{
	int lock, r;

	if (lock_state(o->state, &lock, err) != 0)
		return -1;
	r = supervise(o, lock, ret_code, err);
	close(lock);
	return r;
}

/* --- options --- */

/* The engine process chooses again, when it starts; what is wrong is to be known now. */
static int check_engine(const char *option, struct err *err)
{
	struct engine_address a;

	if (engine_choose(option, &a, err) != 0)
		return -1;
	engine_address_done(&a);
	return 0;
}

static int check(const struct serve_options *o, int n_args, struct err *err)
{
	if (n_args != 0)
		return err_set(err, ERR_USAGE, "serve takes no arguments");
	if (o->cache == 0)
		return err_set(err, ERR_USAGE,
			"--cache 0: what arrives is kept until it is loaded; leave the option out "
			"for the default");
	for (size_t i = 0; i < o->listen.n; i++) {
		if (uv_listener_check(o->listen.items[i], err) != 0)
			return -1;
	}
	return check_engine(o->engine, err);
}

static const char serve_text[] =
	"Listens for paired agents and puts what they send into the engine beside it.\n"
	"Runs in the foreground until SIGTERM or SIGINT; SIGHUP reads the keys anew. It is\n"
	"three processes: one that the network reaches, one that reaches the engine, and\n"
	"one that starts the two, again if need be.\n";

int cmd_serve(int argc, char **argv)
{
	struct serve_options o = { .cache = NO_CACHE_SIZE };
	const struct option_row rows[] = {
		{ "listen", 0, OPTION_LIST, &o.listen, "ADDR:PORT",
			"listen here (default :7747); may be repeated" },
		{ "state", 0, OPTION_TEXT, &o.state, "DIR",
			"keys, invites and store (default: DRAYD_STATE_DIR, else /var/lib/dray)" },
		ENGINE_OPTION_ROW(&o.engine),
		{ "cache", 0, OPTION_SIZE, &o.cache, "SIZE",
			"keep at most this much (default: 10G, or a tenth of the file system)" },
		{ "verbose", 'v', OPTION_FLAG, &o.verbose, NULL, "say more" },
		{ 0 },
	};
	struct err err;
	int n, code = 0;

	if (options_parse(rows, argc, argv, &n, &o.help, &err) != 0)
		return program_fail(&err);
	if (o.help) {
		program_help("serve", serve_text, rows);
		return 0;
	}
	if (check(&o, n, &err) != 0)
		return program_fail(&err);
	log_start("drayd", o.verbose ? LOG_DEBUG : LOG_INFO, true);
	if (!o.state)
		o.state = cmd_state_dir();
	if (serve(&o, &code, &err) != 0)
		return program_fail(&err);
	return code;
}
