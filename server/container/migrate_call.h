/*
 * One MIGRATE of a session: checked against what the key may, asked of the engine side, answered.
 * Loop's thread. Ends in exactly one `over`, unless it is aborted.
 */
#pragma once

#include "protocol/message.h"
#include "server/engine/engine_port.h"

struct migrate_call;

struct migrate_call_ops {
	void (*send)(void *ctx, const struct message *m);
	/* MIGRATED (err NULL) or FAIL was sent; the call is gone after this. */
	void (*over)(void *ctx, struct migrate_call *c, const struct err *err);
};

struct migrate_call_config {
	struct engine_port *port;
	uint32_t port_job; /* unique among all jobs of the port */
	const char *key;
	uint32_t grants;
	const struct migrate_call_ops *ops;
	void *ctx;
};

/* The message was checked by the receiver. ERR_REFUSED: the key may not. */
int migrate_call_start(const struct migrate_call_config *config, const struct msg_migrate *m,
	struct migrate_call **ret, struct err *err) MUST_CHECK;

/* The session is over; what the engine side began goes on there. */
void migrate_call_abort(struct migrate_call *c);

uint32_t migrate_call_number(const struct migrate_call *c);
uint32_t migrate_call_port_number(const struct migrate_call *c);

void migrate_call_port(struct migrate_call *c, const struct port_message *m);

/* The engine process is gone: the call ends with ERR_AGAIN. */
void migrate_call_engine_lost(struct migrate_call *c);
