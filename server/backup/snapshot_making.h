/*
 * The store's side of a backup: a snapshot written in steps on the store's thread, between other
 * calls. Loop's thread; `fn` fires once, from the loop.
 */
#pragma once

#include "common/store/snapshot.h"
#include "protocol/message.h"
#include "server/depot/uv_pin.h"

struct snapshot_making;

struct snapshot_made {
	struct digest id;
	uint64_t bytes_total, bytes_new;
};

typedef void snapshot_making_fn(void *ctx, const struct snapshot_made *made, const struct err *err);

/* Texts and lists are copied; `pin` is the job's and says what was new. */
int snapshot_making_start(struct depot_domain *domain, const struct uv_pin *pin, const char *key,
	const char *kind, const char *name, const char *host,
	const struct msg_backup_commit *commit, snapshot_making_fn *fn, void *ctx,
	struct snapshot_making **ret, struct err *err) MUST_CHECK;

/* `fn` does not fire any more, and a snapshot that is not there yet is not made. NULL is fine. */
void snapshot_making_forget(struct snapshot_making *m);
