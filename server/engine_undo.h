/*
 * Cleaning up after a load that did not end well: the image is deleted only if the load made it, it
 * has no tag, no container uses it and no other job wants it. And the same for all entries that an
 * earlier run left in the journal. Jobs of the same image that begin meanwhile wait.
 */
#pragma once

#include "common/engine/engine.h"
#include "server/load_journal.h"

struct engine_host;
struct engine_job;

/* For so long after its archive was complete an engine may still make an image of it, though the
 * connection broke. */
#define UNDO_LATE_SECONDS 600u

struct engine_undo {
	struct engine_host *host;
	struct load_entry entry; /* tags not used */
	const struct engine_job *except;
	/* `settled`: the journal's entry has served its purpose. Else it is to be kept, and `err`
	 * (may be NULL) is what the engine said. */
	void (*fn)(void *ctx, bool settled, const struct err *err);
	void *ctx;
	struct engine_undo *next; /* in host->undos */
};

/* `u` has host, entry, except (the job that asks, or NULL), fn and ctx; it lives until fn, which
 * fires later. False: another job wants the image, so that nothing can be decided now; the
 * journal's entry is to be kept, and fn is not called. */
bool engine_undo_start(struct engine_undo *u) MUST_CHECK;

struct engine_replay {
	struct engine_undo undo;
	struct load_entry *entries;
	size_t n, at;
	bool due, running, kept;
};

/* Handles the journal's entries if that is due; jobs then wait for it (engine_job_wait). */
void engine_replay_start(struct engine_host *h);
