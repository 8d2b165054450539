#include "server/engine/uv_engine_port.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEEN_MAX 4096

/* A port's end and what came to it. */
struct side {
	struct engine_port *port;
	struct side *other;
	uint32_t seen[SEEN_MAX]; /* type << 24 | the first bytes of the message */
	size_t n;
	uint64_t bytes; /* of DATA */
	unsigned lost;
	struct err why;
	bool sending, answers, closes, closed;
};

/* Both ends on one loop, or one end and the bare descriptors of the other. */
struct pair {
	uv_loop_t loop;
	struct side net, engine;
	int control, bodies; /* the other end's, when there is no port at it */
};

static void answer(struct side *s, const struct port_message *m)
{
	struct port_message reply = { .type = PORT_CREDIT, .credit = { m->abort.job, 1 } };
	struct err err = { 0 };

	s->sending = true;
	assert_ok(engine_port_send(s->port, &reply, &err), &err);
	s->sending = false;
}

/* Bodies carry a counter, so that a byte that is lost or moved shows. */
static void check_data(struct side *s, const struct port_data *m)
{
	uint64_t counter;

	assert_int_equal(m->bytes.n % sizeof(counter), 0);
	for (uint32_t i = 0; i < m->bytes.n; i += 4096) {
		memcpy(&counter, m->bytes.p + i, sizeof(counter));
		assert_int_equal(counter, s->bytes + i);
	}
	s->bytes += m->bytes.n;
}

static void on_closed(void *ctx)
{
	struct side *s = ctx;

	s->closed = true;
}

static void on_message(void *ctx, const struct port_message *m)
{
	struct side *s = ctx;
	struct port_message credit = { .type = PORT_CREDIT };
	struct err err = { 0 };

	assert_false(s->sending);
	assert_true(s->n < SEEN_MAX);
	s->seen[s->n++] = (uint32_t)m->type << 24 | m->credit.job;
	if (m->type == PORT_DATA && s->other) {
		check_data(s, &m->data);
		credit.credit.bytes = m->data.bytes.n;
		assert_ok(engine_port_send(s->port, &credit, &err), &err);
	}
	if (s->answers)
		answer(s, m);
	if (s->closes)
		engine_port_close(s->port, on_closed, s);
}

static void on_lost(void *ctx, const struct err *why)
{
	struct side *s = ctx;

	assert_false(s->sending);
	s->lost++;
	s->why = *why;
}

static void make_port(struct pair *p, struct side *s, enum engine_port_end end)
{
	static const struct engine_port_ops ops = { .message = on_message, .lost = on_lost };
	struct err err = { 0 };

	assert_ok(engine_port_new(&p->loop, end, &ops, s, &s->port, &err), &err);
}

static struct pair *pair_new(void)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	signal(SIGPIPE, SIG_IGN); /* as program_run does */
	uv_loop_init(&p->loop);
	p->control = p->bodies = -1;
	return p;
}

