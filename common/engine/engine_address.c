#include "common/engine/engine_address.h"

#include "common/base/secret_file.h"
#include "common/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "2375"
#define HOST_MAX 255u
#define PATH_MAX_LEN 1024u
#define SHOWN_MAX 200

void engine_address_done(struct engine_address *a)
{
	free(a->shown);
	free(a->socket);
	free(a->base);
	buf_done(&a->ca);
	buf_done(&a->cert);
	secret_file_wipe(&a->key);
	*a = (struct engine_address){ 0 };
}

/* "engine address "x" ...": returns -1. */
static int refuse(const char *text, const char *why, struct err *err)
{
	char shown[SHOWN_MAX];

	return err_set(err, ERR_USAGE, "engine address \"%s\" %s",
		text_escape(shown, sizeof(shown), text, strlen(text)), why);
}

/* --- what is not for dray --- */

static const struct {
	const char *scheme, *why;
} refused[] = {
	{ "ssh", "goes over ssh, which dray does not do for an engine: run dray on that host, or "
		 "forward the engine's socket here (ssh -L) and name that one" },
	{ "npipe", "is a pipe of Windows: dray speaks to unix:// and tcp:// engines" },
	{ "fd", "is for dockerd to listen at: use unix://" ENGINE_SOCKET },
	{ "http", "is written tcp://HOST:PORT" },
	{ "https", "is written tcp://HOST:PORT, and DOCKER_TLS_VERIFY=1 asks for TLS" },
};

static int refuse_scheme(const char *text, size_t scheme_len, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (strlen(refused[i].scheme) == scheme_len &&
			strncmp(refused[i].scheme, text, scheme_len) == 0)
			return refuse(text, refused[i].why, err);
	}
	return refuse(
		text, "is not supported: use unix:///path/to/docker.sock or tcp://HOST:PORT", err);
}

/* --- unix sockets --- */

static int take_unix(
	const char *text, const char *path, struct engine_address *ret, struct err *err)
{
	char shown[SHOWN_MAX + 64];

	if (*path == '\0')
		path = ENGINE_SOCKET;
	if (*path != '/')
		return refuse(text, "names no absolute path: use unix:///path/to/docker.sock", err);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return refuse(text, "is too long for a unix socket", err);
	text_escape(shown, sizeof(shown), path, strlen(path));
	ret->socket = strdup(path);
	ret->base = strdup("engine");
	if (!ret->socket || !ret->base || asprintf(&ret->shown, "unix://%s", shown) < 0) {
		ret->shown = NULL;
		return err_nomem(err);
	}
	return 0;
}

/* --- TCP --- */

struct tcp {
	const char *host; /* with its brackets, when it is an IPv6 address */
	size_t host_len;
	const char *port;
	size_t port_len;
	const char *path; /* "" or "/path", without a slash at its end */
	size_t path_len;
};

static bool all_of(const char *s, size_t n, const char *besides)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(besides, s[i]))
			return false;
	return true;
}

static bool take_host(const char **at, struct tcp *ret)
{
	const char *s = *at;
	size_t n;

	if (*s == '[') {
		n = strcspn(s, "]");
		if (s[n] != ']' || n < 3 || strspn(s + 1, "0123456789abcdefABCDEF:.") != n - 1)
			return false;
		n++;
	} else {
		n = strcspn(s, ":/");
		if (!all_of(s, n, ".-_"))
			return false;
	}
	*at = s + n;
	ret->host = n ? s : DEFAULT_HOST;
	ret->host_len = n ? n : strlen(DEFAULT_HOST);
	return n <= HOST_MAX;
}

static bool take_port(const char **at, struct tcp *ret)
{
	const char *s = *at + 1;
	size_t n = 0;
	unsigned port = 0;

	ret->port = DEFAULT_PORT;
	ret->port_len = strlen(DEFAULT_PORT);
	if (**at != ':')
		return true;
	for (; n < 5 && isdigit((unsigned char)s[n]); n++)
		port = 10 * port + (unsigned)(s[n] - '0');
	*at = s + n;
	if (n == 0)
		return true;
	ret->port = s;
	ret->port_len = n;
	return port >= 1 && port <= UINT16_MAX;
}

static bool take_path(const char *s, struct tcp *ret)
{
	size_t n = strlen(s);

	if (n > PATH_MAX_LEN || (n > 0 && *s != '/') || !all_of(s, n, "/.-_~"))
		return false;
	while (n > 0 && s[n - 1] == '/')
		n--;
	ret->path = s;
	ret->path_len = n;
	return true;
}

static int take_tcp(const char *text, const char *rest, struct engine_address *ret, struct err *err)
{
	struct tcp t;

	if (strstr(rest, "://") || !take_host(&rest, &t) || !take_port(&rest, &t) ||
		!take_path(rest, &t))
		return refuse(text, "is not understood: use tcp://HOST:PORT", err);
	if (asprintf(&ret->shown, "tcp://%.*s:%.*s%.*s", (int)t.host_len, t.host, (int)t.port_len,
		    t.port, (int)t.path_len, t.path) < 0) {
		ret->shown = NULL;
		return err_nomem(err);
	}
	ret->base = strdup(ret->shown + strlen("tcp://"));
	return ret->base ? 0 : err_nomem(err);
}

/* --- the whole --- */

static int take(const char *text, struct engine_address *ret, struct err *err)
{
	const char *sep = strstr(text, "://");
	size_t n = sep ? (size_t)(sep - text) : 0;

	if (!sep && *text == '/')
		return refuse(text, "has no scheme: put unix:// before the path", err);
	if (!sep)
		return take_tcp(text, text, ret, err);
	if (n == 4 && strncmp(text, "unix", n) == 0)
		return take_unix(text, sep + 3, ret, err);
	if (n == 3 && strncmp(text, "tcp", n) == 0)
		return take_tcp(text, sep + 3, ret, err);
	return refuse_scheme(text, n, err);
}

int engine_address_parse(const char *text, struct engine_address *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *trimmed = NULL;
	struct engine_address a = { 0 };
	size_t n;

	text += strspn(text, " \t\r\n");
	n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	trimmed = strndup(text, n);
	if (!trimmed)
		return err_nomem(err);
	if (take(trimmed, &a, err) != 0) {
		engine_address_done(&a);
		return -1;
	}
	*ret = a;
	return 0;
}
