#include "server/uv_engine_port.h"

#include "common/base/log.h"

#include <stdlib.h>
#include <string.h>

struct parcel {
	struct parcel *next;
	bool to_net;
	size_t n;
	uint8_t bytes[];
};

struct engine_port {
	uv_idle_t idle;
	engine_port_fn *net, *engine;
	void *net_ctx, *engine_ctx;
	struct parcel *first, **last;
	size_t queued; /* bytes */
	bool closed;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

static void deliver(struct engine_port *p, const struct parcel *parcel)
{
	struct port_message m;
	struct err err = { 0 };

	if (port_parse(parcel->bytes, parcel->n, &m, &err) != 0)
		log_error("engine port: %s", err.text);
	else if (parcel->to_net)
		p->net(p->net_ctx, &m);
	else
		p->engine(p->engine_ctx, &m);
}

static struct parcel *take_first(struct engine_port *p)
{
	struct parcel *parcel = p->first;

	p->first = parcel->next;
	if (!p->first)
		p->last = &p->first;
	p->queued -= parcel->n;
	return parcel;
}

/* What is queued meanwhile waits for the next turn of the loop, so that I/O gets its turn too. */
static void deliver_queued(uv_idle_t *idle)
{
	struct engine_port *p = idle->data;
	size_t turn = 0;

	for (const struct parcel *at = p->first; at; at = at->next)
		turn++;
	for (; turn > 0 && p->first && !p->closed; turn--) {
		struct parcel *parcel = take_first(p);

		deliver(p, parcel);
		free(parcel);
	}
	if (!p->first && !p->closed)
		uv_idle_stop(&p->idle);
}

static int post(struct engine_port *p, const struct port_message *m, bool to_net, struct err *err)
{
	CLEANUP(buf_done) struct buf bytes;
	struct parcel *parcel;
	size_t n;

	buf_init(&bytes, PORT_MESSAGE_MAX);
	port_put(&bytes, m);
	n = buf_len(&bytes);
	if (!buf_ok(&bytes) || n > PORT_QUEUE_MAX - p->queued)
		return err_set(err, ERR_LIMIT, "a message to the engine side is too long");
	if (p->closed)
		return err_set(err, ERR_INTERRUPTED, "the engine side is closed");
	parcel = malloc(sizeof(*parcel) + n);
	if (!parcel)
		return err_nomem(err);
	*parcel = (struct parcel){ .to_net = to_net, .n = n };
	memcpy(parcel->bytes, buf_bytes(&bytes), n);
	*p->last = parcel;
	p->last = &parcel->next;
	p->queued += n;
	uv_idle_start(&p->idle, deliver_queued);
	return 0;
}

int engine_port_send(struct engine_port *p, const struct port_message *m, struct err *err)
{
	return post(p, m, false, err);
}

int engine_port_reply(struct engine_port *p, const struct port_message *m, struct err *err)
{
	return post(p, m, true, err);
}

int engine_port_open(uv_loop_t *loop, engine_port_fn *net, void *net_ctx, engine_port_fn *engine,
	void *engine_ctx, struct engine_port **ret, struct err *err)
{
	struct engine_port *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	p->net = net;
	p->net_ctx = net_ctx;
	p->engine = engine;
	p->engine_ctx = engine_ctx;
	p->last = &p->first;
	uv_idle_init(loop, &p->idle);
	p->idle.data = p;
	*ret = p;
	return 0;
}

void *engine_port_end(struct engine_port *p)
{
	return p->engine_ctx;
}

static void idle_closed(uv_handle_t *handle)
{
	struct engine_port *p = handle->data;
	void (*done)(void *ctx) = p->on_closed;
	void *ctx = p->closed_ctx;

	while (p->first)
		free(take_first(p));
	free(p);
	if (done)
		done(ctx);
}

void engine_port_close(struct engine_port *p, void (*done)(void *ctx), void *ctx)
{
	p->closed = true;
	p->on_closed = done;
	p->closed_ctx = ctx;
	uv_close((uv_handle_t *)&p->idle, idle_closed);
}
