/* The admin socket on a loop, with real stores behind it, and clients of every kind. Every test
 * ends with an empty loop. */
#include "common/base/file.h"
#include "common/base/log.h"
#include "server/admin/admin.h"
#include "server/admin/admin_socket.h"
#include "server/admin/uv_admin.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SAID_MAX (8u << 20)
#define CHECK "{\"command\":\"check\",\"parameters\":{\"read-data\":true}}\n"
#define KEYS "{\"command\":\"keys\",\"parameters\":{\"json\":true}}\n"

struct world {
	uv_loop_t loop;
	char *dir;
	struct server server;
	struct uv_admin *admin;
	bool admin_closed;
	struct err err;
};

static const char *in_state(const struct world *w, const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return path;
}

static void start(struct world *w)
{
	static const char *const listen[] = { "127.0.0.1:7750" };

	w->admin_closed = false;
	assert_ok(admin_start(&w->server, w->dir, listen, 1, &w->admin, &w->err), &w->err);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	signal(SIGPIPE, SIG_IGN); /* as both programs do */
	log_start("test", LOG_ERROR, false);
	w->dir = temp_dir_make();
	uv_loop_init(&w->loop);
	w->server.loop = &w->loop;
	start(w); /* as in the network process: before keyring and depot */
	assert_ok(keyring_open(w->dir, &w->server.keyring, &w->err), &w->err);
	assert_ok(depot_start(&w->loop, w->dir, 0, &w->server.depot, &w->err), &w->err);
	*state = w;
	return 0;
}

static void on_closed(void *ctx)
{
	struct world *w = ctx;

	w->admin_closed = true;
}

/* Turns the loop until it holds, for ten seconds at most. */
#define run_until(w, condition)                                                                    \
	do {                                                                                       \
		uint64_t deadline = uv_hrtime() + UINT64_C(10000000000);                           \
		while (!(condition) && uv_hrtime() < deadline)                                     \
			uv_run(&(w)->loop, UV_RUN_NOWAIT);                                         \
		assert_true(condition);                                                            \
	} while (0)

static void stop(struct world *w)
{
	admin_close(w->admin, on_closed, w);
	w->admin = NULL;
	run_until(w, w->admin_closed);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->admin)
		stop(w);
	depot_stop(w->server.depot, NULL, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	keyring_close(w->server.keyring);
	temp_dir_remove(w->dir);
	free(w);
	return 0;
}

/* --- clients: they never wait, the loop is theirs, too --- */

struct client {
	int fd;
	bool ended;
	struct buf said; /* with a NUL behind it once it ended */
};

static struct client *dial(struct world *w)
{
	struct client *c = calloc(1, sizeof(*c));

	assert_ok(admin_socket_ask(w->dir, &c->fd, &w->err), &w->err);
	assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
	buf_init(&c->said, SAID_MAX);
	return c;
}

static void hang_up(struct client *c)
{
	close(c->fd);
	buf_done(&c->said);
	free(c);
}

static void say(struct client *c, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(c->fd, text, n, MSG_NOSIGNAL), n);
}

static struct client *ask(struct world *w, const char *text)
{
	struct client *c = dial(w);

	say(c, text);
	return c;
}

/* Reads what is there; true when the other end has hung up. */
static bool hear(struct client *c)
{
	uint8_t bytes[4096];
	ssize_t n = 1;

	while (!c->ended && n > 0) {
		n = recv(c->fd, bytes, sizeof(bytes), 0);
		if (n > 0)
			buf_append(&c->said, bytes, (size_t)n);
		else if (n == 0 || errno != EAGAIN)
			c->ended = true;
		if (c->ended)
			buf_append(&c->said, "", 1);
	}
	return c->ended;
}

static bool has_heard(struct client *c, const char *part)
{
	hear(c);
	return buf_len(&c->said) > 0 &&
	       memmem(buf_bytes(&c->said), buf_len(&c->said), part, strlen(part));
}

/* The whole answer ends with this code. Hangs up. */
static void assert_ends_with(struct world *w, struct client *c, enum err_code code)
{
	char done[64];

	run_until(w, hear(c));
	snprintf(done, sizeof(done), "{\"done\":\"%s\"", err_code_name(code));
	if (!strstr((char *)buf_bytes(&c->said), done))
		fail_msg("no %s in: %s", done, (char *)buf_bytes(&c->said));
	hang_up(c);
}

