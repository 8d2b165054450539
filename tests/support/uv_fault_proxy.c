/*
 * A TCP proxy that breaks the connections it forwards: cut, reset, stalled, delayed, at bytes drawn
 * from a seed, on a link as slow and as long as asked. Says each fault in a line on stdout:
 *
 *   fault connection=3 direction=up byte=17733 kind=cut up=17733 down=880 ms=312
 *   end connection=4 up=9031231 down=2214 ms=1201
 *
 * Happy path of a direction: bytes are read into blocks, each due when the latency has passed;
 * pump() writes the due ones piece by piece, one write at a time, at the link's rate, up to the
 * byte of the next fault. Failure modes: nobody listens at the target, or an end resets: the other
 * end is reset, too.
 */
#include "common/base/options.h"
#include "tests/support/fault_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define BLOCK_SIZE 65536u
#define HELD_MAX (1u << 20)  /* bytes of a direction that are on their way */
#define SLOW_HELD_MAX 16384u /* on a slow link: what is held there delays all that follows */
#define PIECES_PER_SECOND 50u
#define PIECE_MIN 512u
#define CONN_HANDLES 4 /* two sockets, two timers */

struct proxy {
	uv_loop_t loop;
	uv_tcp_t listener;
	uv_signal_t signals[2];
	struct sockaddr_in to;
	struct fault_plan plan;
	struct option_list given; /* faults of the first connections, instead of drawn ones */
	uint64_t faults_left;
	uint64_t rate, latency_ms, stall_ms, delay_ms;
	uint64_t connections;
};

struct block {
	struct block *next;
	uint64_t due_ms;
	size_t len, done;
	char bytes[];
};

struct conn;

struct flow {
	struct conn *conn;
	enum fault_direction direction;
	uv_tcp_t *from, *to;
	struct block *first, **last;
	size_t held;
	size_t piece;	 /* bytes being written; 0: none */
	uint64_t passed; /* bytes written */
	double ready_ms; /* when the link takes the next piece */
	bool reading, ended, shutting, shut;
	uv_timer_t timer;
	uv_write_t write;
	uv_shutdown_t shutdown;
};

struct conn {
	struct proxy *proxy;
	uint64_t number, began_ms;
	uv_tcp_t ends[2]; /* the client's and the target's */
	struct flow flows[FAULT_DIRECTIONS];
	struct fault fault; /* the next one */
	uint64_t n_faults;
	uv_connect_t connect;
	bool stalled, closing;
	int handles;
};

static void pump(struct flow *f);
static void read_more(struct flow *f);

/* for (EACH_FLOW(c, f)) */
#define EACH_FLOW(c, f)                                                                            \
	struct flow *f = (c)->flows;                                                               \
	f < (c)->flows + FAULT_DIRECTIONS;                                                         \
	f++

/* --- the end of a connection --- */

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	if (--c->handles > 0)
		return;
	for (EACH_FLOW(c, f)) {
		while (f->first) {
			struct block *b = f->first;

			f->first = b->next;
			free(b);
		}
	}
	free(c);
}

