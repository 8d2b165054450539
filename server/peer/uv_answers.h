/*
 * Answers a session's questions from a domain's store, in the order in which they came. Loop's
 * thread.
 */
#pragma once

#include "protocol/message.h"
#include "server/depot/uv_pin.h"

struct answers;

struct answers_ops {
	/* TELL_RECIPES or TELL_CHUNKS. */
	void (*answer)(void *ctx, const struct message *m);
	/* The store failed; told once. */
	void (*failed)(void *ctx, const struct err *err);
};

/* NULL when out of memory. */
struct answers *answers_new(struct depot_domain *domain, const struct answers_ops *ops, void *ctx);

/* No callback fires any more; freed when the last question has come back. NULL is fine. */
void answers_close(struct answers *a);

/* Takes ASK_RECIPES, ASK_CHUNKS or ASK_CHUNKS_FULL, checked by the receiver; copies what it needs.
 * What is answered with yes is kept for `pin` (NULL: it is not). */
int answers_ask(struct answers *a, const struct message *m, const struct uv_pin *pin,
	struct err *err) MUST_CHECK;
