/*
 * Finds a host's addresses on a thread of its own. Not on libuv's pool: a look-up cannot be
 * stopped, and with a name server that does not answer it takes half a minute, for which a program
 * that uses the pool cannot even exit. Loop's thread.
 */
#pragma once

#include "common/base/err.h"

#include <netdb.h>
#include <uv.h>

struct uv_lookup;

/* Fires once from the loop: 0 and the addresses, for freeaddrinfo, or getaddrinfo's code; `why` is
 * its text. */
typedef void uv_lookup_fn(void *ctx, int code, const char *why, struct addrinfo *found);

/* Addresses for TCP. `host` is a name or an address. */
int uv_lookup_start(uv_loop_t *loop, const char *host, uint16_t port, uv_lookup_fn *fn, void *ctx,
	struct uv_lookup **ret, struct err *err) MUST_CHECK;

/* `fn` does not fire any more. Not after it fired. */
void uv_lookup_cancel(struct uv_lookup *l);
