/*
 * A layer as containerd stores it, raw or compressed by gzip or zstd, turned into its tar while it
 * is read. Memory is bounded: zstd's window, at most 128 MB, and a block. What comes out is as much
 * as the layer holds, and the sink bounds that and checks that it hashes to the diffID.
 */
#pragma once

#include "common/engine/engine.h"

/* For printf, with the layer and the blob. */
#define ENGINE_LACKS_BLOB                                                                          \
	"layer %s: the engine can run the image but does not have what it was unpacked from any "  \
	"more (blob %s): pull or load the image again"

/* More bytes of the blob; *ret_n 0 at its end. What was given before may be overwritten. */
typedef int stored_read_fn(void *ctx, const void **ret, size_t *ret_n, struct err *err);

struct stored_layer {
	const struct digest *diff_id;
	const struct digest *blob; /* what it is called as it is stored */
	uint64_t size;		   /* of its tar, or SAVE_SIZE_UNKNOWN */
	stored_read_fn *read;
	void *read_ctx;
	const struct engine_save_sink *sink;
	void *sink_ctx;
	bool sink_failed; /* afterwards: it was the sink that stopped it */
};

/* Gives the tar to the sink. ERR_CORRUPT: what was read is no such blob; the layer was begun then.
 * Errors of `read` and of the sink as they are. */
int stored_layer_deliver(struct stored_layer *l, struct err *err) MUST_CHECK;