static void close_conn(struct conn *c, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (c->closing)
		return;
	c->closing = true;
	for (int i = 0; i < 2; i++) {
		if (reset && uv_fileno((uv_handle_t *)&c->ends[i], &fd) == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		uv_close((uv_handle_t *)&c->ends[i], on_closed);
		uv_close((uv_handle_t *)&c->flows[i].timer, on_closed);
	}
}

static void tell(const struct conn *c, const char *event)
{
	printf("%s up=%" PRIu64 " down=%" PRIu64 " ms=%" PRIu64 "\n", event,
		c->flows[FAULT_UP].passed, c->flows[FAULT_DOWN].passed,
		uv_now(&c->proxy->loop) - c->began_ms);
	fflush(stdout);
}

/* Ended by one of its ends. */
static void end_conn(struct conn *c, bool reset)
{
	char event[64];

	if (c->closing)
		return;
	snprintf(event, sizeof(event), "end connection=%" PRIu64, c->number);
	tell(c, event);
	close_conn(c, reset);
}

/* --- faults --- */

static void plan_fault(struct conn *c)
{
	struct proxy *p = c->proxy;
	struct err err;

	c->fault = (struct fault){ .kind = FAULT_NONE };
	if (c->number >= p->given.n)
		c->fault = fault_draw(&p->plan, c->number, c->n_faults);
	else if (c->n_faults == 0 && fault_parse(p->given.items[c->number], &c->fault, &err) != 0)
		abort(); /* was read before, to check it */
}

static void on_stall_over(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	c->stalled = false;
	for (EACH_FLOW(c, f)) {
		read_more(f);
		pump(f);
	}
}

static void stall(struct conn *c)
{
	c->stalled = true;
	for (EACH_FLOW(c, f)) {
		uv_read_stop((uv_stream_t *)f->from);
		f->reading = false;
		uv_timer_stop(&f->timer);
	}
	if (c->proxy->stall_ms > 0)
		uv_timer_start(&c->flows[0].timer, on_stall_over, c->proxy->stall_ms, 0);
}

static void strike(struct flow *f)
{
	struct conn *c = f->conn;
	struct fault fault = c->fault;
	char event[128];

	snprintf(event, sizeof(event),
		"fault connection=%" PRIu64 " direction=%s byte=%" PRIu64 " kind=%s", c->number,
		fault_direction_name(fault.direction), fault.byte, fault_kind_name(fault.kind));
	tell(c, event);
	c->n_faults++;
	plan_fault(c);
	if (fault.kind == FAULT_DELAY)
		f->ready_ms = (double)(uv_now(&c->proxy->loop) + c->proxy->delay_ms);
	else if (fault.kind == FAULT_STALL)
		stall(c);
	else
		close_conn(c, fault.kind == FAULT_RESET);
}

/* Counts the fault that is due here, or drops it when there were enough. */
static bool fault_is_due(struct flow *f)
{
	struct conn *c = f->conn;
	struct proxy *p = c->proxy;

	if (c->fault.kind == FAULT_NONE || c->fault.direction != f->direction ||
		f->passed < c->fault.byte)
		return false;
	if (c->number < p->given.n)
		return true;
	if (p->faults_left == 0) {
		c->fault.kind = FAULT_NONE;
		return false;
	}
	p->faults_left--;
	return true;
}

/* --- forwarding --- */

static void on_timer(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	pump(timer == &c->flows[FAULT_UP].timer ? &c->flows[FAULT_UP] : &c->flows[FAULT_DOWN]);
}

static void on_shut(uv_shutdown_t *req, int status)
{
	struct flow *f = req->data;
	struct conn *c = f->conn;

	f->shut = true;
	if (status != 0 || (c->flows[FAULT_UP].shut && c->flows[FAULT_DOWN].shut))
		end_conn(c, status != 0);
}

static void on_written(uv_write_t *req, int status)
{
	struct flow *f = req->data;
	struct block *b = f->first;

	if (f->conn->closing)
		return;
	if (status != 0) {
		end_conn(f->conn, true);
		return;
	}
	f->passed += f->piece;
	f->held -= f->piece;
	b->done += f->piece;
	f->piece = 0;
	if (b->done == b->len) {
		f->first = b->next;
		if (!f->first)
			f->last = &f->first;
		free(b);
	}
	read_more(f);
	pump(f);
}

/* What may be written at once: not beyond the next fault. */
static size_t piece_len(const struct flow *f)
{
	const struct conn *c = f->conn;
	const struct block *b = f->first;
	size_t n = b->len - b->done;

	if (c->proxy->rate > 0)
		n = min_size(n, (size_t)(c->proxy->rate / PIECES_PER_SECOND) + PIECE_MIN);
	if (c->fault.kind != FAULT_NONE && c->fault.direction == f->direction)
		n = (size_t)min_u64(n, c->fault.byte - f->passed);
	return n;
}

static void write_piece(struct flow *f, double now)
{
	struct block *b = f->first;
	uint64_t rate = f->conn->proxy->rate;
	uv_buf_t buf;

	f->piece = piece_len(f);
	if (rate > 0)
		f->ready_ms = (now > f->ready_ms + 1000.0 / PIECES_PER_SECOND ? now : f->ready_ms) +
			      (double)f->piece * 1000 / (double)rate;
	buf = uv_buf_init(b->bytes + b->done, (unsigned)f->piece);
	f->write.data = f;
	if (uv_write(&f->write, (uv_stream_t *)f->to, &buf, 1, on_written) != 0)
		end_conn(f->conn, true);
}

/* The sender has ended and everything of its has passed. */
static void shut(struct flow *f)
{
	f->shutdown.data = f;
	f->shutting = true;
	if (uv_shutdown(&f->shutdown, (uv_stream_t *)f->to, on_shut) != 0)
		end_conn(f->conn, true);
}

static void pump(struct flow *f)
{
	struct conn *c = f->conn;
	double now = (double)uv_now(&c->proxy->loop), due;

	if (c->closing || c->stalled || f->piece > 0)
		return;
	if (fault_is_due(f)) {
		strike(f);
		pump(f);
		return;
	}
	if (!f->first) {
		if (f->ended && !f->shutting)
			shut(f);
		return;
	}
	due = (double)f->first->due_ms > f->ready_ms ? (double)f->first->due_ms : f->ready_ms;
	if (due > now)
		uv_timer_start(&f->timer, on_timer, (uint64_t)(due - now) + 1, 0);
	else
		write_piece(f, now);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct block *b = malloc(sizeof(*b) + BLOCK_SIZE);

	(void)handle;
	(void)suggested;
	if (!b)
		abort();
	*buf = uv_buf_init(b->bytes, BLOCK_SIZE);
}

static size_t held_max(const struct flow *f)
{
	return f->conn->proxy->rate > 0 ? SLOW_HELD_MAX : HELD_MAX;
}

static void on_read(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = from->data;
	struct flow *f = from == (uv_stream_t *)c->flows[FAULT_UP].from ? &c->flows[FAULT_UP]
									: &c->flows[FAULT_DOWN];
	struct block *b = buf->base ? CONTAINER_OF(buf->base, struct block, bytes) : NULL;

	if (n <= 0) {
		free(b);
		if (n == UV_EOF) {
			f->ended = true;
			pump(f);
		} else if (n < 0) {
			end_conn(c, true);
		}
		return;
	}
	b->next = NULL;
	b->due_ms = uv_now(&c->proxy->loop) + c->proxy->latency_ms;
	b->len = (size_t)n;
	b->done = 0;
	*f->last = b;
	f->last = &b->next;
	f->held += b->len;
	if (f->held >= held_max(f)) {
		uv_read_stop(from);
		f->reading = false;
	}
	pump(f);
}

static void read_more(struct flow *f)
{
	if (f->reading || f->ended || f->conn->stalled || f->conn->closing ||
		f->held >= held_max(f))
		return;
	f->reading = uv_read_start((uv_stream_t *)f->from, on_alloc, on_read) == 0;
	if (!f->reading)
		end_conn(f->conn, true);
}

/* --- new connections --- */

static void on_connected(uv_connect_t *req, int status)
{
	struct conn *c = req->data;

	if (c->closing)
		return;
	if (status != 0) {
		end_conn(c, true);
		return;
	}
	for (int i = 0; i < 2; i++) {
		uv_tcp_nodelay(&c->ends[i], 1);
		if (c->proxy->rate > 0) {
			int small = SLOW_HELD_MAX;

			/* The kernel's own buffers would hold seconds. */
			uv_recv_buffer_size((uv_handle_t *)&c->ends[i], &small);
		}
	}
	for (EACH_FLOW(c, f)) {
		read_more(f);
		pump(f);
	}
}

static struct conn *new_conn(struct proxy *p)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->proxy = p;
	c->number = p->connections++;
	c->began_ms = uv_now(&p->loop);
	c->handles = CONN_HANDLES;
	for (int i = 0; i < 2; i++) {
		struct flow *f = &c->flows[i];

		uv_tcp_init(&p->loop, &c->ends[i]);
		uv_timer_init(&p->loop, &f->timer);
		c->ends[i].data = f->timer.data = c;
		f->conn = c;
		f->direction = (enum fault_direction)i;
		f->from = &c->ends[i];
		f->to = &c->ends[1 - i];
		f->last = &f->first;
	}
	plan_fault(c);
	return c;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct proxy *p = listener->data;
	struct conn *c;

	if (status != 0)
		return;
	c = new_conn(p);
	c->connect.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->ends[0]) != 0 ||
		uv_tcp_connect(&c->connect, &c->ends[1], (const struct sockaddr *)&p->to,
			on_connected) != 0)
		end_conn(c, true);
}

