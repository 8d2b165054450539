/*
 * A child's end of the line to the supervisor. Happy path: the supervisor's words become callbacks,
 * and each second in which the loop turns sends LINE_ALIVE. Failure modes: the line breaks, which
 * stops the child at once; a supervisor that does not read, which is not the child's trouble.
 */
#include "server/process/uv_service.h"

#include "server/process/service_line.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct service {
	uv_poll_t poll;
	uv_timer_t alive;
	const struct service_ops *ops;
	void *ctx;
	int open; /* handles that are not closed yet */
	bool ready, broken, closing;
};

static void on_closed(uv_handle_t *handle)
{
	struct service *s = handle->data;

	if (--s->open > 0)
		return;
	close(SERVICE_FD);
	free(s);
}

void service_close(struct service *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->alive, on_closed);
}

/* Without a supervisor nobody holds the state's lock for long, or will ever say stop. */
static void line_broke(struct service *s)
{
	if (s->broken || s->closing)
		return;
	s->broken = true;
	uv_poll_stop(&s->poll);
	uv_timer_stop(&s->alive);
	s->ops->stop(s->ctx, true);
}

/* A line that is full has signs of life for the supervisor to read; one that is broken is seen when
 * it is read. */
static void say(enum line_word word)
{
	line_send(SERVICE_FD, word, NULL);
}

static void take_word(struct service *s, enum line_word word, const int fds[LINE_FDS])
{
	switch (word) {
	case LINE_PORT:
		s->ops->port(s->ctx, fds[0], fds[1]);
		break;
	case LINE_RELOAD:
		s->ops->reload(s->ctx);
		if (!s->closing)
			say(LINE_RELOADED);
		break;
	case LINE_STOP:
		s->ops->stop(s->ctx, false);
		break;
	case LINE_STOP_NOW:
		s->ops->stop(s->ctx, true);
		break;
	case LINE_ALIVE:
	case LINE_READY:
	case LINE_RELOADED:
		line_broke(s); /* no word of a supervisor */
		break;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct service *s = poll->data;
	enum line_outcome outcome = LINE_EMPTY;

	(void)status; /* reading says it better */
	(void)events;
	do {
		enum line_word word;
		int fds[LINE_FDS];

		outcome = line_take(SERVICE_FD, &word, fds);
		if (outcome == LINE_WORD)
			take_word(s, word, fds);
		else if (outcome == LINE_BROKEN)
			line_broke(s);
	} while (outcome == LINE_WORD && !s->closing && !s->broken);
}

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
	say(LINE_ALIVE);
}

void service_ready(struct service *s)
{
	assert(!s->ready);
	s->ready = true;
	say(LINE_READY);
}

static bool is_line(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

int service_open(uv_loop_t *loop, const struct service_ops *ops, void *ctx, struct service **ret,
	struct err *err)
{
	struct service *s;
	int r;

	if (!is_line(SERVICE_FD))
		return err_set(err, ERR_USAGE,
			"this is a part of a receiver that `drayd serve` starts; run that instead");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	fcntl(SERVICE_FD, F_SETFD, FD_CLOEXEC);
	s->ops = ops;
	s->ctx = ctx;
	r = uv_poll_init(loop, &s->poll, SERVICE_FD);
	if (r != 0) {
		free(s);
		return err_set(err, ERR_FAILED, "cannot watch the line to the supervisor: %s",
			uv_strerror(r));
	}
	uv_timer_init(loop, &s->alive);
	s->poll.data = s->alive.data = s;
	s->open = 2;
	uv_poll_start(&s->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	uv_timer_start(&s->alive, on_alive, 0, SERVICE_ALIVE_MS);
	*ret = s;
	return 0;
}
