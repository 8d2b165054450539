/* One request: what libcurl is told, and what it calls back. */
#include "common/engine/uv_http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_BUFFER (256L << 10)

int http_request_broken(struct http_request *r, enum err_code code, const char *text)
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
		http_request_broken(r, ERR_LIMIT, "its answer's header is too long");
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
		http_request_broken(r, ERR_LIMIT, "its answer is too long");
		return 0;
	}
	buf_append(&r->body, bytes, len);
	if (!buf_ok(&r->body)) {
		http_request_broken(r, ERR_NOMEM, "out of memory for its answer");
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

static bool add_content_type(struct http_request *r)
{
	const char *type = r->call.content_type ? r->call.content_type : "application/x-tar";
	char line[100];

	snprintf(line, sizeof(line), "Content-Type: %s", type);
	return add_header(r, line);
}

static bool set_upload(struct http_request *r)
{
	CURL *c = r->easy;

	return add_header(r, "Expect:") && add_header(r, "Transfer-Encoding: chunked") &&
	       add_content_type(r) && curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->call.method) == CURLE_OK &&
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

bool http_request_prepare(struct http_request *r)
{
	const struct http *h = r->http;
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

void http_request_describe(struct http_request *r, CURLcode result, struct err *ret)
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
