/*
 * The happy path: http_start hands an easy handle to the multi handle; libcurl asks for a timer and
 * for polls on its sockets; each of their events goes back into libcurl, and finished requests are
 * taken out and told to their owners. Cancelled requests, and those that could not be started, are
 * finished by the idle handle, so that no owner is called from inside its own call.
 */
#include "common/engine/uv_http.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_BUFFER (256L << 10)

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	uv_idle_t idle;
	struct http_request *requests;
	char *host;
	char *socket_path;
	unsigned open_handles;	     /* the timer, the idle handle and every poll */
	bool stopped, closing, gone; /* `gone`: the multi handle was freed */
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

/* One socket that libcurl wants watched. */
struct http_poll {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

static void finish_ready(struct http *h);

static void maybe_freed(struct http *h)
{
	void (*done)(void *ctx) = h->on_closed;
	void *ctx = h->closed_ctx;

	if (--h->open_handles > 0)
		return;
	free(h->host);
	free(h->socket_path);
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

static void timer_fired(uv_timer_t *timer)
{
	struct http *h = timer->data;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_ready(h);
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct http *h = ctx;

	(void)multi;
	if (h->gone)
		return 0;
	if (ms < 0)
		return uv_timer_stop(&h->timer) == 0 ? 0 : -1;
	return uv_timer_start(&h->timer, timer_fired, (uint64_t)ms, 0) == 0 ? 0 : -1;
}

/* --- one request --- */

static int broken(struct http_request *r, enum err_code code, const char *text)
{
	if (!r->broken)
		err_set(&r->err, code, "the engine at %s: %s", r->http->host, text);
	r->broken = true;
	return -1;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct http_request *r = ctx;

	(void)bytes;
	r->header_bytes += size * n;
	if (r->header_bytes > HTTP_HEADERS_MAX) {
		broken(r, ERR_LIMIT, "its answer's header is too long");
		return 0;
	}
	return size * n;
}

static bool is_good(struct http_request *r)
{
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct http_request *r = ctx;
	size_t len = size * n;

	if (r->canceled || r->broken)
		return 0;
	if (!is_good(r)) {
		buf_append(&r->body, bytes, min_size(len, HTTP_ERROR_MAX - buf_len(&r->body)));
		return len;
	}
	if (r->call.sink)
		return r->call.sink(r->call.ctx, bytes, len) ? len : CURL_WRITEFUNC_PAUSE;
	if (len > r->call.body_max - buf_len(&r->body)) {
		broken(r, ERR_LIMIT, "its answer is too long");
		return 0;
	}
	buf_append(&r->body, bytes, len);
	if (!buf_ok(&r->body)) {
		broken(r, ERR_NOMEM, "out of memory for its answer");
		return 0;
	}
	return len;
}

static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
	struct http_request *r = ctx;
	bool end = false;
	size_t got;

	if (r->canceled || r->broken)
		return CURL_READFUNC_ABORT;
	got = r->call.source(r->call.ctx, to, size * n, &end);
	return got == 0 && !end ? CURL_READFUNC_PAUSE : got;
}

static bool add_header(struct http_request *r, const char *line)
{
	struct curl_slist *longer = curl_slist_append(r->headers, line);

	if (longer)
		r->headers = longer;
	return longer != NULL;
}

static bool set_upload(struct http_request *r)
{
	CURL *c = r->easy;

	return add_header(r, "Expect:") && add_header(r, "Transfer-Encoding: chunked") &&
	       add_header(r, "Content-Type: application/x-tar") &&
	       curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READDATA, r) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, HTTP_BUFFER) == CURLE_OK;
}

/* A POST without a body still says that its length is 0. */
static bool set_method(struct http_request *r)
{
	CURL *c = r->easy;

	if (r->call.source)
		return set_upload(r);
	if (strcmp(r->call.method, "POST") == 0)
		return add_header(r, "Expect:") &&
		       curl_easy_setopt(c, CURLOPT_POSTFIELDS, "") == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L) == CURLE_OK;
	return curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->call.method) == CURLE_OK;
}

static bool set_url(struct http_request *r)
{
	static const char origin[] = "http://engine";
	size_t n = strlen(r->call.path) + sizeof(origin);
	CLEANUP(cleanup_free) char *url = malloc(n);

	if (!url)
		return false;
	memcpy(url, origin, sizeof(origin) - 1);
	memcpy(url + sizeof(origin) - 1, r->call.path, n - (sizeof(origin) - 1));
	return curl_easy_setopt(r->easy, CURLOPT_URL, url) == CURLE_OK;
}

static bool set_options(struct http *h, struct http_request *r)
{
	CURL *c = r->easy;
	long own = r->call.own_connection ? 1L : 0L;

	return curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, h->socket_path) == CURLE_OK &&
	       set_url(r) && curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_BUFFERSIZE, HTTP_BUFFER) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)r->call.seconds) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, own) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FORBID_REUSE, own) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PRIVATE, r) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERDATA, r) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, r) == CURLE_OK && set_method(r) &&
	       (!r->headers || curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK);
}

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

static void describe(struct http_request *r, CURLcode result, struct err *ret)
{
	long os_error = 0;

	if (result == CURLE_COULDNT_CONNECT) {
		curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_error);
		err_set(ret, ERR_UNREACHABLE,
			"cannot reach the engine at %s: %s (is dockerd running? try -H)",
			r->http->host,
			os_error ? strerror((int)os_error) : curl_easy_strerror(result));
	} else if (result == CURLE_OPERATION_TIMEDOUT) {
		err_set(ret, ERR_UNREACHABLE, "the engine at %s did not answer in %u seconds",
			r->http->host, r->call.seconds);
	} else {
		err_set(ret, ERR_UNREACHABLE, "lost the connection to the engine at %s: %s",
			r->http->host, curl_easy_strerror(result));
	}
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
	describe(r, result, &err);
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
	if (!r->easy || !set_options(h, r) ||
		curl_multi_add_handle(h->multi, r->easy) != CURLM_OK) {
		if (r->easy)
			curl_easy_cleanup(r->easy);
		r->easy = NULL;
		broken(r, ERR_NOMEM, "out of memory for a request");
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

/* Finishes what was cancelled, one at a time: an owner may cancel or start others. */
static void finish_canceled(uv_idle_t *idle)
{
	struct http *h = idle->data;
	struct http_request *r = h->requests;

	while (r) {
		if (r->canceled) {
			finish_failed(r);
			r = h->requests;
		} else {
			r = r->next;
		}
	}
	uv_idle_stop(&h->idle);
	if (h->closing && !h->gone)
		shut(h);
}

void http_cancel(struct http_request *r)
{
	if (!http_under_way(r))
		return;
	r->canceled = true;
	uv_idle_start(&r->http->idle, finish_canceled);
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
	uv_idle_start(&h->idle, finish_canceled);
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

int http_open(uv_loop_t *loop, const char *host, const char *socket_path, struct http **ret,
	struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->loop = loop;
	h->host = strdup(host);
	h->socket_path = strdup(socket_path);
	if (!h->host || !h->socket_path || !init_multi(h)) {
		if (h->multi)
			curl_multi_cleanup(h->multi);
		free(h->host);
		free(h->socket_path);
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
