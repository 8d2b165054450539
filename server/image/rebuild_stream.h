/*
 * Walks a blob's recipes and gives its bytes out in order: the part of a rebuild that knows
 * recipes, chunks and places, and nothing of threads and waiting (that is behind the operations).
 * Used by one thread.
 */
#pragma once

#include "protocol/sender.h"
#include "server/depot/uv_pin.h"

/* A blob on its way; the fields are under the rebuild's lock. */
struct rebuild_blob {
	struct rebuild_blob *next;
	uint32_t number;
	bool from_store, digest_known, ended;
	struct digest digest;
	uint64_t size;		 /* of a tree: what came, once all has */
	bool tree;		 /* named by its operations */
	struct digest *names[2]; /* of recipe chunks so far, by enum recipe_stream */
	size_t n_names[2], cap_names[2];
	uint64_t last_segment; /* once ended */
};

struct rebuild_stream_ops {
	/* The next bytes of the blob; may wait. */
	int (*bytes)(void *ctx, const struct rebuild_blob *b, const uint8_t *bytes, size_t n,
		struct err *err);
	/* A chunk is needed for what follows, recipe chunks included; given whole, before the bytes
	 * that are made of it, and again when it is needed again. NULL: nobody wants to know. */
	int (*chunk)(void *ctx, enum chunk_kind kind, const struct digest *name,
		const uint8_t *bytes, size_t n, struct err *err);
	/* The name of recipe chunk `at` of a stream: 1, or 0 at its end, or -1 to stop. May wait.
	 */
	int (*name)(void *ctx, struct rebuild_blob *b, enum recipe_stream stream, size_t at,
		struct digest *ret);
	bool (*stopping)(void *ctx);
	/* A chunk was not found when `seen` segments were stored. True when it is worth looking
	 * again. */
	bool (*missing)(void *ctx, const struct rebuild_blob *b, uint64_t seen);
	/* How many segments are stored now. */
	uint64_t (*seen)(void *ctx);
};

struct rebuild_stream;

/* `pin` is the job's (NULL: none). NULL with `err` on failure. */
struct rebuild_stream *rebuild_stream_new(struct depot_domain *domain, const struct uv_pin *pin,
	const struct rebuild_stream_ops *ops, void *ctx, struct err *err);
void rebuild_stream_free(struct rebuild_stream *s);

/* One whole blob. -1 only for a store that fails or an operation that said stop. *ret_damaged: it
 * ends early because something that the store had was damaged; all that is damaged of what the job
 * was told of was taken out of the store. */
int rebuild_stream_run(struct rebuild_stream *s, struct rebuild_blob *b,
	enum blob_outcome *ret_outcome, bool *ret_damaged, struct err *err) MUST_CHECK;
