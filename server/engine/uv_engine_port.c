/*
 * Owns the two descriptors of the port from attach to their loss. Happy path: send -> encoded once
 * into `out` -> written as far as the descriptor takes it, the rest is queued -> read into a buffer
 * at the other end -> parsed in place and delivered. Failure modes: an end of file, a write that
 * fails, a queue that nobody empties, a message that is malformed or not one that belongs here: the
 * ends are dropped as a whole, which is told from the loop, and the port waits for new ones.
 */
#include "server/engine/uv_engine_port.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INBOX_SIZE (512u << 10) /* libuv reads a bounded number of these in one turn */
#define PIPE_SIZE (1 << 20)	/* what an unprivileged process may have; less is only slower */

struct inbox {
	uint8_t *bytes;
	size_t n;
};

/* What one attach brought. Outlives its port's interest in it until both handles are closed. */
struct ends {
	uv_pipe_t control, bodies;
	struct inbox from_control, from_bodies;
	struct engine_port *port; /* NULL: dropped */
	unsigned open;		  /* handles */
};

struct engine_port {
	uv_idle_t idle; /* tells of a loss */
	enum engine_port_end end;
	struct engine_port_ops ops;
	void *ctx;
	struct ends *ends; /* NULL: detached */
	struct buf out;	   /* the message being sent, with its length */
	struct err why;	   /* of the loss */
	bool lost, closed;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

struct queued {
	uv_write_t request;
	uint8_t bytes[];
};

static const char *other_end(const struct engine_port *p)
{
	return p->end == PORT_END_NET ? "the engine process" : "the network process";
}

/* --- losing the ends --- */

static void end_closed(uv_handle_t *handle)
{
	struct ends *e = handle->data;

	if (--e->open > 0)
		return;
	free(e->from_control.bytes);
	free(e->from_bodies.bytes);
	free(e);
}

static void drop_ends(struct engine_port *p)
{
	struct ends *e = p->ends;

	p->ends = NULL;
	e->port = NULL;
	uv_close((uv_handle_t *)&e->control, end_closed);
	uv_close((uv_handle_t *)&e->bodies, end_closed);
}

static void tell_lost(struct engine_port *p)
{
	p->lost = false;
	uv_idle_stop(&p->idle);
	p->ops.lost(p->ctx, &p->why);
}

static void on_idle(uv_idle_t *idle)
{
	tell_lost(idle->data);
}

/* `why` was filled in. */
static void lose(struct engine_port *p)
{
	drop_ends(p);
	p->lost = true;
	uv_idle_start(&p->idle, on_idle);
}

static void lose_by_fault(struct engine_port *p, int status)
{
	if (status == UV_EOF || status == UV_EPIPE || status == UV_ECONNRESET)
		err_set(&p->why, ERR_AGAIN, "%s is gone", other_end(p));
	else
		err_set(&p->why, ERR_AGAIN, "the line to %s: %s", other_end(p),
			uv_strerror(status));
	lose(p);
}

/* --- receiving --- */

static void offer_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct ends *e = handle->data;
	struct inbox *in = handle == (uv_handle_t *)&e->control ? &e->from_control
								: &e->from_bodies;

	(void)suggested;
	*ret = uv_buf_init((char *)in->bytes + in->n, (unsigned)(INBOX_SIZE - in->n));
}

/* As port_next, and the message is one that comes this way. */
static int next_message(const struct engine_port *p, bool bodies, const uint8_t *bytes, size_t n,
	struct port_message *ret, size_t *ret_used, struct err *err)
{
	if (port_next(bytes, n, ret, ret_used, err) != 0)
		return -1;
	if (*ret_used && (port_is_reply(ret->type) != (p->end == PORT_END_NET) ||
				 port_is_body(ret->type) != bodies))
		return err_set(
			err, ERR_PROTOCOL, "a message of type %d in a wrong place", (int)ret->type);
	return 0;
}

/* Any message may make its receiver drop or close the port. */
static void take_messages(struct ends *e, struct inbox *in)
{
	size_t at = 0, used;
	struct port_message m;
	struct err err;

	for (;;) {
		if (next_message(e->port, in == &e->from_bodies, in->bytes + at, in->n - at, &m,
			    &used, &err) != 0) {
			err_set(&e->port->why, ERR_AGAIN, "%s sent what it may not: %s",
				other_end(e->port), err.text);
			lose(e->port);
			return;
		}
		if (used == 0)
			break;
		at += used;
		e->port->ops.message(e->port->ctx, &m);
		if (!e->port)
			return;
	}
	in->n -= at;
	if (at > 0)
		memmove(in->bytes, in->bytes + at, in->n);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ends *e = stream->data;
	struct inbox *in = stream == (uv_stream_t *)&e->control ? &e->from_control
								: &e->from_bodies;

	(void)buf;
	if (!e->port || n == 0)
		return;
	if (n < 0) {
		lose_by_fault(e->port, (int)n);
		return;
	}
	in->n += (size_t)n;
	take_messages(e, in);
}

/* --- sending --- */

static int not_sent(const struct engine_port *p, struct err *err)
{
	if (p->end == PORT_END_NET)
		return err_set(err, ERR_AGAIN,
			"the receiver's engine process is being restarted; what was stored is "
			"kept, the same push goes on");
	return err_set(err, ERR_AGAIN, "the network process is gone");
}

static void written(uv_write_t *request, int status)
{
	struct ends *e = request->data;

	free(CONTAINER_OF(request, struct queued, request));
	if (status < 0 && e->port)
		lose_by_fault(e->port, status);
}

