/*
 * Everything of a run that is about one target: its connection, its retries, and the images that it
 * is sent, in order, over one session. While its engine applies an image the next one is on its
 * way, unless they have layers in common, which the engine is better given once. Loop's thread.
 */
#pragma once

#include "client/plan/uv_facts.h"
#include "client/push/retry.h"
#include "client/push/uv_lanes.h"
#include "client/targets.h"
#include "client/view/report.h"

struct uv_target;

/* An image of a run, and what is known of it. */
struct run_image {
	const char *typed;
	struct facts facts;
	bool asking;	/* the engine is being asked */
	bool known;	/* it was once */
	struct err err; /* of the last time; ERR_NONE: none */
};

/* What the targets of a run have in common. */
struct run_shared {
	uv_loop_t *loop;
	struct engine *engine;
	struct readings *readings;
	struct run_image *images;
	size_t n_images;
	struct report *report;
	const struct key_pair *key;
	int level;
	enum engine_read read;
	const struct lanes_options *lanes;
	bool dry_run;
	uint64_t retry_for_ms;
	/* Asks the engine for the image's facts (again); uv_target_poke follows, for every target.
	 */
	void (*ask)(void *ctx, struct run_image *image);
	/* This target has nothing more to do. */
	void (*over)(void *ctx);
	void *ctx;
};

/* `target` and `shared` must outlive it; `number` is the report's. NULL when out of memory. */
struct uv_target *uv_target_new(
	const struct run_shared *shared, const struct target *target, size_t number);

/* After the loop has closed. NULL is fine. */
void uv_target_free(struct uv_target *t);

/* Goes on: to be called at the start and whenever an image's facts are there. */
void uv_target_poke(struct uv_target *t);

/* Ends what is not done with this error; `over` follows from the loop. */
void uv_target_stop(struct uv_target *t, const struct err *err);

/* Closes its handles, after `over`. */
void uv_target_close(struct uv_target *t);

/* Is it about to want this image read? */
bool uv_target_will_read(const struct uv_target *t, const struct digest *image);

/* After `over`: what became of an image. Fills all but dry_run. */
void uv_target_outcome(const struct uv_target *t, size_t image, struct report_outcome *ret);
