/*
 * The engine port between two processes. Small messages of both directions go through a stream
 * socket; what bodies are made of (MEMBER, DATA, COMMIT: whose order among themselves matters) goes
 * through a pipe from the network process to the engine process, so that an ABORT never waits
 * behind bodies. On both, a message is a u32 length and the bytes of engine_port.h. A port is
 * detached until it gets its ends, and again when they break. Loop's thread.
 */
#pragma once

#include "server/engine/engine_port.h"

#include <uv.h>

#define PORT_QUEUE_MAX (96u << 20) /* bytes queued; credit keeps far below */

enum engine_port_end { PORT_END_NET, PORT_END_ENGINE };

struct engine_port_ops {
	/* What the other end sent; valid during the call. Never from inside engine_port_send. */
	engine_port_fn *message;
	/* The other end is gone (it died, or broke the port's rules; `why` says it for the log):
	 * nothing that it was asked will be answered. Fires once for each attach. */
	void (*lost)(void *ctx, const struct err *why);
};

int engine_port_new(uv_loop_t *loop, enum engine_port_end end, const struct engine_port_ops *ops,
	void *ctx, struct engine_port **ret, struct err *err) MUST_CHECK;

/* Takes both descriptors over; ends that are still attached are lost first (`lost` fires from
 * inside this call). Not from inside a callback of the port. */
void engine_port_attach(struct engine_port *p, int control, int bodies);

/* Drops what is queued, delivers nothing more, calls `done` (may be NULL) from the loop, frees. */
void engine_port_close(struct engine_port *p, void (*done)(void *ctx), void *ctx);
