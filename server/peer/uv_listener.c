/*
 * Owns the listening sockets. Happy path: parse, bind, listen; every connection goes to
 * uv_peer_accept. Failure modes: an address that is none, a port that is taken.
 */
#include "server/peer/uv_listener.h"

#include "common/base/address.h"
#include "common/base/log.h"
#include "server/peer/uv_peer.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 128

struct socket {
	uv_tcp_t tcp;
	struct uv_listener *listener;
};

struct uv_listener {
	struct server *server;
	size_t n, open;
	struct socket sockets[];
};

static void on_closed(uv_handle_t *handle)
{
	struct socket *s = handle->data;

	if (--s->listener->open == 0)
		free(s->listener);
}

void uv_listener_close(struct uv_listener *l)
{
	if (!l)
		return;
	if (l->open == 0) {
		free(l);
		return;
	}
	for (size_t i = 0; i < l->n; i++)
		uv_close((uv_handle_t *)&l->sockets[i].tcp, on_closed);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct socket *s = stream->data;

	if (status < 0)
		log_warn("cannot take a connection: %s", uv_strerror(status));
	else
		uv_peer_accept(s->listener->server, stream);
}

/* The numeric address to bind to. */
static int resolve(const struct address *a, struct sockaddr_storage *ret, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", a->port);
	r = getaddrinfo(a->host[0] ? a->host : NULL, port, &hints, &found);
	if (r != 0)
		return err_set(err, ERR_USAGE,
			"--listen %s: not an address of this machine (a number is wanted, as in "
			"192.0.2.1:7747): %s",
			a->host, gai_strerror(r));
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

int uv_listener_check(const char *address, struct err *err)
{
	struct sockaddr_storage where;
	struct address a;

	return address_parse(address, &a, err) != 0 ? -1 : resolve(&a, &where, err);
}

static int listen_on(struct uv_listener *l, const char *text, struct err *err)
{
	struct socket *s = &l->sockets[l->n];
	struct sockaddr_storage where;
	struct address a;
	int r;

	if (address_parse(text, &a, err) != 0 || resolve(&a, &where, err) != 0)
		return -1;
	uv_tcp_init(l->server->loop, &s->tcp);
	s->tcp.data = s;
	s->listener = l;
	l->n++;
	l->open++;
	r = uv_tcp_bind(&s->tcp, (struct sockaddr *)&where, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
	if (r != 0)
		return err_set(err, ERR_FAILED, "cannot listen on %s: %s%s", text, uv_strerror(r),
			r == UV_EADDRINUSE
				? " (is another drayd running? choose another port with --listen)"
				: "");
	log_info("listening on %s", text);
	return 0;
}

int uv_listener_start(struct server *server, const char *const *addresses, size_t n,
	struct uv_listener **ret, struct err *err)
{
	struct uv_listener *l = calloc(1, sizeof(*l) + n * sizeof(struct socket));

	if (!l)
		return err_nomem(err);
	l->server = server;
	for (size_t i = 0; i < n; i++) {
		if (listen_on(l, addresses[i], err) != 0) {
			uv_listener_close(l);
			return -1;
		}
	}
	*ret = l;
	return 0;
}
