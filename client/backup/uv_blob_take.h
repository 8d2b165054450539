/*
 * The receiver role of a restore: takes the segments of blobs that a target sends, checks them and
 * puts the blobs together on a thread of its own. What waits for that thread is bounded: the line
 * is held while it is too much. Loop's thread; operations fire there, `bytes` on the thread.
 */
#pragma once

#include "client/migrate/uv_line.h"

struct blob_take;

struct blob_take_ops {
	/* The next bytes of the blob, on the thread. */
	int (*bytes)(void *ctx, const void *bytes, size_t n, struct err *err);
	/* That was all of it, and it is what its name says; on the thread. */
	int (*end)(void *ctx, struct err *err);
	/* It is whole and `end` went well (err NULL), or it failed: once. */
	void (*over)(void *ctx, const struct err *err);
};

/* `tree`: the blob is to be one that is named by its operations. */
int blob_take_new(uv_loop_t *loop, struct line *line, const struct digest *digest, bool tree,
	const struct blob_take_ops *ops, void *ctx, struct blob_take **ret,
	struct err *err) MUST_CHECK;

/* BLOB_BEGIN, SEGMENT and BLOB_END of the job; others are let pass. */
int blob_take_message(struct blob_take *t, const struct message *m, struct err *err) MUST_CHECK;

/* Did anything of the blob come? */
bool blob_take_begun(const struct blob_take *t);

/* No operation fires any more when `closed` does, from the loop; it is gone then. */
void blob_take_close(struct blob_take *t, void (*closed)(void *ctx), void *ctx);
