/* The line's words, and a child's end of it on a loop (uv_service), with the test as supervisor. */
#include "server/process/service_line.h"
#include "server/process/uv_service.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void assert_next(int line, enum line_word expected, int fds[LINE_FDS])
{
	enum line_word word = LINE_ALIVE;

	assert_int_equal(line_take(line, &word, fds), LINE_WORD);
	assert_int_equal(word, expected);
}

static void assert_outcome(int line, enum line_outcome expected)
{
	enum line_word word;
	int fds[LINE_FDS];

	assert_int_equal(line_take(line, &word, fds), expected);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- words --- */

static void words_arrive_in_order_and_then_the_end(void **state)
{
	struct err err = { 0 };
	int line[2], fds[LINE_FDS];

	(void)state;
	assert_ok(line_make(line, &err), &err);
	assert_outcome(line[1], LINE_EMPTY);
	assert_true(line_send(line[0], LINE_RELOAD, NULL));
	assert_true(line_send(line[0], LINE_STOP, NULL));
	assert_next(line[1], LINE_RELOAD, fds);
	assert_next(line[1], LINE_STOP, fds);
	assert_outcome(line[1], LINE_EMPTY);
	close(line[0]);
	assert_outcome(line[1], LINE_BROKEN);
	assert_false(line_send(line[1], LINE_ALIVE, NULL));
	close(line[1]);
}

static void a_port_brings_two_descriptors(void **state)
{
	struct err err = { 0 };
	int line[2], pipe_ends[2], fds[LINE_FDS];
	char byte = 0;

	(void)state;
	assert_ok(line_make(line, &err), &err);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_true(line_send(line[0], LINE_PORT, pipe_ends));
	assert_next(line[1], LINE_PORT, fds);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(pipe_ends[i]);
		close(line[i]);
	}
}

static void what_is_no_word_breaks_the_line_and_leaks_nothing(void **state)
{
	static const uint32_t wrong[] = { 0, LINE_RELOADED + 1, LINE_PORT, UINT32_MAX };
	struct err err = { 0 };
	int line[2], pipe_ends[2], before;

	(void)state;
	assert_ok(line_make(line, &err), &err);
	assert_int_equal(pipe(pipe_ends), 0);
	before = open_fds();
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(send(line[0], &wrong[i], sizeof(wrong[i]), 0), 4);
		assert_outcome(line[1], LINE_BROKEN);
	}
	assert_int_equal(send(line[0], "abcdefgh", 8, 0), 8);
	assert_outcome(line[1], LINE_BROKEN);
	assert_int_equal(send(line[0], "abc", 3, 0), 3);
	assert_outcome(line[1], LINE_BROKEN);
	assert_true(line_send(line[0], LINE_STOP, pipe_ends)); /* a word that has none */
	assert_outcome(line[1], LINE_BROKEN);
	assert_int_equal(open_fds(), before);
	for (int i = 0; i < 2; i++) {
		close(pipe_ends[i]);
		close(line[i]);
	}
}

static void a_line_that_nobody_reads_fills_up_and_never_blocks(void **state)
{
	struct err err = { 0 };
	int line[2], sent = 0;

	(void)state;
	assert_ok(line_make(line, &err), &err);
	while (sent < 100000 && line_send(line[0], LINE_ALIVE, NULL))
		sent++;
	assert_in_range(sent, 5, 99999);
	close(line[0]);
	close(line[1]);
}

/* --- a child's end --- */

struct child {
	uv_loop_t loop;
	struct service *service;
	int supervisor; /* the other end */
	int ports, reloads, stops, stops_now;
	int port[2];
};

static void on_port(void *ctx, int control, int bodies)
{
	struct child *c = ctx;

	c->ports++;
	c->port[0] = control;
	c->port[1] = bodies;
}

static void on_reload(void *ctx)
{
	struct child *c = ctx;

	c->reloads++;
}

static void on_stop(void *ctx, bool now)
{
	struct child *c = ctx;

	c->stops += !now;
	c->stops_now += now;
	if (now)
		service_close(c->service);
}

static const struct service_ops ops = { on_port, on_reload, on_stop };

/* So that nothing else gets it. */
static void take_service_fd(void)
{
	assert_int_equal(dup2(STDERR_FILENO, SERVICE_FD), SERVICE_FD);
}

