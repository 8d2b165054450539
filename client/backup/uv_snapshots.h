/*
 * Asks a target for its list of snapshots, page by page. Loop's thread; one at a
 * time on a line.
 */
#pragma once

#include "client/backup/uv_vault.h"

struct snapshots_ask {
	const char *host, *name, *kind; /* NULL: any; must last */

	/* its own */
	struct vault *vault;
	struct snapshot_list list;
	struct line_talk talk;
	void (*fn)(void *ctx, const struct snapshot_list *list, const struct err *err);
	void *ctx;
	uint32_t job;
	bool more;
};

/* `a` is zeroed but for the filter, and lasts until `fn`, which fires once with the list, the
 * oldest first; the list stays until snapshots_done. */
void snapshots_list(struct snapshots_ask *a, struct vault *v,
	void (*fn)(void *ctx, const struct snapshot_list *list, const struct err *err), void *ctx);
void snapshots_done(struct snapshots_ask *a);
