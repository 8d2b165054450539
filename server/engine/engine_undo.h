/*
 * Cleaning up after a load: its prefixes (engine_prefix.h) go, and, if it did not end well, the
 * image, if the load made it and no other job wants it; in either case only what has no tag and is
 * used by no container. And the same for all entries that an earlier run left in the journal. Jobs
 * of the same image that begin meanwhile wait.
 */
#pragma once

#include "common/engine/engine.h"
#include "server/engine/load_journal.h"

struct engine_host;
struct engine_job;

/* For so long after the connection broke an engine may still make an image of an archive that was
 * complete. */
#define UNDO_LATE_SECONDS 600u

struct engine_undo {
	struct engine_host *host;
	struct load_entry entry; /* becomes what is left of it; the list is the caller's */
	bool keep;		 /* leaves the prefixes */
	const struct engine_job *except;
	/* `err` (may be NULL) is what the engine said when it could not be done. */
	void (*fn)(void *ctx, const struct err *err);
	void *ctx;

	struct engine_undo *next; /* in host->undos */
	size_t at;		  /* the prefix that is looked at, or their number: the image */
	bool image_left;	  /* it was looked at, and stays for now */
	struct digest target;	  /* its ID in the engine */
	struct err err;
};

/* `u` has host, entry, keep, except (the job that asks, or NULL), fn and ctx, and zeros; it lives
 * until fn, which fires later. False: there is nothing to do (now), and fn is not called. */
bool engine_undo_start(struct engine_undo *u) MUST_CHECK;

/* The journal's entries that belong to no load are handled at the start, and again, later and
 * later, for as long as some had to be kept: above all until an engine that went away is back. */
#define REPLAY_WAIT_MS 1000u /* doubles… */
#define REPLAY_WAIT_MAX_MS 15000u

struct engine_replay {
	uv_timer_t timer;
	uint64_t wait_ms; /* before the next try */
	struct engine_undo undo;
	struct load_entry *entries;
	size_t n, at;
	bool due, running, kept;
	bool told; /* in the log: that it is not done */
};

/* Due at once. Also finds the first free number for the journal. */
void engine_replay_init(struct engine_host *h, uv_loop_t *loop);

/* Handles the journal's entries if that is due; jobs then wait for it (engine_job_wait). */
void engine_replay_start(struct engine_host *h);

/* An entry was kept: due after a while. `why` (NULL is fine) is told in the log when it is that the
 * engine is away, once until that is over. */
void engine_replay_later(struct engine_host *h, const struct err *why);

/* Is this the entry of a load that runs now? */
bool engine_entry_is_live(const struct engine_host *h, const struct load_entry *entry);

/* What the journal still says about the image with this ID in the engine, and no load now under
 * way, is to have no effect. */
void engine_replay_forget(struct engine_host *h, const struct digest *id);