static void assert_serves(struct world *w)
{
	assert_ends_with(w, ask(w, KEYS), ERR_NONE);
}

/* --- stores to check --- */

/* A domain of so many records of 64 kB. */
static void make_domain(struct world *w, const char *name, uint64_t n)
{
	char dir[300];
	struct store *s;

	snprintf(dir, sizeof(dir), "%s/domains/%s", w->dir, name);
	s = fixture_open(dir);
	for (uint64_t i = 0; i < n; i++)
		sample_put(s, 2 * i + 1, 1, 64000);
	assert_ok(store_sync(s, &w->err), &w->err);
	store_close(s);
}

/* Domains enough for a check to take a while: each is several calls. */
static void make_domains(struct world *w)
{
	char name[8];

	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		make_domain(w, name, 20);
	}
}

/* More keys than the kernel's buffers hold the list of. */
static void make_many_keys(struct world *w)
{
	FILE *f = fopen(in_state(w, "keys"), "w");

	assert_non_null(f);
	for (unsigned i = 0; i < 4000; i++) {
		struct keyring_entry e = { .grants = 1, .created = 1 };
		struct buf line;

		snprintf(e.name, sizeof(e.name), "key%u", i);
		memcpy(e.group, e.name, sizeof(e.group));
		memcpy(e.public_key, &i, sizeof(i));
		e.psk[0] = 1;
		buf_init(&line, KEY_ENTRY_LINE_MAX);
		key_entry_put(&line, &e);
		fwrite(buf_bytes(&line), 1, buf_len(&line), f);
		buf_done(&line);
	}
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(in_state(w, "keys"), 0600), 0);
}

/* --- the socket's file --- */

