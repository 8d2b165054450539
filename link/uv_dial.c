/*
 * Owns one look-up and, per address, one TCP handle and the timer. Happy path: look-up, connect,
 * the socket is duplicated for the caller, handles closed, told. Failure modes: no such host, no
 * answer about it, every address refused or silent: the last one's reason is told.
 */
#include "link/uv_dial.h"

#include "link/uv_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct uv_dial {
	uv_loop_t *loop;
	struct uv_lookup *lookup; /* NULL when it is over */
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	struct addrinfo *addresses, *at;
	uv_dial_fn *fn;
	void *ctx;
	char where[300];
	int fd, handles;
	bool cancelled, timed_out;
	struct err err;
};

static void try_address(struct uv_dial *d);

static void finish(struct uv_dial *d)
{
	if (d->cancelled && d->fd >= 0) {
		close(d->fd);
		d->fd = -1;
	}
	if (d->cancelled)
		err_set(&d->err, ERR_INTERRUPTED, "connecting to %s was stopped", d->where);
	if (d->addresses)
		freeaddrinfo(d->addresses);
	d->fn(d->ctx, d->fd, d->fd >= 0 ? NULL : &d->err);
	free(d);
}

/* The handles of an attempt are closed: the next address, or the end. */
static void on_attempt_closed(uv_handle_t *handle)
{
	struct uv_dial *d = handle->data;

	if (--d->handles > 0)
		return;
	if (d->fd < 0 && !d->cancelled)
		d->at = d->at->ai_next;
	if (d->fd < 0 && !d->cancelled && d->at)
		try_address(d);
	else
		finish(d);
}

static void end_attempt(struct uv_dial *d)
{
	if (!uv_is_closing((uv_handle_t *)&d->tcp)) {
		uv_close((uv_handle_t *)&d->tcp, on_attempt_closed);
		uv_close((uv_handle_t *)&d->timer, on_attempt_closed);
	}
}

static void failed(struct uv_dial *d, int r)
{
	err_set(&d->err, ERR_UNREACHABLE, "cannot connect to %s: %s", d->where, uv_strerror(r));
	end_attempt(d);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct uv_dial *d = req->data;
	uv_os_fd_t fd;

	if (d->timed_out || d->cancelled)
		return;
	if (status == 0)
		status = uv_fileno((uv_handle_t *)&d->tcp, &fd);
	if (status == 0) {
		d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		status = d->fd < 0 ? -errno : 0;
	}
	if (status < 0)
		failed(d, status);
	else
		end_attempt(d);
}

static void on_timeout(uv_timer_t *timer)
{
	struct uv_dial *d = timer->data;

	d->timed_out = true;
	failed(d, UV_ETIMEDOUT);
}

static void try_address(struct uv_dial *d)
{
	int r;

	uv_tcp_init(d->loop, &d->tcp);
	uv_timer_init(d->loop, &d->timer);
	d->tcp.data = d->timer.data = d->connect.data = d;
	d->handles = 2;
	d->timed_out = false;
	uv_timer_start(&d->timer, on_timeout, DIAL_ATTEMPT_MS, 0);
	r = uv_tcp_connect(&d->connect, &d->tcp, d->at->ai_addr, on_connected);
	if (r != 0)
		failed(d, r);
}

static void on_looked_up(void *ctx, int code, const char *why, struct addrinfo *found)
{
	struct uv_dial *d = ctx;
	bool unknown = code == EAI_NONAME || code == EAI_NODATA;

	d->lookup = NULL;
	d->addresses = d->at = found;
	if (code == 0) {
		try_address(d);
		return;
	}
	err_set(&d->err, unknown ? ERR_NOT_FOUND : ERR_UNREACHABLE,
		"cannot find the address of %s: %s", d->where, why);
	finish(d);
}

int uv_dial_start(uv_loop_t *loop, const char *host, uint16_t port, uv_dial_fn *fn, void *ctx,
	struct uv_dial **ret, struct err *err)
{
	struct uv_dial *d = calloc(1, sizeof(*d));

	if (!d)
		return err_nomem(err);
	*d = (struct uv_dial){ .loop = loop, .fn = fn, .ctx = ctx, .fd = -1 };
	if (strchr(host, ':'))
		snprintf(d->where, sizeof(d->where), "[%s]:%u", host, port);
	else
		snprintf(d->where, sizeof(d->where), "%s:%u", host, port);
	if (uv_lookup_start(loop, host, port, on_looked_up, d, &d->lookup, err) != 0) {
		free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

void uv_dial_cancel(struct uv_dial *d)
{
	if (d->cancelled)
		return;
	d->cancelled = true;
	if (!d->lookup) {
		end_attempt(d);
		return;
	}
	uv_lookup_cancel(d->lookup);
	/* Nothing but a handle's end comes back from the loop. */
	uv_timer_init(d->loop, &d->timer);
	d->timer.data = d;
	d->handles = 1;
	uv_close((uv_handle_t *)&d->timer, on_attempt_closed);
}