/* Queues what the descriptor did not take. */
static int queue_rest(struct ends *e, uv_stream_t *to, const uint8_t *bytes, size_t n)
{
	struct queued *q = malloc(sizeof(*q) + n);
	uv_buf_t buf;
	int r;

	if (!q)
		return UV_ENOMEM;
	memcpy(q->bytes, bytes, n);
	q->request.data = e;
	buf = uv_buf_init((char *)q->bytes, (unsigned)n);
	r = uv_write(&q->request, to, &buf, 1, written);
	if (r != 0)
		free(q);
	return r;
}

static int write_out(struct ends *e, uv_stream_t *to, uint8_t *bytes, size_t n)
{
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)n);
	int r = uv_try_write(to, &buf, 1);

	if (r == UV_EAGAIN)
		r = 0;
	if (r < 0)
		return r;
	return (size_t)r < n ? queue_rest(e, to, bytes + r, n - (size_t)r) : 0;
}

int engine_port_send(struct engine_port *p, const struct port_message *m, struct err *err)
{
	struct ends *e = p->ends;
	size_t n;
	int r;

	assert(port_is_reply(m->type) == (p->end == PORT_END_ENGINE));
	if (p->closed)
		return err_set(err, ERR_INTERRUPTED, "the engine port is closed");
	if (!e)
		return not_sent(p, err);
	buf_clear(&p->out);
	port_put_framed(&p->out, m);
	if (!buf_ok(&p->out))
		return err_set(err, ERR_LIMIT, "a message to %s is too long", other_end(p));
	n = buf_len(&p->out);
	if (n > PORT_QUEUE_MAX - uv_stream_get_write_queue_size((uv_stream_t *)&e->control) -
			uv_stream_get_write_queue_size((uv_stream_t *)&e->bodies)) {
		err_set(&p->why, ERR_AGAIN, "%s takes nothing any more", other_end(p));
		lose(p);
		return not_sent(p, err);
	}
	r = write_out(e, (uv_stream_t *)(port_is_body(m->type) ? &e->bodies : &e->control),
		buf_bytes(&p->out), n);
	if (r == 0)
		return 0;
	lose_by_fault(p, r);
	return not_sent(p, err);
}

/* --- the port --- */

int engine_port_new(uv_loop_t *loop, enum engine_port_end end, const struct engine_port_ops *ops,
	void *ctx, struct engine_port **ret, struct err *err)
{
	struct engine_port *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	p->end = end;
	p->ops = *ops;
	p->ctx = ctx;
	buf_init(&p->out, PORT_LENGTH_BYTES + PORT_MESSAGE_MAX);
	uv_idle_init(loop, &p->idle);
	p->idle.data = p;
	*ret = p;
	return 0;
}

/* A descriptor that libuv does not take stays ours to close. */
static int open_end(struct ends *e, uv_pipe_t *pipe, int fd)
{
	int r = uv_pipe_open(pipe, fd);

	pipe->data = e;
	if (r != 0)
		close(fd);
	return r;
}

static int open_ends(struct ends *e, enum engine_port_end end, int control, int bodies)
{
	int r = open_end(e, &e->control, control), also = open_end(e, &e->bodies, bodies);

	if (r == 0)
		r = also;
	if (r == 0)
		r = uv_read_start((uv_stream_t *)&e->control, offer_room, on_read);
	if (r == 0 && end == PORT_END_ENGINE)
		r = uv_read_start((uv_stream_t *)&e->bodies, offer_room, on_read);
	if (r == 0 && end == PORT_END_NET)
		(void)fcntl(bodies, F_SETPIPE_SZ, PIPE_SIZE);
	return r;
}

static struct ends *new_ends(struct engine_port *p)
{
	struct ends *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->from_control.bytes = malloc(INBOX_SIZE);
	e->from_bodies.bytes = malloc(INBOX_SIZE);
	if (!e->from_control.bytes || !e->from_bodies.bytes) {
		free(e->from_control.bytes);
		free(e->from_bodies.bytes);
		free(e);
		return NULL;
	}
	uv_pipe_init(p->idle.loop, &e->control, 0);
	uv_pipe_init(p->idle.loop, &e->bodies, 0);
	e->open = 2;
	e->port = p;
	return e;
}

void engine_port_attach(struct engine_port *p, int control, int bodies)
{
	int r;

	if (p->ends) {
		err_set(&p->why, ERR_AGAIN, "%s was started anew", other_end(p));
		lose(p);
	}
	if (p->lost)
		tell_lost(p);
	if (p->closed || !(p->ends = new_ends(p))) {
		close(control);
		close(bodies);
		if (p->closed)
			return;
		err_nomem(&p->why);
		p->lost = true;
		uv_idle_start(&p->idle, on_idle);
		return;
	}
	r = open_ends(p->ends, p->end, control, bodies);
	if (r != 0)
		lose_by_fault(p, r);
}

static void idle_closed(uv_handle_t *handle)
{
	struct engine_port *p = handle->data;
	void (*done)(void *ctx) = p->on_closed;
	void *ctx = p->closed_ctx;

	buf_done(&p->out);
	free(p);
	if (done)
		done(ctx);
}

void engine_port_close(struct engine_port *p, void (*done)(void *ctx), void *ctx)
{
	p->closed = true;
	p->on_closed = done;
	p->closed_ctx = ctx;
	if (p->ends)
		drop_ends(p);
	uv_close((uv_handle_t *)&p->idle, idle_closed);
}
