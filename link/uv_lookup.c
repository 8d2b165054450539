/*
 * Owns a handle to wake the loop; what the thread works on is a question that both know. Happy
 * path: thread asks -> wakes the loop -> handle closed -> told. A look-up that was given up leaves
 * its question to the thread, which throws it away with the answer.
 */
#include "link/uv_lookup.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
	pthread_mutex_t lock;
	struct uv_lookup *asker; /* NULL: given up */
	bool answered;
	char *host;
	char port[8];
	int code, errnum;
	struct addrinfo *found;
};

struct uv_lookup {
	uv_async_t wake;
	struct question *question; /* NULL: given up */
	uv_lookup_fn *fn;
	void *ctx;
};

static void question_free(struct question *q)
{
	pthread_mutex_destroy(&q->lock);
	if (q->found)
		freeaddrinfo(q->found);
	free(q->host);
	free(q);
}

/* --- the thread --- */

static void *look_up(void *arg)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct question *q = arg;
	struct addrinfo *found = NULL;
	int code = getaddrinfo(q->host, q->port, &hints, &found), errnum = errno;
	bool given_up;

	pthread_mutex_lock(&q->lock);
	q->found = found;
	q->code = code;
	q->errnum = errnum;
	q->answered = true;
	given_up = !q->asker;
	if (!given_up)
		uv_async_send(&q->asker->wake);
	pthread_mutex_unlock(&q->lock);
	if (given_up)
		question_free(q);
	return NULL;
}

static int start_thread(struct question *q)
{
	pthread_t thread;
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
	r = pthread_create(&thread, &attr, look_up, q);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

/* --- the loop --- */

static void on_closed(uv_handle_t *handle)
{
	struct uv_lookup *l = handle->data;
	struct question *q = l->question;
	struct addrinfo *found;

	if (q) {
		found = q->found;
		q->found = NULL;
		l->fn(l->ctx, q->code,
			q->code == EAI_SYSTEM ? strerror(q->errnum) : gai_strerror(q->code), found);
		question_free(q);
	}
	free(l);
}

static void on_wake(uv_async_t *wake)
{
	struct question *q = ((struct uv_lookup *)wake->data)->question;

	/* The thread is done with the handle, and with the question, once it lets go. */
	pthread_mutex_lock(&q->lock);
	pthread_mutex_unlock(&q->lock);
	uv_close((uv_handle_t *)wake, on_closed);
}

static struct question *question_new(const char *host, uint16_t port)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	q->host = strdup(host);
	snprintf(q->port, sizeof(q->port), "%u", port);
	if (q->host)
		return q;
	question_free(q);
	return NULL;
}

int uv_lookup_start(uv_loop_t *loop, const char *host, uint16_t port, uv_lookup_fn *fn, void *ctx,
	struct uv_lookup **ret, struct err *err)
{
	struct uv_lookup *l = calloc(1, sizeof(*l));
	struct question *q = l ? question_new(host, port) : NULL;
	int r;

	if (!q) {
		free(l);
		return err_nomem(err);
	}
	l->fn = fn;
	l->ctx = ctx;
	r = uv_async_init(loop, &l->wake, on_wake);
	if (r != 0) {
		question_free(q);
		free(l);
		return err_errno(err, -r, "cannot wake the event loop");
	}
	l->wake.data = l;
	q->asker = l;
	r = start_thread(q);
	if (r != 0) {
		question_free(q);
		uv_close((uv_handle_t *)&l->wake, on_closed);
		return err_errno(err, r, "cannot start a thread");
	}
	l->question = q;
	*ret = l;
	return 0;
}

void uv_lookup_cancel(struct uv_lookup *l)
{
	struct question *q = l->question;
	bool answered;

	if (!q)
		return;
	l->question = NULL;
	pthread_mutex_lock(&q->lock);
	q->asker = NULL;
	answered = q->answered;
	pthread_mutex_unlock(&q->lock);
	if (answered)
		question_free(q);
	if (!uv_is_closing((uv_handle_t *)&l->wake))
		uv_close((uv_handle_t *)&l->wake, on_closed);
}
