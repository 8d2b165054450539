/*
 * Inside of the engine side: the migrations that it knows, and the calls about them. A call is an
 * engine_job that asks the engine one thing after the other; at most one is at work on a migration.
 * It goes on when the network process that asked is gone: what it does is journaled, and the same
 * call again finds it done. Loop's thread.
 */
#pragma once

#include "common/cargo/container_compare.h"
#include "common/cargo/container_findings.h"
#include "common/cargo/network_plan.h"
#include "common/engine/engine_container.h"
#include "server/container/migration.h"
#include "server/engine/engine_side.h"

/* A migration that was never committed and of which nobody was heard for so long is undone; one
 * that is live is forgotten. */
#define MIGRATION_KEEP_SECONDS (24u * 3600u)
#define MIGRATIONS_LOOK_MS 60000u

struct migrations {
	struct engine_host *host;
	char *dir;
	struct migration *first;
	uv_timer_t timer;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

struct migrate_job {
	struct engine_job job;
	struct migration *m; /* NULL: not found, or not made yet */
	enum migrate_verb verb;
	uint8_t flags;
	uint32_t seconds;
	uint8_t id[MIGRATION_ID_LEN];
	struct container_order order; /* of an OFFER, until the migration has it */
	json_t *version;	      /* the engine's */
	struct container_target target;
	struct container_request request;
	struct network_plan plan;
	struct fidelity report;
	struct digest made_of; /* the engine's image, once `found` */
	bool found;
	uint64_t up_since; /* loop's time at which it came up; 0: it did not */
	size_t at;	   /* in a list that is gone through */
	struct err why;
	void (*learned)(struct migrate_job *j); /* what is to follow */
};

/* --- engine_migrate.c --- */

int migrations_open(struct engine_host *h, uv_loop_t *loop, const char *state_dir,
	struct migrations **ret, struct err *err) MUST_CHECK;
void migrations_close(struct migrations *ms, void (*closed)(void *ctx), void *ctx);

struct migration *migration_find(
	const struct migrations *ms, const char *key, const uint8_t id[MIGRATION_ID_LEN]);

/* Writes the journal; -1: the step that it stands before must not be taken. */
int migration_journal(struct engine_host *h, struct migration *m, struct err *err) MUST_CHECK;

/* Ends the call: the answer is where the migration is now, with the report (NULL: the last one). */
void migrate_answer(struct migrate_job *j, json_t *report);
void migrate_failed(struct migrate_job *j, const struct err *err);

/* False, and the call has failed, when an engine's call did. */
bool migrate_went_well(struct migrate_job *j, const struct err *err);

/* Asks what the engine can take, into j->target, then goes on. */
void migrate_learn(struct migrate_job *j, void (*next)(struct migrate_job *j));

struct container_choice migrate_choice(const struct migrate_job *j);
const struct container_order *migrate_order(const struct migrate_job *j);

/* --- a file each --- */

void migrate_offer(struct migrate_job *j);
void migrate_prepare(struct migrate_job *j);

/* Compares what was made with what was wanted, into j->report; then `next`. */
void migrate_compare(struct migrate_job *j, void (*next)(struct migrate_job *j));
void migrate_commit(struct migrate_job *j);
void migrate_undo(struct migrate_job *j);
void migrate_drop(struct migrate_job *j);

/* A container that is half made goes, then `next`. */
void migrate_drop_half_made(struct migrate_job *j, void (*next)(struct migrate_job *j));

/* The volume of the order with this name at the target: the body that makes it; NULL: none. Points
 * into the request. */
json_t *migrate_volume_body(const struct container_request *request, const char *name);

/* Do its contents travel? A name that begins with a slash is a bind mount's path at the target. */
bool migrate_volume_travels(const struct container_order *order, const char *name);

/* ERR_FAILED: there is something at the path that this migration did not bring, and it may not be
 * replaced. `m` NULL: there is no migration yet. */
int migrate_check_bind(
	const struct migration *m, bool overwrite, const char *path, struct err *err) MUST_CHECK;

/* Is there anything in the directory? -1: it cannot be looked into. */
int migrate_is_empty(const char *dir, bool *ret, struct err *err) MUST_CHECK;

/* The path where the engine has the contents of a volume that it was asked about. NULL: it has
 * none. */
const char *migrate_mountpoint(const json_t *volume);