static void the_socket_is_private_and_goes_when_serving_ends(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(lstat(in_state(w, "admin.sock"), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_serves(w);
	stop(w);
	assert_int_equal(lstat(in_state(w, "admin.sock"), &st), -1);
}

static void what_a_killed_process_left_is_replaced(void **state)
{
	struct world *w = *state;
	struct admin_socket left;

	stop(w);
	assert_ok(admin_socket_make(w->dir, &left, &w->err), &w->err);
	close(left.fd);
	close(left.dir);
	start(w);
	assert_serves(w);
}

static void a_newer_socket_is_not_removed_by_an_older_process(void **state)
{
	struct world *w = *state;
	struct admin_socket newer;
	struct stat st;

	assert_ok(admin_socket_make(w->dir, &newer, &w->err), &w->err);
	stop(w);
	assert_int_equal(lstat(in_state(w, "admin.sock"), &st), 0);
	admin_socket_remove(&newer);
	assert_int_equal(lstat(in_state(w, "admin.sock"), &st), -1);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
	struct world *w = *state;
	struct admin_socket s;

	stop(w);
	assert_ok(file_replace(in_state(w, "admin.sock"), 0600, "mine", 4, &w->err), &w->err);
	assert_fails(admin_socket_make(w->dir, &s, &w->err), &w->err, ERR_FAILED);
	assert_fails(admin_socket_ask(w->dir, &(int){ 0 }, &w->err), &w->err, ERR_NOT_FOUND);
	assert_int_equal(access(in_state(w, "admin.sock"), F_OK), 0);
}

static void a_path_longer_than_a_sockets_name_will_do(void **state)
{
	struct world *w = *state;
	char long_dir[300];
	struct admin_socket s;
	int fd;

	snprintf(long_dir, sizeof(long_dir), "%s/%0150d", w->dir, 7);
	assert_int_equal(mkdir(long_dir, 0700), 0);
	assert_ok(admin_socket_make(long_dir, &s, &w->err), &w->err);
	assert_ok(admin_socket_ask(long_dir, &fd, &w->err), &w->err);
	close(fd);
	admin_socket_remove(&s);
	assert_fails(admin_socket_ask(long_dir, &fd, &w->err), &w->err, ERR_NOT_FOUND);
}

/* --- requests --- */

static void what_is_no_request_is_told_so_and_serving_goes_on(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = { { "\n", ERR_USAGE }, { "GET / HTTP/1.1\r\n", ERR_USAGE },
		{ "{}\n", ERR_USAGE }, { "[\"keys\"]\n", ERR_USAGE },
		{ "{\"command\":7}\n", ERR_USAGE }, { "{\"command\":\"fly\"}\n", ERR_USAGE },
		{ "{\"command\":\"keys\",\"parameters\":[]}\n", ERR_USAGE },
		{ "{\"command\":\"keys\",\"command\":\"keys\"}\n", ERR_USAGE },
		{ "{\"command\":\"keys\",\"more\":1}\n", ERR_USAGE },
		{ "{\"command\":\"ke\\u0000ys\"}\n", ERR_USAGE }, { KEYS KEYS, ERR_PROTOCOL },
		{ KEYS "x", ERR_PROTOCOL } };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_ends_with(w, ask(w, cases[i].text), cases[i].code);
	assert_serves(w);
}

static void a_line_without_an_end_is_cut_off(void **state)
{
	static char bytes[ADMIN_REQUEST_MAX + 1];
	struct world *w = *state;
	struct client *c = dial(w);

	memset(bytes, '{', sizeof(bytes));
	assert_int_equal(send(c->fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
	assert_ends_with(w, c, ERR_LIMIT);
	assert_serves(w);
}

static void a_request_may_come_in_pieces(void **state)
{
	struct world *w = *state;
	struct client *c = dial(w);

	for (const char *at = KEYS; *at; at++) {
		say(c, (char[]){ *at, '\0' });
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	assert_ends_with(w, c, ERR_NONE);
}

static void a_client_that_says_nothing_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client *c;

	admin_set_patience(w->admin, 100, 100);
	c = dial(w);
	run_until(w, hear(c));
	assert_int_equal(buf_len(&c->said), 1);
	hang_up(c);
	assert_serves(w);
}

/* Its list of keys does not fit into the socket: what is left is dropped with it. */
static void a_client_that_takes_nothing_is_cut_off(void **state)
{
	struct world *w = *state;
	struct client *c;

	make_many_keys(w);
	admin_set_patience(w->admin, 100, 100);
	c = ask(w, KEYS);
	for (uint64_t end = uv_hrtime() + 400000000; uv_hrtime() < end;)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	run_until(w, hear(c));
	assert_null(strstr((char *)buf_bytes(&c->said), "\"done\""));
	hang_up(c);
	admin_set_patience(w->admin, ADMIN_REQUEST_MS, ADMIN_STALL_MS);
	assert_serves(w);
}

static void a_long_answer_arrives_whole(void **state)
{
	struct world *w = *state;
	struct client *c;

	make_many_keys(w);
	c = ask(w, KEYS);
	run_until(w, has_heard(c, "\"done\""));
	assert_true(has_heard(c, "\\\"keys\\\":4000"));
	assert_ends_with(w, c, ERR_NONE);
}

static void only_so_many_clients_are_heard_at_once(void **state)
{
	struct world *w = *state;
	struct client *held[ADMIN_CLIENTS_MAX];

	for (size_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		held[i] = dial(w);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	assert_ends_with(w, dial(w), ERR_AGAIN);
	hang_up(held[0]);
	for (int i = 0; i < 10; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	say(held[1], KEYS);
	assert_ends_with(w, held[1], ERR_NONE);
	assert_serves(w);
	for (size_t i = 2; i < ADMIN_CLIENTS_MAX; i++)
		hang_up(held[i]);
}

/* The child becomes somebody else, asks, and says by its exit code whether it was refused. */
static void ask_as_nobody(const char *dir)
{
	char answer[1000] = "";
	size_t at = 0;
	ssize_t n = 1;
	struct err err;
	int fd;

	if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0 ||
		admin_socket_ask(dir, &fd, &err) != 0)
		_exit(2);
	n = send(fd, KEYS, strlen(KEYS), MSG_NOSIGNAL);
	while (at < sizeof(answer) - 1 &&
		(n = recv(fd, answer + at, sizeof(answer) - 1 - at, 0)) > 0)
		at += (size_t)n;
	_exit(strstr(answer, "{\"done\":\"refused\"") && !strstr(answer, "out") ? 0 : 1);
}

static void another_users_process_is_refused_even_if_it_gets_in(void **state)
{
	struct world *w = *state;
	bool gone = false;
	int status = -1;
	pid_t child;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(w->dir, 0755), 0);
	child = fork();
	if (child == 0) {
		struct err err;
		int fd;

		/* First as it is: the file's mode keeps it out. */
		if (setresuid(65534, 65534, 0) != 0 || admin_socket_ask(w->dir, &fd, &err) == 0 ||
			err.code != ERR_REFUSED || setresuid(0, 0, 0) != 0 ||
			chmod(in_state(w, "admin.sock"), 0666) != 0)
			_exit(3);
		ask_as_nobody(w->dir);
	}
	run_until(w, gone || (gone = waitpid(child, &status, WNOHANG) == child));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_serves(w);
}

/* --- commands that take a while --- */

static void a_check_leaves_the_loop_to_others(void **state)
{
	struct world *w = *state;
	struct client *check;

	make_domains(w);
	check = ask(w, CHECK);
	run_until(w, has_heard(check, "d0: "));
	assert_serves(w);
	assert_ends_with(w, check, ERR_NONE);
}

static void two_checks_at_once_go_one_after_the_other(void **state)
{
	struct world *w = *state;
	struct client *first, *second;

	make_domains(w);
	first = ask(w, CHECK);
	run_until(w, has_heard(first, "d0: "));
	second = ask(w, CHECK);
	run_until(w, has_heard(second, "another one is under way"));
	assert_false(has_heard(first, "\"done\""));
	assert_ends_with(w, first, ERR_NONE);
	assert_ends_with(w, second, ERR_NONE);
}

static void a_client_that_goes_away_gives_its_check_up(void **state)
{
	struct world *w = *state;
	struct client *first, *second, *third;

	make_domains(w);
	first = ask(w, CHECK);
	run_until(w, has_heard(first, "d0: "));
	second = ask(w, CHECK);
	third = ask(w, CHECK);
	run_until(w, has_heard(second, "another one") && has_heard(third, "another one"));
	hang_up(second); /* one that waits */
	hang_up(first);	 /* and one that runs */
	assert_ends_with(w, third, ERR_NONE);
}

static void clients_that_hang_up_at_any_moment_leave_nothing(void **state)
{
	struct world *w = *state;

	make_domain(w, "a", 4);
	make_domain(w, "b", 4);
	for (int turns = 0; turns < 60; turns++) {
		struct client *c = ask(w, CHECK), *other = ask(w, KEYS);

		for (int i = 0; i < turns; i++)
			uv_run(&w->loop, UV_RUN_NOWAIT);
		hang_up(c);
		hang_up(other);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	assert_ends_with(w, ask(w, CHECK), ERR_NONE);
}

static void a_process_may_stop_at_any_moment(void **state)
{
	struct world *w = *state;

	make_domain(w, "a", 4);
	for (int turns = 0; turns < 60; turns++) {
		struct client *c = ask(w, CHECK), *other = ask(w, CHECK);

		for (int i = 0; i < turns; i++)
			uv_run(&w->loop, UV_RUN_NOWAIT);
		stop(w);
		hang_up(c);
		hang_up(other);
		start(w);
	}
	assert_serves(w);
}

static void a_process_that_stops_tells_those_who_wait(void **state)
{
	struct world *w = *state;
	struct client *first, *second, *silent;

	make_domains(w);
	first = ask(w, CHECK);
	run_until(w, has_heard(first, "d0: "));
	second = ask(w, CHECK);
	silent = dial(w);
	run_until(w, has_heard(second, "another one"));
	stop(w);
	assert_ends_with(w, second, ERR_AGAIN);
	assert_ends_with(w, silent, ERR_AGAIN);
	run_until(w, hear(first)); /* it may have been in the middle of being told something */
	hang_up(first);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(the_socket_is_private_and_goes_when_serving_ends),
	CASE(what_a_killed_process_left_is_replaced),
	CASE(a_newer_socket_is_not_removed_by_an_older_process),
	CASE(a_file_that_is_no_socket_is_left_alone),
	CASE(a_path_longer_than_a_sockets_name_will_do),
	CASE(what_is_no_request_is_told_so_and_serving_goes_on),
	CASE(a_line_without_an_end_is_cut_off), CASE(a_request_may_come_in_pieces),
	CASE(a_client_that_says_nothing_is_cut_off), CASE(a_client_that_takes_nothing_is_cut_off),
	CASE(a_long_answer_arrives_whole), CASE(only_so_many_clients_are_heard_at_once),
	CASE(another_users_process_is_refused_even_if_it_gets_in),
	CASE(a_check_leaves_the_loop_to_others), CASE(two_checks_at_once_go_one_after_the_other),
	CASE(a_client_that_goes_away_gives_its_check_up),
	CASE(clients_that_hang_up_at_any_moment_leave_nothing),
	CASE(a_process_may_stop_at_any_moment), CASE(a_process_that_stops_tells_those_who_wait))
