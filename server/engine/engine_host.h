/*
 * The engine side of drayd: what stands at the other end of the engine port. It answers what the
 * engine holds, as far as a key may know, and runs the loads: hashing all that passes, keeping the
 * end of an archive back until every layer has matched, and journaling, so that a failed load
 * leaves nothing behind. It checks a key's permission itself. Loop's thread.
 */
#pragma once

#include "common/engine/engine_address.h"
#include "server/engine/engine_port.h"

#include <uv.h>

struct engine_host;

#define ENGINE_JOBS_MAX 64u
#define ENGINE_JOBS_OF_KEY_MAX 16u   /* so that no key keeps the others out */
#define ENGINE_CREDIT_MAX (1u << 20) /* bytes of DATA that a load holds or has asked for */

/* May this key give an image this tag? */
typedef bool engine_may_tag_fn(void *ctx, const char *key, const char *tag);

/* May this key know of an image with these tags (none: an image without a name)? */
typedef bool engine_may_see_fn(void *ctx, const char *key, const char *const *tags, size_t n);

/* The bits of protocol/grant.h that the key has now; 0: there is no such key. */
typedef uint32_t engine_grants_fn(void *ctx, const char *key);

/* The engine's address must outlive it. Keeps its journals in `state_dir`/loads and /migrations,
 * and begins to clean up after the last run; an engine that cannot be reached is no error yet. */
int engine_host_start(uv_loop_t *loop, const struct engine_address *engine, const char *state_dir,
	engine_may_tag_fn *may_tag, engine_may_see_fn *may_see, engine_grants_fn *grants_of,
	void *ctx, struct engine_host **ret, struct err *err) MUST_CHECK;

/* Ends of the port, as engine_port_attach: a net process begins. The jobs of the one before it are
 * broken off and cleaned up after. */
void engine_host_attach(struct engine_host *h, int control, int bodies);

/* Takes no new job and calls `idle` from the loop, once, when no job and no clean-up is under way.
 * Again: only breaks off, so that this is soon. */
void engine_host_stop(struct engine_host *h, bool break_off, void (*idle)(void *ctx), void *ctx);

/* Breaks off all jobs (their journal entries stay for the next start), then calls `done` (may be
 * NULL) and frees everything. */
void engine_host_close(struct engine_host *h, void (*done)(void *ctx), void *ctx);
