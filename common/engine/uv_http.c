/*
 * The happy path: http_start hands an easy handle to the multi handle; libcurl asks for a timer and
 * for polls on its sockets; each of their events goes back into libcurl, and finished requests are
 * taken out and told to their owners. Cancelled requests, and those that could not be started, are
 * finished by the idle handle, so that no owner is called from inside its own call. It also runs
 * what libcurl wants run at once: a timer of 0 ms set from a timer runs before any I/O, and a chain
 * of quick requests would keep everything else waiting.
 */
#include "common/engine/uv_http_request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One socket that libcurl wants watched. */
struct http_poll {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

static void finish_ready(struct http *h);
static void on_idle(uv_idle_t *idle);

static void maybe_freed(struct http *h)
{
	void (*done)(void *ctx) = h->on_closed;
	void *ctx = h->closed_ctx;

	if (--h->open_handles > 0)
		return;
	free(h);
	if (done)
		done(ctx);
}

static void handle_closed(uv_handle_t *handle)
{
	maybe_freed(handle->data);
}

static void poll_closed(uv_handle_t *handle)
{
	struct http_poll *p = handle->data;
	struct http *h = p->http;

	free(p);
	maybe_freed(h);
}

/* --- what libcurl asks of the loop --- */

static void poll_ready(uv_poll_t *poll, int status, int events)
{
	struct http_poll *p = poll->data;
	struct http *h = p->http;
	int flags = 0, running;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(h->multi, p->fd, flags, &running);
	finish_ready(h);
}

static struct http_poll *watch(struct http *h, curl_socket_t fd)
{
	struct http_poll *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->http = h;
	p->fd = fd;
	p->poll.data = p;
	if (uv_poll_init_socket(h->loop, &p->poll, fd) != 0) {
		free(p);
		return NULL;
	}
	h->open_handles++;
	curl_multi_assign(h->multi, fd, p);
	return p;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct http *h = ctx;
	struct http_poll *p = socket_ctx;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (!p)
			return 0;
		uv_poll_stop(&p->poll);
		if (!h->gone)
			curl_multi_assign(h->multi, fd, NULL);
		uv_close((uv_handle_t *)&p->poll, poll_closed);
		return 0;
	}
	if (!p && !(p = watch(h, fd)))
		return -1;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&p->poll, events, poll_ready) == 0 ? 0 : -1;
}

static void time_is_up(struct http *h)
{
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_ready(h);
}

static void timer_fired(uv_timer_t *timer)
{
	time_is_up(timer->data);
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct http *h = ctx;

	(void)multi;
	if (h->gone)
		return 0;
	h->due = ms == 0;
	if (h->due)
		uv_idle_start(&h->idle, on_idle);
	if (ms <= 0)
		return uv_timer_stop(&h->timer) == 0 ? 0 : -1;
	return uv_timer_start(&h->timer, timer_fired, (uint64_t)ms, 0) == 0 ? 0 : -1;
}

/* --- ends of requests --- */

/* Tells the owner; its request is idle again before it is called. */
static void finish(struct http_request *r, int status, const struct err *err)
{
	struct http_call call = r->call;
	struct buf body = r->body;

	if (r->easy) {
		curl_multi_remove_handle(r->http->multi, r->easy);
		curl_easy_cleanup(r->easy);
	}
	curl_slist_free_all(r->headers);
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	*r = (struct http_request){ 0 };
	call.done(call.ctx, status, &body, err);
	buf_done(&body);
}

static void finish_failed(struct http_request *r)
{
	struct err err = r->err;

	if (!r->broken)
		err_set(&err, ERR_INTERRUPTED, "interrupted");
	finish(r, 0, &err);
}

static void finish_one(struct http_request *r, CURLcode result)
{
	struct err err = { 0 };
	long status = 0;

	if (r->canceled || r->broken) {
		finish_failed(r);
		return;
	}
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_OK) {
		finish(r, (int)status, NULL);
		return;
	}
	http_request_describe(r, result, &err);
	finish(r, (int)status, &err);
}

static void finish_ready(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		char *private = NULL;
		CURLcode result = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		finish_one((struct http_request *)(void *)private, result);
	}
}

void http_start(struct http *h, struct http_request *r, const struct http_call *call)
{
	assert(!http_under_way(r));
	*r = (struct http_request){ .http = h, .call = *call };
	buf_init(&r->body, call->body_max > HTTP_ERROR_MAX ? call->body_max : HTTP_ERROR_MAX);
	r->next = h->requests;
	r->link = &h->requests;
	if (r->next)
		r->next->link = &r->next;
	h->requests = r;
	if (h->stopped) {
		http_cancel(r);
		return;
	}
	r->easy = curl_easy_init();
	if (!r->easy || !http_request_prepare(r) ||
		curl_multi_add_handle(h->multi, r->easy) != CURLM_OK) {
		if (r->easy)
			curl_easy_cleanup(r->easy);
		r->easy = NULL;
		http_request_broken(r, ERR_NOMEM, "out of memory for a request");
		http_cancel(r);
	}
	r->call.path = NULL;
}

void http_resume(struct http_request *r)
{
	if (http_under_way(r) && r->easy && !r->canceled)
		curl_easy_pause(r->easy, CURLPAUSE_CONT);
}

/* --- the client --- */

static void shut(struct http *h)
{
	h->gone = true;
	curl_multi_cleanup(h->multi);
	uv_close((uv_handle_t *)&h->timer, handle_closed);
	uv_close((uv_handle_t *)&h->idle, handle_closed);
}

/* One at a time: an owner may cancel or start others. */
static void finish_canceled(struct http *h)
{
	struct http_request *r = h->requests;

	while (r) {
		if (r->canceled) {
			finish_failed(r);
			r = h->requests;
		} else {
			r = r->next;
		}
	}
}

static void on_idle(uv_idle_t *idle)
{
	struct http *h = idle->data;

	uv_idle_stop(&h->idle);
	finish_canceled(h);
	if (h->due) {
		h->due = false;
		time_is_up(h);
	}
	if (h->closing && !h->requests)
		shut(h);
	else if (h->closing)
		uv_idle_start(&h->idle, on_idle);
}

void http_cancel(struct http_request *r)
{
	if (!http_under_way(r))
		return;
	r->canceled = true;
	uv_idle_start(&r->http->idle, on_idle);
}

void http_fail(struct http_request *r, enum err_code code, const char *text)
{
	if (!http_under_way(r))
		return;
	if (!r->broken)
		err_set(&r->err, code, "%s", text);
	r->broken = true;
	http_cancel(r);
}

void http_stop(struct http *h)
{
	h->stopped = true;
	for (struct http_request *r = h->requests; r; r = r->next)
		http_cancel(r);
}

void http_close(struct http *h, void (*done)(void *ctx), void *ctx)
{
	assert(!h->closing);
	http_stop(h);
	h->closing = true;
	h->on_closed = done;
	h->closed_ctx = ctx;
	uv_idle_start(&h->idle, on_idle);
}

static bool init_multi(struct http *h)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	h->multi = curl_multi_init();
	return h->multi &&
	       curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
	       curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK;
}

int http_open(
	uv_loop_t *loop, const struct engine_address *address, struct http **ret, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->loop = loop;
	h->address = address;
	if (!init_multi(h)) {
		if (h->multi)
			curl_multi_cleanup(h->multi);
		free(h);
		return err_nomem(err);
	}
	/* Neither of these can fail. */
	uv_timer_init(loop, &h->timer);
	uv_idle_init(loop, &h->idle);
	h->timer.data = h->idle.data = h;
	h->open_handles = 2;
	*ret = h;
	return 0;
}