/* --- the program --- */

static void on_signal(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

/* Port 0 is any free one. */
static int read_address(const char *s, struct sockaddr_in *ret, struct err *err)
{
	char host[16];
	const char *colon = strrchr(s, ':');
	char *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 65536;

	if (colon && (size_t)(colon - s) < sizeof(host) && end > colon + 1 && *end == '\0' &&
		port <= 65535) {
		memcpy(host, s, (size_t)(colon - s));
		host[colon - s] = '\0';
		if (uv_ip4_addr(host, (int)port, ret) == 0)
			return 0;
	}
	return err_set(err, ERR_USAGE, "'%s' is no address; write it as 127.0.0.1:7747", s);
}

static int listen_at(struct proxy *p, const struct sockaddr_in *at, struct err *err)
{
	struct sockaddr_in bound;
	int len = sizeof(bound), r;

	uv_tcp_init(&p->loop, &p->listener);
	p->listener.data = p;
	r = uv_tcp_bind(&p->listener, (const struct sockaddr *)at, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&p->listener, 128, on_connection);
	if (r == 0)
		r = uv_tcp_getsockname(&p->listener, (struct sockaddr *)&bound, &len);
	if (r != 0)
		return err_set(err, ERR_IO, "cannot listen: %s", uv_strerror(r));
	printf("listening port=%u seed=%" PRIu64 "\n", ntohs(bound.sin_port), p->plan.seed);
	fflush(stdout);
	return 0;
}

/* Until SIGTERM or SIGINT; connections end with the process. */
static int run(struct proxy *p, const struct sockaddr_in *at, struct err *err)
{
	static const int wanted[] = { SIGTERM, SIGINT };

	if (uv_loop_init(&p->loop) != 0)
		return err_set(err, ERR_FAILED, "cannot make a loop");
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		uv_signal_init(&p->loop, &p->signals[i]);
		uv_signal_start(&p->signals[i], on_signal, wanted[i]);
	}
	if (listen_at(p, at, err) != 0)
		return -1;
	uv_run(&p->loop, UV_RUN_DEFAULT);
	return 0;
}

