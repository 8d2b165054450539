/*
 * A process's line to its supervisor. `drayd serve` is three processes: the supervisor
 * (supervisor.c), which holds neither peers nor the engine, and its two children, the network
 * process and the engine process. Each child finds a socket at descriptor SERVICE_FD. The line
 * carries the ends of the engine port to it, and signs of life back; when it breaks, the supervisor
 * is gone and the child stops. Loop's thread; callbacks fire from the loop.
 */
#pragma once

#include "common/base/err.h"

#include <uv.h>

#define SERVICE_FD 3
#define SERVICE_ALIVE_MS 1000u /* a child whose loop turns says so this often */

struct service;

struct service_ops {
	/* New ends of the engine port, owned by the callee: at the start, and again whenever the
	 * process at the other end was started anew. `control` is a stream socket, `bodies` a pipe:
	 * its writing end in the network process, its reading end in the engine process. */
	void (*port)(void *ctx, int control, int bodies);
	/* SIGHUP reached the supervisor. */
	void (*reload)(void *ctx);
	/* Stop: finish what can be finished soon. Called again, with `now`, when that was long
	 * enough, or when the supervisor is gone. */
	void (*stop)(void *ctx, bool now);
};

/* Takes SERVICE_FD over (ERR_USAGE when it is no socket: this is no command for people) and begins
 * to say that it is alive. */
int service_open(uv_loop_t *loop, const struct service_ops *ops, void *ctx, struct service **ret,
	struct err *err) MUST_CHECK;

/* It can do its work now. Once. */
void service_ready(struct service *s);

/* No callback any more. NULL is fine. */
void service_close(struct service *s);
