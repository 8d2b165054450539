/*
 * Packs parcels into segments on a worker: recipes and skeleton in one segment, file contents in
 * another, since each compresses best among its like. Keeps the order of parcels and flushes. Stops
 * working while the loop has enough sealed bytes to send. Loop's thread; callbacks fire from the
 * loop.
 */
#pragma once

#include "common/chunk/segment.h"
#include "link/uv_worker.h"
#include "protocol/sender.h"

struct packer;

/* Sealed bytes that are not taken yet, at which packing pauses: what is packed late is packed as
 * the link wants it by then. */
#define PACKER_SEALED_MAX (2u << 20)

struct packer_ops {
	/* The parcel is in a segment, and freed after the call. */
	void (*packed)(void *ctx, const struct sender_parcel *parcel);
	/* There is something to take. */
	void (*ready)(void *ctx);
	void (*failed)(void *ctx, const struct err *err);
};

/* NULL with `err` on failure. */
struct packer *packer_new(
	uv_loop_t *loop, const struct packer_ops *ops, void *ctx, struct err *err);

/* For what is packed from now on: zstd's level (0: none), and raw bytes of a segment, at most
 * SEGMENT_RAW_MAX. */
void packer_tune(struct packer *p, int level, size_t segment_size);

/* Milliseconds that its thread has worked. */
uint64_t packer_busy_ms(const struct packer *p);

/* No callback of `ops` fires any more. Frees from the loop; NULL is fine. */
void packer_close(struct packer *p);

/* Takes over the parcel. */
void packer_add(struct packer *p, struct sender_parcel *parcel);

/* Everything added so far is to be sealed; packer_take gives the blob back behind the last segment
 * of it. */
void packer_flush(struct packer *p, uint32_t blob);

struct packed {
	struct packed *next;
	bool flushed; /* `blob` is packed whole; no record */
	uint32_t blob;
	struct buf record;
};

void packed_free(struct packed *p);

/* The next result in order, NULL when there is none yet; and how long its record is, before taking
 * it. */
struct packed *packer_take(struct packer *p);
const struct packed *packer_peek(const struct packer *p);
