/*
 * The engine port with both ends in one process and on one loop: messages are encoded, queued and
 * delivered from the loop. Nothing but bytes passes.
 */
#pragma once

#include "server/engine_port.h"

#include <uv.h>

#define PORT_QUEUE_MAX (96u << 20) /* bytes queued; credit keeps far below */

int engine_port_open(uv_loop_t *loop, engine_port_fn *net, void *net_ctx, engine_port_fn *engine,
	void *engine_ctx, struct engine_port **ret, struct err *err) MUST_CHECK;

/* As engine_port_send, from the engine side to the net side. */
int engine_port_reply(
	struct engine_port *p, const struct port_message *m, struct err *err) MUST_CHECK;

/* The engine side's ctx. */
void *engine_port_end(struct engine_port *p);

/* Drops what is queued, delivers nothing more, calls `done` (may be NULL) from the loop, frees. */
void engine_port_close(struct engine_port *p, void (*done)(void *ctx), void *ctx);
