/*
 * HTTP/1.1 over a unix socket, TCP or TLS on the event loop, by libcurl: what the engine's API
 * needs and no more. Connections are kept alive. All functions are called on the loop's thread;
 * callbacks fire there and never from inside the call that caused them.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/engine/engine_address.h"

#include <uv.h>

#define HTTP_HEADERS_MAX (16u << 10) /* bytes of an answer's header lines */
#define HTTP_ERROR_MAX (64u << 10)   /* bytes kept of the body of an answer that is no 2xx */
#define HTTP_CONNECT_SECONDS 30u     /* as docker */
#define HTTP_WHY_MAX 256u	     /* libcurl's own words for a failure */

struct http;
struct http_request;

/* The end of a request, exactly once. `status` is the answer's code and `body` what was collected;
 * with `err` there is no (whole) answer. The request may be started anew from here. */
typedef void http_done_fn(void *ctx, int status, const struct buf *body, const struct err *err);

struct http_call {
	const char *method;	  /* constant */
	const char *path;	  /* with the query, encoded; copied */
	size_t body_max;	  /* a longer collected body is ERR_LIMIT */
	unsigned seconds;	  /* for the whole request; 0: no limit */
	bool own_connection;	  /* a new connection, closed at the end: for long streams */
	const char *content_type; /* of what `source` gives; constant; NULL: a tar */

	/* Takes a 2xx body as it comes instead of collecting it (NULL: collect). False: not now;
	 * the same bytes are given again after http_resume. */
	bool (*sink)(void *ctx, const void *bytes, size_t n);

	/* Gives the body to send, chunked (NULL: none). Returns the bytes put, 0 for none yet (ask
	 * again after http_resume) or, with *ret_end, for the end. */
	size_t (*source)(void *ctx, void *to, size_t max, bool *ret_end);

	http_done_fn *done;
	void *ctx;
};

/* A request's memory is its caller's, zeroed before the first start and left alone until `done`. */
struct http_request {
	struct http *http;
	struct http_request *next, **link; /* in the list of requests under way; NULL when idle */
	void *easy;
	void *headers;
	struct http_call call;
	struct buf body;
	size_t header_bytes;
	bool canceled, broken; /* `broken`: `err` is the reason to stop */
	struct err err;
	char why[HTTP_WHY_MAX]; /* "" where libcurl has none */
};

/* The address must outlive the client. */
int http_open(uv_loop_t *loop, const struct engine_address *address, struct http **ret,
	struct err *err) MUST_CHECK;

/* Cancels all requests, and from now on every new one. */
void http_stop(struct http *h);

/* As http_stop, then closes all handles, calls `done`, frees. */
void http_close(struct http *h, void (*done)(void *ctx), void *ctx);

/* Never fails here: what goes wrong is told to `done`. */
void http_start(struct http *h, struct http_request *r, const struct http_call *call);

/* After a sink or a source said "not now". Not from inside one of them. */
void http_resume(struct http_request *r);

/* `done` fires later with ERR_INTERRUPTED; a request that is not under way is left alone. */
void http_cancel(struct http_request *r);

/* As http_cancel, with this error. */
void http_fail(struct http_request *r, enum err_code code, const char *text);

static inline bool http_under_way(const struct http_request *r)
{
	return r->link != NULL;
}