static const char about[] =
	"Forwards TCP connections and breaks them at bytes drawn from a seed.\n"
	"A connection from --listen to --to is counted from 0; \"up\" is away from\n"
	"the side that connected. Says every fault and end on stdout.\n";

int main(int argc, char **argv)
{
	static struct proxy p = { .plan.early = 50, .delay_ms = 200 };
	const char *listen = "127.0.0.1:0", *to = NULL, *kinds = "cut,reset,stall,delay";
	uint64_t early = 50;
	const struct option_row rows[] = {
		{ "listen", 0, OPTION_TEXT, &listen, "ADDR:PORT", "default: any free port" },
		{ "to", 0, OPTION_TEXT, &to, "ADDR:PORT", "where the connections go" },
		{ "seed", 0, OPTION_SIZE, &p.plan.seed, "N", "the same one means the same faults" },
		{ "faults", 0, OPTION_SIZE, &p.faults_left, "N", "strike so often (default: 0)" },
		{ "kinds", 0, OPTION_TEXT, &kinds, "LIST", "of cut, reset, stall, delay" },
		{ "up", 0, OPTION_SIZE, &p.plan.span[FAULT_UP], "BYTES",
			"faults among the first BYTES up (default: none)" },
		{ "down", 0, OPTION_SIZE, &p.plan.span[FAULT_DOWN], "BYTES", "and down" },
		{ "early", 0, OPTION_SIZE, &early, "PERCENT",
			"so many of them gather at the start (default: 50)" },
		{ "at", 0, OPTION_LIST, &p.given, "FAULT",
			"\"up:1000:cut\": of the first, second... connection, not drawn" },
		{ "stall-ms", 0, OPTION_SIZE, &p.stall_ms, "N",
			"a stall's length (default: for good)" },
		{ "delay-ms", 0, OPTION_SIZE, &p.delay_ms, "N", "a delay's length (default: 200)" },
		{ "rate", 0, OPTION_SIZE, &p.rate, "BYTES", "a second, in each direction" },
		{ "latency-ms", 0, OPTION_SIZE, &p.latency_ms, "N", "in each direction" },
		{ 0 },
	};
	struct sockaddr_in at;
	struct fault ignored;
	struct err err;
	bool help = false;
	int n;

	signal(SIGPIPE, SIG_IGN);
	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		goto usage;
	if (help) {
		printf("Usage: fault_proxy --to ADDR:PORT\n%s\n", about);
		options_print(rows);
		return 0;
	}
	p.plan.early = (unsigned)min_u64(early, 100);
	if (n != 0 || !to) {
		err_set(&err, ERR_USAGE, "use fault_proxy --to ADDR:PORT (--help says more)");
		goto usage;
	}
	if (fault_parse_kinds(kinds, p.plan.kinds, &err) != 0 ||
		read_address(listen, &at, &err) != 0 || read_address(to, &p.to, &err) != 0)
		goto usage;
	for (size_t i = 0; i < p.given.n; i++)
		if (fault_parse(p.given.items[i], &ignored, &err) != 0)
			goto usage;
	if (run(&p, &at, &err) == 0)
		return 0;
usage:
	fprintf(stderr, "fault_proxy: %s\n", err.text);
	return err_exit_code(&err);
}
