/*
 * Takes the segments of one session in: verified on a worker, put into the domain's store, made
 * durable in groups and then acknowledged. Loop's thread; callbacks fire there, from the loop.
 */
#pragma once

#include "server/depot/uv_pin.h"

struct intake;

#define INTAKE_PENDING_MAX (8u << 20) /* record bytes not stored yet, above which intake_full */
#define INTAKE_OPENED_MAX (6u << 20)  /* raw bytes kept for who reads them next */
#define INTAKE_GROUP_BYTES (4u << 20) /* made durable together… */
#define INTAKE_GROUP_MS 50u	      /* …or after this time */
#define INTAKE_PINS_MAX 16u

struct intake_ops {
	/* The pins of the session's jobs: all of them keep a segment that is stored now, for it
	 * does not say whose it is. Returns how many. */
	size_t (*pins)(void *ctx, const struct uv_pin *ret[INTAKE_PINS_MAX]);
	/* One more segment, of `len` bytes, can be found in the store, and all up to `number`. */
	void (*stored)(void *ctx, uint64_t number, size_t len);
	/* Segments up to `number` are durable. */
	void (*durable)(void *ctx, uint64_t number);
	/* A segment is wrong or the store failed: nothing more will be stored. Fires once. */
	void (*failed)(void *ctx, const struct err *err);
};

/* `verifier` is the worker that hashes; shared by all sessions. */
int intake_new(uv_loop_t *loop, struct depot_domain *domain, struct uv_worker *verifier,
	const struct intake_ops *ops, void *ctx, struct intake **ret, struct err *err) MUST_CHECK;

/* No callback fires any more; freed when what is under way has ended. NULL is fine. */
void intake_close(struct intake *i);

/* Copies the record. Numbers come in any order, each once, none further ahead than a number_set
 * goes. */
int intake_segment(struct intake *i, uint64_t number, const void *record, size_t n,
	struct err *err) MUST_CHECK;

/* True while the session should read no further. */
bool intake_full(const struct intake *i);
