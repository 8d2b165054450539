/*
 * SNAPSHOTS and FORGET of a session: asked of the store, answered. Loop's thread. Ends in exactly
 * one `over`, unless it is aborted.
 */
#pragma once

#include "protocol/message.h"
#include "server/depot/uv_depot.h"

struct snapshot_call;

struct snapshot_call_ops {
	void (*send)(void *ctx, const struct message *m);
	/* The answer (err NULL) or FAIL was sent; the call is gone after this. */
	void (*over)(void *ctx, struct snapshot_call *c, const struct err *err);
};

struct snapshot_call_config {
	struct depot_domain *domain;
	const char *key;
	uint32_t grants;
	const struct snapshot_call_ops *ops;
	void *ctx;
};

/* A SNAPSHOTS or FORGET that the receiver has checked. ERR_REFUSED: the key may not. */
int snapshot_call_start(const struct snapshot_call_config *config, const struct message *m,
	struct snapshot_call **ret, struct err *err) MUST_CHECK;

void snapshot_call_abort(struct snapshot_call *c);

uint32_t snapshot_call_number(const struct snapshot_call *c);
