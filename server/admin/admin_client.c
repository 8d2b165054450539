/*
 * Happy path: connect, ask, show the replies. Failure modes: no socket (no serve: do it here), a
 * socket that nobody answers though STATE/lock is held (a serve that starts, or whose network
 * process is started anew: wait a little), a serve that dies in the middle (say so: what was asked
 * for may or may not have been done).
 */
#include "server/admin/admin_client.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/secret_file.h"
#include "server/admin/admin_local.h"
#include "server/admin/admin_socket.h"
#include "server/keys/keyring.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 50u
#define READ_CHUNK 16384u

struct ask {
	const char *state, *command;
	json_t *parameters;
	struct admin_show show;
};

/* --- over the socket --- */

static int append(const char *bytes, size_t n, void *ctx)
{
	buf_append(ctx, bytes, n);
	return buf_ok(ctx) ? 0 : -1;
}

/* *ret_sent: all of it. A serve that hangs up may have said why: that is read in any case. */
static int send_request(int fd, const struct ask *a, bool *ret_sent, struct err *err)
{
	json_t *request = json_pack(
		"{s:s, s:O}", "command", a->command, "parameters", a->parameters);
	CLEANUP(buf_done) struct buf b;
	int r;

	buf_init(&b, ADMIN_REQUEST_MAX);
	r = request ? json_dump_callback(request, append, &b, JSON_COMPACT) : -1;
	json_decref(request);
	buf_append(&b, "\n", 1);
	if (r != 0 || !buf_ok(&b))
		return err_set(err, ERR_USAGE, "%s: the options are longer than %u bytes in all",
			a->command, ADMIN_REQUEST_MAX);
	while (buf_len(&b) > 0) {
		ssize_t put = send(fd, buf_bytes(&b), buf_len(&b), MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		buf_consume(&b, (size_t)put);
	}
	*ret_sent = buf_len(&b) == 0;
	return 0;
}

/* ERR_NOT_FOUND: the process ended and had not read the request, as the kernel tells; to ask
 * another one is safe. */
static int show_answer(int fd, struct ask *a, bool sent, struct err *err)
{
	uint8_t chunk[READ_CHUNK];
	bool heard = false;
	ssize_t got = 0;
	int r = 0;

	while (r == 0 && !a->show.over) {
		got = recv(fd, chunk, sizeof(chunk), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		heard = true;
		r = admin_show_take(&a->show, chunk, (size_t)got, err);
	}
	if (r == 0 && !a->show.over && !heard && (!sent || (got < 0 && errno == ECONNRESET)))
		r = err_set(err, ERR_NOT_FOUND, "drayd serve ended at that moment");
	else if (r == 0 && !a->show.over)
		r = err_set(err, ERR_AGAIN,
			"drayd serve ended before it had answered; look at its log, and run %s "
			"again",
			a->command);
	explicit_bzero(chunk, sizeof(chunk));
	return r;
}

static int ask_serve(struct ask *a, struct err *err)
{
	bool sent;
	int fd, r;

	if (admin_socket_ask(a->state, &fd, err) != 0)
		return -1;
	r = send_request(fd, a, &sent, err);
	if (r == 0)
		r = show_answer(fd, a, sent, err);
	close(fd);
	return r;
}

/* --- here --- */

static int run_here(struct ask *a, struct err *err)
{
	if (strcmp(a->command, "invite") != 0 && !keyring_exists(a->state))
		return err_set(err, ERR_NOT_FOUND,
			"%s holds no state of drayd; choose another with --state, or begin with "
			"drayd invite",
			a->state);
	return admin_local_run(a->state, a->command, a->parameters, &a->show, err);
}

/* Does a process have STATE/lock? *ret is it if none did (-1: there is no such file, and no serve
 * can have run). */
static int try_lock(const struct ask *a, int *ret, bool *ret_held, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_join(a->state, "lock");

	*ret = -1;
	*ret_held = false;
	if (!path)
		return err_nomem(err);
	if (!admin_needs_store(a->command) && access(path, F_OK) != 0)
		return 0;
	if (file_lock(path, ret, err) == 0)
		return 0;
	if (err->code != ERR_REFUSED)
		return -1;
	*ret_held = true;
	return 0;
}

static void pause_a_little(void)
{
	const struct timespec t = { .tv_nsec = PAUSE_MS * 1000000L };

	nanosleep(&t, NULL);
}

static int not_answering(struct ask *a, struct err *err)
{
	if (admin_needs_store(a->command))
		return err_set(err, ERR_AGAIN,
			"another process works on %s (it holds the lock there) and does not "
			"answer: "
			"drayd serve that starts or is stuck, or a command like this one; try "
			"again "
			"later",
			a->state);
	log_warn("drayd serve holds %s but does not answer: is it stuck? going on without it",
		a->state);
	return run_here(a, err);
}

static int without_serve(struct ask *a, int lock, struct err *err)
{
	int r;

	/* The keys have a lock of their own; this one a serve may want to have now. */
	if (lock >= 0 && !admin_needs_store(a->command)) {
		close(lock);
		lock = -1;
	}
	r = run_here(a, err);
	if (lock >= 0)
		close(lock);
	return r;
}

static int run(struct ask *a, struct err *err)
{
	bool held;
	int lock;

	for (unsigned waited = 0;; waited += PAUSE_MS) {
		if (ask_serve(a, err) == 0)
			return 0;
		if (err->code != ERR_NOT_FOUND)
			return -1;
		if (waited == 0 && admin_local_become_owner(a->state, err) != 0)
			return -1;
		if (waited == 0 && admin_needs_store(a->command) && !keyring_exists(a->state))
			return run_here(a, err); /* which says so, and makes no lock */
		if (try_lock(a, &lock, &held, err) != 0)
			return -1;
		if (!held)
			return without_serve(a, lock, err);
		if (waited >= ADMIN_PATIENCE_MS)
			return not_answering(a, err);
		pause_a_little();
	}
}

int admin_client_run(const char *state, const char *command, json_t *parameters, bool json)
{
	struct ask a = { .state = state, .command = command, .parameters = parameters };
	struct err err = { 0 };
	int code;

	admin_show_init(&a.show);
	if (!parameters || (json && json_object_set_new(parameters, "json", json_true()) != 0))
		err_nomem(&err);
	else if (run(&a, &err) == 0)
		err = a.show.result;
	code = admin_show_end(&a.show, command, json, &err);
	admin_show_done(&a.show);
	json_decref(parameters);
	return code;
}