static int open_child(void **state)
{
	static struct child c;
	struct err err = { 0 };
	int line[2];

	memset(&c, 0, sizeof(c));
	take_service_fd();
	assert_ok(line_make(line, &err), &err);
	c.supervisor = line[0];
	assert_int_equal(dup2(line[1], SERVICE_FD), SERVICE_FD);
	close(line[1]);
	uv_loop_init(&c.loop);
	assert_ok(service_open(&c.loop, &ops, &c, &c.service, &err), &err);
	*state = &c;
	return 0;
}

static int close_child(void **state)
{
	struct child *c = *state;

	if (c->supervisor >= 0)
		close(c->supervisor);
	assert_int_equal(uv_loop_close(&c->loop), 0);
	return 0;
}

/* Turns the loop until nothing more happens by itself. */
static void turn(struct child *c)
{
	for (int i = 0; i < 5; i++)
		uv_run(&c->loop, UV_RUN_NOWAIT);
}

static void a_child_says_that_it_is_alive_and_ready(void **state)
{
	struct child *c = *state;
	int fds[LINE_FDS];

	turn(c);
	assert_next(c->supervisor, LINE_ALIVE, fds);
	service_ready(c->service);
	assert_next(c->supervisor, LINE_READY, fds);
	usleep((SERVICE_ALIVE_MS + 50) * 1000);
	assert_outcome(c->supervisor, LINE_EMPTY); /* a loop that does not turn says nothing */
	turn(c);
	assert_next(c->supervisor, LINE_ALIVE, fds);
	service_close(c->service);
	uv_run(&c->loop, UV_RUN_DEFAULT);
}

static void the_supervisor_s_words_become_callbacks(void **state)
{
	struct child *c = *state;
	int pipe_ends[2], fds[LINE_FDS];

	assert_int_equal(pipe(pipe_ends), 0);
	turn(c);
	assert_next(c->supervisor, LINE_ALIVE, fds);
	assert_true(line_send(c->supervisor, LINE_PORT, pipe_ends));
	assert_true(line_send(c->supervisor, LINE_RELOAD, NULL));
	assert_true(line_send(c->supervisor, LINE_STOP, NULL));
	turn(c);
	assert_int_equal(c->ports, 1);
	assert_int_equal(c->reloads, 1);
	assert_int_equal(c->stops, 1);
	assert_int_equal(c->stops_now, 0);
	assert_next(c->supervisor, LINE_RELOADED, fds);
	assert_true(line_send(c->supervisor, LINE_STOP_NOW, NULL));
	uv_run(&c->loop, UV_RUN_DEFAULT); /* the callback closes it, so that this ends */
	assert_int_equal(c->stops_now, 1);
	for (int i = 0; i < 2; i++) {
		close(c->port[i]);
		close(pipe_ends[i]);
	}
}

static void a_supervisor_that_is_gone_stops_the_child_once_and_now(void **state)
{
	struct child *c = *state;

	turn(c);
	close(c->supervisor);
	c->supervisor = -1;
	uv_run(&c->loop, UV_RUN_DEFAULT);
	assert_int_equal(c->stops, 0);
	assert_int_equal(c->stops_now, 1);
}

static void without_a_line_it_is_no_command_for_people(void **state)
{
	struct err err = { 0 };
	struct service *service;
	uv_loop_t loop;

	(void)state;
	take_service_fd();
	uv_loop_init(&loop);
	assert_fails(service_open(&loop, &ops, NULL, &service, &err), &err, ERR_USAGE);
	close(SERVICE_FD);
	assert_fails(service_open(&loop, &ops, NULL, &service, &err), &err, ERR_USAGE);
	uv_loop_close(&loop);
}

RUN_TESTS(TEST(words_arrive_in_order_and_then_the_end), TEST(a_port_brings_two_descriptors),
	TEST(what_is_no_word_breaks_the_line_and_leaks_nothing),
	TEST(a_line_that_nobody_reads_fills_up_and_never_blocks),
	TEST_WITH(a_child_says_that_it_is_alive_and_ready, open_child, close_child),
	TEST_WITH(the_supervisor_s_words_become_callbacks, open_child, close_child),
	TEST_WITH(a_supervisor_that_is_gone_stops_the_child_once_and_now, open_child, close_child),
	TEST(without_a_line_it_is_no_command_for_people))
