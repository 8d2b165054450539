/*
 * Owns one TCP handle, one timer, one write request and one session. Happy path: (look-up,
 * connect,) read -> feed -> messages; send -> peek -> write -> sent. `uv_conn_pump` is the only
 * place that starts a write, that starts and stops reading and that arms the timer. Failure modes:
 * look-up, connect, read, write and session errors and passed deadlines all end in uv_conn_close;
 * the first reason is told in `closed` when the last handle is gone.
 */
#include "link/uv_conn_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GOODBYE_MS 2000u /* how long to wait for the peer's FIN */

/* --- closing --- */

static void conn_free(struct uv_conn *c)
{
	const struct err *why = c->why.code == ERR_NONE ? NULL : &c->why;

	if (c->ops.closed)
		c->ops.closed(c->ctx, why);
	session_free(c->session);
	free(c->in);
	free(c->out);
	free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct uv_conn *c = handle->data;

	if (--c->handles == 0)
		conn_free(c);
}

void uv_conn_close(struct uv_conn *c, const struct err *why)
{
	if (c->closing)
		return;
	c->closing = true;
	if (why)
		c->why = *why;
	if (c->rate)
		uv_rate_leave(c->rate, &c->waiter);
	uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void close_uv(struct uv_conn *c, int r, const char *doing)
{
	struct err err;

	err_set(&err, ERR_UNREACHABLE, "%s %s: %s", doing, c->where, uv_strerror(r));
	uv_conn_close(c, &err);
}

/* --- reading --- */

/* Takes messages out while the owner wants them. Returns how many. */
static size_t deliver(struct uv_conn *c)
{
	struct message m;
	struct err err = { 0 };
	bool some = true;
	size_t n = 0;

	while (!c->closing && !c->paused && some) {
		if (session_next(c->session, &m, &some, &err) != 0)
			uv_conn_close(c, &err);
		else if (some && c->ops.message(c->ctx, &m, &err) != 0)
			uv_conn_close(c, &err);
		n += some;
	}
	return n;
}

/* Moves what was read into the session as far as it takes it, delivering in between. */
static void digest_input(struct uv_conn *c)
{
	struct err err = { 0 };
	size_t taken, delivered;

	do {
		taken = 0;
		if (session_feed(c->session, c->in + c->in_at, c->in_left, &taken, &err) != 0) {
			uv_conn_close(c, &err);
			return;
		}
		c->in_at += taken;
		c->in_left -= taken;
		if (session_ready(c->session) && !c->told_ready) {
			c->told_ready = true;
			if (c->ops.ready)
				c->ops.ready(c->ctx);
		}
		delivered = deliver(c);
	} while (!c->closing && c->in_left > 0 && taken + delivered > 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct uv_conn *c = handle->data;

	(void)suggested;
	assert(c->in_left == 0);
	c->in_at = 0;
	*ret = uv_buf_init((char *)c->in, READ_CHUNK);
}

static void peer_closed(struct uv_conn *c, ssize_t n)
{
	struct err err = { 0 };

	if (n == UV_EOF || n == UV_ECONNRESET) {
		bool refused = session_eof(c->session, &err) != 0;

		uv_conn_close(c, refused ? &err : NULL);
	} else {
		close_uv(c, (int)n, "reading from");
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct uv_conn *c = stream->data;

	(void)buf;
	if (c->closing || n == 0)
		return;
	if (n < 0) {
		peer_closed(c, n);
		return;
	}
	c->in_left = (size_t)n;
	digest_input(c);
	uv_conn_pump(c);
}

/* --- writing --- */

/* A write failed. The peer may have said why before it closed: while reading goes on, that is read
 * first. */
static void write_failed(struct uv_conn *c, int r)
{
	c->deaf = true;
	if (!c->reading)
		close_uv(c, r, "writing to");
}

static void on_written(uv_write_t *req, int status)
{
	struct uv_conn *c = req->data;

	c->writing = false;
	if (c->closing)
		return;
	if (status < 0)
		write_failed(c, status);
	else
		uv_conn_pump(c);
}

/* Of `n` bytes, how many may be written now. */
static size_t allowed(struct uv_conn *c, size_t n)
{
	n = min_size(n, 1u << 30);
	return c->rate ? uv_rate_take(c->rate, &c->waiter, n) : n;
}

static void on_rate(struct uv_rate_waiter *w)
{
	uv_conn_pump(CONTAINER_OF(w, struct uv_conn, waiter));
}

/* Hands the kernel what it takes at once, and the rest of what is there, copied, to one uv_write.
 */
static void start_write(struct uv_conn *c)
{
	const uint8_t *bytes;
	bool moved = false;
	size_t n;

	while (!c->writing && !c->deaf && (n = session_peek(c->session, &bytes)) > 0) {
		size_t most = allowed(c, n);
		uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)most);
		int r;

		if (most == 0)
			break;
		r = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
		if (r == UV_EAGAIN) {
			n = min_size(most, OUT_CHUNK);
			memcpy(c->out, bytes, n);
			buf = uv_buf_init((char *)c->out, (unsigned)n);
			r = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
			c->writing = r == 0;
			r = r == 0 ? (int)n : r;
		}
		if (c->rate)
			uv_rate_give(c->rate, most - (size_t)(r < 0 ? 0 : r));
		if (r < 0) {
			write_failed(c, r);
			return;
		}
		session_sent(c->session, (size_t)r);
		moved = true;
	}
	c->room_grew = c->room_grew || moved;
}

static void on_deadline(uv_timer_t *timer)
{
	struct uv_conn *c = timer->data;
	struct err err = { 0 };
	uint64_t now = uv_now(c->tcp.loop);

	if (c->resuming) {
		c->resuming = false;
		digest_input(c);
	} else if (c->goodbye_at && now >= c->goodbye_at)
		uv_conn_close(c, NULL);
	else if (session_tick(c->session, now, &err) != 0)
		uv_conn_close(c, &err);
	uv_conn_pump(c);
}

static void arm_timer(struct uv_conn *c)
{
	uint64_t at = session_deadline(c->session), now = uv_now(c->tcp.loop);

	if (c->goodbye_at)
		at = min_u64(at, c->goodbye_at);
	if (c->resuming)
		at = now;
	if (at == UINT64_MAX)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_deadline, at > now ? at - now : 0, 0);
}

