/*
 * A directory read as a tree (common/tree) on a thread of its own, in batches. Memory is bounded by
 * a window. Loop's thread.
 */
#pragma once

#include "client/push/window.h"
#include "common/tree/tree_scan.h"

#include <uv.h>

struct tree_reading;

struct tree_result {
	struct digest digest;
	uint64_t size;
	struct tree_report report;
	/* Of a backup: what the target keeps it as. */
	struct digest snapshot;
	uint64_t bytes_total, bytes_new;
};

struct tree_reading_ops {
	/* There are batches to take. */
	void (*batches)(void *ctx);
	/* The last word: everything was read, and is there to be taken, or why not. */
	void (*over)(void *ctx, const struct tree_result *result, const struct err *err);
};

/* `root` and `cache` (NULL: none) are copied. ERR_NOT_FOUND: there is no such directory. */
int tree_reading_start(uv_loop_t *loop, const char *root, const char *cache, bool reread,
	const struct tree_reading_ops *ops, void *ctx, struct tree_reading **ret,
	struct err *err) MUST_CHECK;

/* The next batch, for batch_free on the loop's thread; NULL: none now. */
int tree_reading_take(struct tree_reading *r, struct batch **ret, struct err *err) MUST_CHECK;

/* No callback fires any more. What was taken stays good. NULL is fine. */
void tree_reading_leave(struct tree_reading *r);
