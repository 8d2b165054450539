/* Inside of uv_http: the client, and how a request is put together. */
#pragma once

#include "common/engine/uv_http.h"

#include <curl/curl.h>

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	uv_idle_t idle;
	struct http_request *requests;
	const struct engine_address *address;
	unsigned open_handles;	     /* the timer, the idle handle and every poll */
	bool due;		     /* libcurl asked to be run at once */
	bool stopped, closing, gone; /* `gone`: the multi handle was freed */
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

/* Sets r->easy up for r->call; false when out of memory. */
bool http_request_prepare(struct http_request *r) MUST_CHECK;

/* The first reason to stop, with the engine's address; returns -1. */
int http_request_broken(struct http_request *r, enum err_code code, const char *text);

/* The error for a transfer that failed. */
void http_request_describe(struct http_request *r, CURLcode result, struct err *ret);