static void set_reading(struct uv_conn *c, bool want)
{
	if (want == c->reading)
		return;
	c->reading = want;
	if (want)
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->tcp);
}

void uv_conn_pump(struct uv_conn *c)
{
	if (c->closing || !c->connected)
		return;
	start_write(c);
	if (c->closing)
		return;
	set_reading(c, c->in_left == 0 && !c->paused && session_wants_input(c->session));
	arm_timer(c);
	if (session_peer_finished(c->session))
		uv_conn_finish(c); /* goodbye is answered with goodbye */
	if (c->closing)
		return;
	if (c->goodbye_at && !c->writing &&
		(session_peer_finished(c->session) || (c->leaving && uv_conn_backlog(c) == 0))) {
		uv_conn_close(c, NULL);
		return;
	}
	if (c->room_grew && c->told_ready && c->ops.room && !c->in_room) {
		c->room_grew = false;
		c->in_room = true;
		c->ops.room(c->ctx);
		c->in_room = false;
	}
}

/* --- the owner's side --- */

void uv_conn_join(struct uv_conn *c, const struct lane_key *lane)
{
	struct err err;

	if (c->closing)
		return;
	if (session_join(c->session, lane, &err) != 0)
		uv_conn_close(c, &err);
	c->resuming = true;
	uv_conn_pump(c);
}

int uv_conn_send(struct uv_conn *c, const struct message *m, struct err *err)
{
	if (c->closing || !c->connected)
		return err_set(err, ERR_UNREACHABLE, "the connection to %s is closed", c->where);
	if (session_send(c->session, m, err) != 0)
		return -1;
	uv_conn_pump(c);
	return 0;
}

size_t uv_conn_room(const struct uv_conn *c)
{
	return c->closing || !c->connected ? 0 : session_room(c->session);
}

size_t uv_conn_backlog(const struct uv_conn *c)
{
	const uint8_t *bytes;

	return c->closing || !c->connected ? 0 : session_peek(c->session, &bytes);
}

void uv_conn_limit(struct uv_conn *c, struct uv_rate *rate)
{
	c->rate = rate;
	c->waiter.fn = on_rate;
}

int uv_conn_fd(const struct uv_conn *c)
{
	uv_os_fd_t fd;

	return uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 ? fd : -1;
}

void uv_conn_pause(struct uv_conn *c)
{
	c->paused = true;
	session_hold(c->session, true);
	uv_conn_pump(c);
}

void uv_conn_resume(struct uv_conn *c)
{
	if (!c->paused || c->closing)
		return;
	c->paused = false;
	session_hold(c->session, false);
	c->resuming = true;
	arm_timer(c);
}

void uv_conn_finish(struct uv_conn *c)
{
	struct err err = { 0 };

	if (c->closing || c->goodbye_at)
		return;
	if (!c->connected || session_finish(c->session, &err) != 0) {
		uv_conn_close(c, NULL);
		return;
	}
	c->goodbye_at = uv_now(c->tcp.loop) + GOODBYE_MS;
	uv_conn_pump(c);
}

void uv_conn_leave(struct uv_conn *c)
{
	c->leaving = true;
	uv_conn_finish(c);
}

struct session *uv_conn_session(struct uv_conn *c)
{
	return c->session;
}