static void make_ends(int control[2], int bodies[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
	assert_int_equal(pipe2(bodies, O_CLOEXEC), 0);
}

static void join(struct pair *p)
{
	int control[2], bodies[2];

	make_ends(control, bodies);
	engine_port_attach(p->net.port, control[0], bodies[1]);
	engine_port_attach(p->engine.port, control[1], bodies[0]);
}

static struct pair *two_ports(void)
{
	struct pair *p = pair_new();

	make_port(p, &p->net, PORT_END_NET);
	make_port(p, &p->engine, PORT_END_ENGINE);
	p->net.other = &p->engine;
	p->engine.other = &p->net;
	join(p);
	return p;
}

/* Only one port; the test writes what the other one would. */
static void attach_alone(struct pair *p, struct side *s, enum engine_port_end end)
{
	int control[2], bodies[2];

	make_ends(control, bodies);
	engine_port_attach(s->port, control[0], bodies[end == PORT_END_NET]);
	p->control = control[1];
	p->bodies = bodies[end != PORT_END_NET];
}

static struct pair *one_port(enum engine_port_end end)
{
	struct pair *p = pair_new();
	struct side *s = end == PORT_END_NET ? &p->net : &p->engine;

	make_port(p, s, end);
	attach_alone(p, s, end);
	return p;
}

static void close_bare(struct pair *p)
{
	if (p->control >= 0)
		close(p->control);
	if (p->bodies >= 0)
		close(p->bodies);
	p->control = p->bodies = -1;
}

static void run(struct pair *p)
{
	for (int i = 0; i < 200; i++)
		uv_run(&p->loop, UV_RUN_NOWAIT);
}

static void pair_free(struct pair *p)
{
	struct side *sides[] = { &p->net, &p->engine };

	for (size_t i = 0; i < ARRAY_LEN(sides); i++)
		if (sides[i]->port && !sides[i]->closed)
			engine_port_close(sides[i]->port, on_closed, sides[i]);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	close_bare(p);
	assert_int_equal(uv_loop_close(&p->loop), 0);
	free(p);
}

static void send_job(struct side *s, enum port_type type, uint32_t job)
{
	struct port_message m = { .type = type, .abort = { job } };
	struct err err = { 0 };

	s->sending = true;
	assert_ok(engine_port_send(s->port, &m, &err), &err);
	s->sending = false;
}

static void write_framed(int fd, const struct port_message *m, size_t step, struct pair *p)
{
	CLEANUP(buf_done) struct buf b;
	size_t n;

	buf_init(&b, PORT_MESSAGE_MAX + PORT_LENGTH_BYTES);
	port_put_framed(&b, m);
	assert_true(buf_ok(&b));
	while (buf_len(&b) > 0) {
		n = min_size(step, buf_len(&b));
		assert_int_equal(write(fd, buf_bytes(&b), n), n);
		buf_consume(&b, n);
		uv_run(&p->loop, UV_RUN_NOWAIT);
	}
}

/* --- going well --- */

static void messages_arrive_in_order_and_only_from_the_loop(void **state)
{
	struct pair *p = two_ports();

	(void)state;
	p->engine.answers = true;
	for (uint32_t i = 0; i < 500; i++)
		send_job(&p->net, i % 2 ? PORT_ABORT : PORT_COMMIT, i);
	assert_int_equal(p->engine.n, 0);
	run(p);
	assert_int_equal(p->engine.n, 500);
	assert_int_equal(p->net.n, 500);
	for (size_t i = 0, odd = 1, even = 0; i < 500; i++) {
		size_t *expected = p->engine.seen[i] >> 24 == PORT_ABORT ? &odd : &even;

		assert_int_equal(p->engine.seen[i] & 0xffffff, *expected);
		*expected += 2;
	}
	pair_free(p);
}

static void a_message_in_single_bytes_arrives_once(void **state)
{
	struct pair *p = one_port(PORT_END_ENGINE);
	struct port_message m = { .type = PORT_ABORT, .abort = { 7 } };

	(void)state;
	write_framed(p->control, &m, 1, p);
	m = (struct port_message){ .type = PORT_MEMBER, .member = { 8, 1, 2 } };
	write_framed(p->bodies, &m, 1, p);
	run(p);
	assert_int_equal(p->engine.n, 2);
	assert_int_equal(p->engine.seen[0], (uint32_t)PORT_ABORT << 24 | 7);
	assert_int_equal(p->engine.seen[1], (uint32_t)PORT_MEMBER << 24 | 8);
	assert_int_equal(p->engine.lost, 0);
	pair_free(p);
}

/* An ABORT does not stand behind bodies that the engine side has not read yet. */
static void an_abort_overtakes_bodies(void **state)
{
	static uint8_t bytes[PORT_DATA_MAX];
	struct pair *p = two_ports();
	struct port_message m = { .type = PORT_DATA, .data = { 1, { bytes, sizeof(bytes) } } };
	struct err err = { 0 };
	size_t at = 0;

	(void)state;
	p->engine.other = NULL;
	for (int i = 0; i < 160; i++)
		assert_ok(engine_port_send(p->net.port, &m, &err), &err);
	send_job(&p->net, PORT_ABORT, 1);
	run(p);
	assert_int_equal(p->engine.n, 161);
	while (p->engine.seen[at] >> 24 != PORT_ABORT)
		at++;
	assert_in_range(at, 0, 120);
	pair_free(p);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define WHOLE (64u << 20)
#define CREDIT (1u << 20)

/* Sends with credit, as a load does, and says how fast that was. */
static void sixty_four_mebibytes_arrive_whole_with_credit(void **state)
{
	static uint8_t bytes[PORT_DATA_MAX];
	struct pair *p = two_ports();
	uint64_t sent = 0, began = now_ns(), ns;
	struct err err = { 0 };

	(void)state;
	while (p->engine.bytes < WHOLE) {
		while (sent < WHOLE && sent + PORT_DATA_MAX <= p->engine.bytes + CREDIT) {
			struct port_message m = { .type = PORT_DATA,
				.data = { 0, { bytes, sizeof(bytes) } } };

			for (uint64_t i = 0; i < sizeof(bytes); i += 4096) {
				uint64_t counter = sent + i;

				memcpy(bytes + i, &counter, sizeof(counter));
			}
			assert_ok(engine_port_send(p->net.port, &m, &err), &err);
			sent += sizeof(bytes);
		}
		uv_run(&p->loop, UV_RUN_ONCE);
	}
	ns = now_ns() - began;
	print_message("# %u MiB through the port: %.0f MB/s\n", WHOLE >> 20,
		(double)WHOLE * 1e3 / (double)ns);
	run(p);
	assert_int_equal(p->engine.n, WHOLE / PORT_DATA_MAX);
	assert_int_equal(p->net.n, WHOLE / PORT_DATA_MAX);
	pair_free(p);
}

/* --- going wrong --- */

static void without_ends_a_send_says_that_it_can_be_done_again(void **state)
{
	struct pair *p = pair_new();
	struct port_message m = { .type = PORT_ABORT };
	struct err err = { 0 };

	(void)state;
	make_port(p, &p->net, PORT_END_NET);
	assert_fails(engine_port_send(p->net.port, &m, &err), &err, ERR_AGAIN);
	assert_non_null(strstr(err.text, "engine process is being restarted"));
	run(p);
	assert_int_equal(p->net.lost, 0);
	pair_free(p);
}

static void an_end_that_goes_away_is_lost_once(void **state)
{
	struct pair *p = two_ports();
	struct port_message m = { .type = PORT_COMMIT };
	struct err err = { 0 };

	(void)state;
	engine_port_close(p->engine.port, on_closed, &p->engine);
	run(p);
	assert_true(p->engine.closed);
	assert_int_equal(p->engine.lost, 0);
	assert_int_equal(p->net.lost, 1);
	assert_int_equal(p->net.why.code, ERR_AGAIN);
	assert_string_equal(p->net.why.text, "the engine process is gone");
	assert_fails(engine_port_send(p->net.port, &m, &err), &err, ERR_AGAIN);
	run(p);
	assert_int_equal(p->net.lost, 1);
	pair_free(p);
}

/* What was said before the end is heard before the loss. */
static void replies_before_the_end_are_delivered(void **state)
{
	struct pair *p = two_ports();

	(void)state;
	send_job(&p->engine, PORT_CREDIT, 5);
	engine_port_close(p->engine.port, on_closed, &p->engine);
	run(p);
	assert_int_equal(p->net.n, 1);
	assert_int_equal(p->net.lost, 1);
	pair_free(p);
}

static void a_write_error_is_told_from_the_loop(void **state)
{
	struct pair *p = one_port(PORT_END_NET);
	struct port_message m = { .type = PORT_COMMIT };
	struct err err = { 0 };

	(void)state;
	close_bare(p);
	p->net.sending = true;
	assert_fails(engine_port_send(p->net.port, &m, &err), &err, ERR_AGAIN);
	p->net.sending = false;
	assert_int_equal(p->net.lost, 0);
	run(p);
	assert_int_equal(p->net.lost, 1);
	pair_free(p);
}

static void new_ends_carry_nothing_of_the_old(void **state)
{
	struct pair *p = one_port(PORT_END_ENGINE);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct port_message m = { .type = PORT_ABORT, .abort = { i } };

		assert_int_equal(write(p->control, "\5\0\0", 3), 3); /* a part of a message */
		run(p);
		close_bare(p);
		run(p);
		assert_int_equal(p->engine.lost, 2 * i + 1);
		attach_alone(p, &p->engine, PORT_END_ENGINE);
		write_framed(p->control, &m, 100, p);
		run(p);
		assert_int_equal(p->engine.n, i + 1);
		close_bare(p);
		run(p);
		assert_int_equal(p->engine.lost, 2 * i + 2);
		attach_alone(p, &p->engine, PORT_END_ENGINE);
	}
	pair_free(p);
}

static void an_attach_over_ends_that_live_loses_these_first(void **state)
{
	struct pair *p = two_ports();

	(void)state;
	send_job(&p->net, PORT_ABORT, 1);
	join(p);
	assert_int_equal(p->net.lost, 1);
	assert_int_equal(p->engine.lost, 1);
	send_job(&p->net, PORT_ABORT, 2);
	run(p);
	assert_int_equal(p->engine.n, 1);
	assert_int_equal(p->engine.seen[0], (uint32_t)PORT_ABORT << 24 | 2);
	assert_int_equal(p->net.lost, 1);
	assert_int_equal(p->engine.lost, 1);
	pair_free(p);
}

static void descriptors_that_are_none_are_a_loss(void **state)
{
	struct pair *p = pair_new();
	int fds[2];

	(void)state;
	make_port(p, &p->net, PORT_END_NET);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	close(fds[1]);
	engine_port_attach(p->net.port, fds[0], fds[1]);
	run(p);
	assert_int_equal(p->net.lost, 1);
	attach_alone(p, &p->net, PORT_END_NET);
	send_job(&p->net, PORT_ABORT, 1);
	run(p);
	assert_int_equal(p->net.lost, 1);
	pair_free(p);
}

/* --- breaking the rules --- */

static void write_bytes(int fd, const void *bytes, size_t n)
{
	assert_int_equal(write(fd, bytes, n), n);
}

static void expect_broken(struct pair *p, struct side *s)
{
	run(p);
	assert_int_equal(s->n, 0);
	assert_int_equal(s->lost, 1);
	assert_non_null(strstr(s->why.text, "sent what it may not"));
	pair_free(p);
}

static void garbage_breaks_the_port(void **state)
{
	static const struct {
		size_t n;
		uint8_t bytes[9];
	} garbage[] = {
		{ 4, { 0, 0, 0, 0 } },			      /* no message is empty */
		{ 4, { 1, 0, 6, 0 } },			      /* one byte over the limit */
		{ 4, { 255, 255, 255, 255 } },		      /* */
		{ 9, { 5, 0, 0, 0, 99, 0, 0, 0, 0 } },	      /* an unknown type */
		{ 9, { 5, 0, 0, 0, PORT_HAVE, 1, 1, 1, 1 } }, /* cut */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		for (int bodies = 0; bodies < 2; bodies++) {
			struct pair *p = one_port(PORT_END_ENGINE);

			write_bytes(
				bodies ? p->bodies : p->control, garbage[i].bytes, garbage[i].n);
			expect_broken(p, &p->engine);
		}
	}
}

static void a_message_in_the_wrong_place_breaks_the_port(void **state)
{
	static const struct {
		enum engine_port_end at;
		bool bodies;
		enum port_type type;
	} wrong[] = {
		{ PORT_END_ENGINE, false, PORT_COMMIT },
		{ PORT_END_ENGINE, false, PORT_DATA },
		{ PORT_END_ENGINE, false, PORT_MEMBER },
		{ PORT_END_ENGINE, false, PORT_CREDIT },
		{ PORT_END_ENGINE, false, PORT_LOADED },
		{ PORT_END_ENGINE, true, PORT_ABORT },
		{ PORT_END_ENGINE, true, PORT_OPEN },
		{ PORT_END_ENGINE, true, PORT_FAILED },
		{ PORT_END_NET, false, PORT_HAVE },
		{ PORT_END_NET, false, PORT_ABORT },
		{ PORT_END_NET, false, PORT_COMMIT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct pair *p = one_port(wrong[i].at);
		struct port_message m = { .type = wrong[i].type };

		write_framed(wrong[i].bodies ? p->bodies : p->control, &m, 4096, p);
		expect_broken(p, wrong[i].at == PORT_END_NET ? &p->net : &p->engine);
	}
}

static void an_end_that_reads_nothing_does_not_fill_the_memory(void **state)
{
	static uint8_t bytes[PORT_DATA_MAX];
	struct pair *p = one_port(PORT_END_NET);
	struct port_message m = { .type = PORT_DATA, .data = { 1, { bytes, sizeof(bytes) } } };
	struct err err = { 0 };
	size_t sent = 0;

	(void)state;
	p->net.sending = true;
	while (engine_port_send(p->net.port, &m, &err) == 0)
		sent += sizeof(bytes);
	p->net.sending = false;
	assert_int_equal(err.code, ERR_AGAIN);
	assert_in_range(sent, PORT_QUEUE_MAX - (4u << 20), PORT_QUEUE_MAX + (4u << 20));
	run(p);
	assert_int_equal(p->net.lost, 1);
	pair_free(p);
}

static void a_message_over_the_limit_is_not_sent(void **state)
{
	static uint8_t bytes[PORT_MESSAGE_MAX];
	struct pair *p = two_ports();
	struct port_message m = { .type = PORT_DATA, .data = { 1, { bytes, sizeof(bytes) } } };
	struct err err = { 0 };

	(void)state;
	assert_fails(engine_port_send(p->net.port, &m, &err), &err, ERR_LIMIT);
	send_job(&p->net, PORT_COMMIT, 1);
	run(p);
	assert_int_equal(p->engine.n, 1);
	pair_free(p);
}

/* --- closing --- */

static void a_close_drops_what_is_queued(void **state)
{
	struct pair *p = two_ports();
	struct port_message m = { .type = PORT_COMMIT };
	struct err err = { 0 };

	(void)state;
	send_job(&p->engine, PORT_CREDIT, 1);
	engine_port_close(p->net.port, on_closed, &p->net);
	assert_fails(engine_port_send(p->net.port, &m, &err), &err, ERR_INTERRUPTED);
	run(p);
	assert_true(p->net.closed);
	assert_int_equal(p->net.n, 0);
	assert_int_equal(p->net.lost, 0);
	pair_free(p);
}

static void a_port_may_be_closed_from_its_message(void **state)
{
	struct pair *p = two_ports();

	(void)state;
	p->engine.closes = true;
	for (uint32_t i = 0; i < 10; i++)
		send_job(&p->net, PORT_ABORT, i);
	run(p);
	assert_int_equal(p->engine.n, 1);
	assert_true(p->engine.closed);
	pair_free(p);
}

RUN_TESTS(TEST(messages_arrive_in_order_and_only_from_the_loop),
	TEST(a_message_in_single_bytes_arrives_once), TEST(an_abort_overtakes_bodies),
	TEST(sixty_four_mebibytes_arrive_whole_with_credit),
	TEST(without_ends_a_send_says_that_it_can_be_done_again),
	TEST(an_end_that_goes_away_is_lost_once), TEST(replies_before_the_end_are_delivered),
	TEST(a_write_error_is_told_from_the_loop), TEST(new_ends_carry_nothing_of_the_old),
	TEST(an_attach_over_ends_that_live_loses_these_first),
	TEST(descriptors_that_are_none_are_a_loss), TEST(garbage_breaks_the_port),
	TEST(a_message_in_the_wrong_place_breaks_the_port),
	TEST(an_end_that_reads_nothing_does_not_fill_the_memory),
	TEST(a_message_over_the_limit_is_not_sent), TEST(a_close_drops_what_is_queued),
	TEST(a_port_may_be_closed_from_its_message))
