/* One request: what libcurl is told, and what it calls back. */
#include "common/engine/uv_http_request.h"

#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_BUFFER (256L << 10)
#define KEEPALIVE_SECONDS 30L /* until a silent peer is asked whether it lives, and again */

_Static_assert(HTTP_WHY_MAX >= CURL_ERROR_SIZE, "libcurl's words fit");

int http_request_broken(struct http_request *r, enum err_code code, const char *text)
{
	if (!r->broken)
		err_set(&r->err, code, "the engine at %s: %s", r->http->address->shown, text);
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

/* --- where to --- */

static bool set_url(struct http_request *r)
{
	const struct engine_address *a = r->http->address;
	CLEANUP(cleanup_free) char *url = NULL;

	if (asprintf(&url, "http%s://%s%s", a->tls ? "s" : "", a->base, r->call.path) < 0) {
		url = NULL;
		return false;
	}
	return curl_easy_setopt(r->easy, CURLOPT_URL, url) == CURLE_OK;
}

/* libcurl takes no copy: the address outlives the request. */
static bool set_pem(CURL *c, CURLoption option, const struct buf *pem)
{
	struct curl_blob blob = {
		.data = buf_bytes(pem), .len = buf_len(pem), .flags = CURL_BLOB_NOCOPY
	};

	return blob.len == 0 || curl_easy_setopt(c, option, &blob) == CURLE_OK;
}

static bool set_tls(CURL *c, const struct engine_address *a)
{
	return curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, a->verify ? 1L : 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, a->verify ? 2L : 0L) == CURLE_OK &&
	       set_pem(c, CURLOPT_CAINFO_BLOB, &a->ca) &&
	       set_pem(c, CURLOPT_SSLCERT_BLOB, &a->cert) &&
	       set_pem(c, CURLOPT_SSLKEY_BLOB, &a->key);
}

/* A peer that has gone silently is noticed, also by streams that have no limit of time. */
static bool set_tcp(CURL *c, const struct engine_address *a)
{
	return curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_SECONDS) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_SECONDS) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_SECONDS) == CURLE_OK &&
	       (!a->tls || set_tls(c, a));
}

static bool set_peer(struct http_request *r)
{
	const struct engine_address *a = r->http->address;
	CURL *c = r->easy;

	if (a->socket)
		return set_url(r) &&
		       curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, a->socket) == CURLE_OK;
	return set_url(r) && set_tcp(c, a);
}

bool http_request_prepare(struct http_request *r)
{
	CURL *c = r->easy;
	long own = r->call.own_connection ? 1L : 0L;

	return set_peer(r) &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_BUFFERSIZE, HTTP_BUFFER) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)r->call.seconds) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, own) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FORBID_REUSE, own) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PRIVATE, r) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->why) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERDATA, r) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, r) == CURLE_OK && set_method(r) &&
	       (!r->headers || curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK);
}

/* --- what went wrong --- */

/* The other end may have put its words in it. */
static const char *why(const struct http_request *r, CURLcode result, char *to, size_t size)
{
	const char *text = r->why[0] ? r->why : curl_easy_strerror(result);

	return text_escape(to, size, text, strlen(text));
}

static void describe_tls(struct http_request *r, CURLcode result, struct err *ret)
{
	char text[2 * HTTP_WHY_MAX];
	const char *shown = r->http->address->shown, *hint = "";

	why(r, result, text, sizeof(text));
	if (result == CURLE_PEER_FAILED_VERIFICATION)
		hint = " (is its certificate for this name, and ca.pem the authority that signed "
		       "it?)";
	else if (strstr(text, "wrong version number"))
		hint = " (there is no TLS there; is the port right?)";
	else if (result == CURLE_SSL_CERTPROBLEM || result == CURLE_SSL_CACERT_BADFILE)
		hint = " (are ca.pem, cert.pem and key.pem whole, and is it their key?)";
	else
		hint = " (it may want a certificate: cert.pem and key.pem, signed for it)";
	err_set(ret, ERR_UNREACHABLE, "no TLS with the engine at %s: %s%s", shown, text, hint);
}

/* With TLS 1.3 a client may have begun to ask before it is turned away, and not hear why. */
static bool turned_away(const struct http_request *r)
{
	long connects = 0;

	curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &connects);
	return connects > 0 && r->header_bytes == 0 && !r->call.source;
}

static bool is_tls(const struct http_request *r, CURLcode result)
{
	if (!r->http->address->tls)
		return false;
	if (result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING)
		return turned_away(r);
	return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CONNECT_ERROR ||
	       result == CURLE_SSL_CERTPROBLEM || result == CURLE_SSL_CACERT_BADFILE;
}

void http_request_describe(struct http_request *r, CURLcode result, struct err *ret)
{
	const char *host = r->http->address->shown;
	char text[2 * HTTP_WHY_MAX];
	curl_off_t connected = 0;
	long os_error = 0;

	if (is_tls(r, result)) {
		describe_tls(r, result, ret);
	} else if (result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST) {
		curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_error);
		err_set(ret, ERR_UNREACHABLE,
			"cannot reach the engine at %s: %s (is dockerd running? try -H)", host,
			result == CURLE_COULDNT_CONNECT && os_error
				? strerror((int)os_error)
				: why(r, result, text, sizeof(text)));
	} else if (result == CURLE_OPERATION_TIMEDOUT) {
		curl_easy_getinfo(r->easy, CURLINFO_CONNECT_TIME_T, &connected);
		err_set(ret, ERR_UNREACHABLE, "the engine at %s did not answer in %u seconds", host,
			connected ? r->call.seconds : HTTP_CONNECT_SECONDS);
	} else {
		err_set(ret, ERR_UNREACHABLE, "lost the connection to the engine at %s: %s", host,
			curl_easy_strerror(result));
	}
}
