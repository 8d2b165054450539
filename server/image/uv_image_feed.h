/*
 * Feeds an open load: takes what the rebuild gives and passes it to the engine side as far as its
 * credit goes. Loop's thread. Operations fire from the loop or from image_feed_credit; `failed` is
 * the last one.
 */
#pragma once

#include "protocol/receiver.h"
#include "server/depot/uv_pin.h"
#include "server/engine/engine_port.h"

struct image_feed;

struct image_feed_ops {
	/* Which member of the load a blob is: PORT_MEMBER_UNKNOWN when its digest is not known yet
	 * (NULL). */
	uint16_t (*member)(void *ctx, const struct digest *digest);
	/* A blob that arrived was rebuilt and passed on, or could not be. */
	void (*blob_done)(void *ctx, uint32_t blob, enum blob_outcome outcome);
	/* Something moved: for progress, and to see whether all is done. */
	void (*moved)(void *ctx);
	void (*failed)(void *ctx, const struct err *err);
};

/* `pin` is the job's, the feed ends it; `job` is the port's number. `port` NULL: the blobs are only
 * checked and recorded, and no member is asked for. */
int image_feed_new(uv_loop_t *loop, struct depot_domain *domain, struct uv_pin *pin,
	struct engine_port *port, uint32_t job, const struct image_feed_ops *ops, void *ctx,
	struct image_feed **ret, struct err *err) MUST_CHECK;

/* No operation fires any more; may be called from an operation. The pin is ended, as `finished`,
 * once the rebuild's thread has ended: that may wait for the store, and nobody waits for it but the
 * depot when it stops. */
void image_feed_free(struct image_feed *f, bool finished);

/* A blob that the store has. */
int image_feed_add_stored(struct image_feed *f, const struct digest *digest, uint64_t size,
	struct err *err) MUST_CHECK;

/* A blob that arrives: begun, its next recipe chunks, ended. */
int image_feed_begin(
	struct image_feed *f, const struct receiver_blob *blob, struct err *err) MUST_CHECK;
int image_feed_recipes(struct image_feed *f, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names, struct err *err) MUST_CHECK;
void image_feed_end(struct image_feed *f, const struct receiver_blob *blob);

/* Segments up to this number are in the store. */
void image_feed_stored(struct image_feed *f, uint64_t segment);

/* The engine side takes this many more bytes. The feed may be gone afterwards. */
void image_feed_credit(struct image_feed *f, uint32_t bytes);

/* Every blob that was added has been passed on. */
bool image_feed_all_done(const struct image_feed *f);

uint64_t image_feed_bytes(const struct image_feed *f);
