/* What uv_target.c (tries), uv_target_session.c (the connection) and uv_target_images.c (one image
 * after another) share. */
#pragma once

#include "client/push/uv_target.h"
#include "link/uv_reach.h"

enum pair_stage { STAGE_TO_DO, STAGE_UNDER_WAY, STAGE_DONE, STAGE_FAILED };

/* One image at this target. */
struct pair {
	struct uv_target *target;
	struct run_image *image;
	struct pair_progress *shown;
	enum pair_stage stage;
	struct push_past past; /* of all tries; layers NULL: no try yet */
	struct push *push;     /* NULL when none runs */
	enum push_phase furthest;
	struct push_result result;
	struct err err; /* why it failed for good */
	uint64_t bytes_sent;
};

struct uv_target {
	const struct run_shared *s;
	const struct target *target;
	struct pair *pairs;
	size_t n_pairs;

	uv_timer_t wait; /* for the next try */
	struct retry retry;
	bool patient;	/* `retry` is started */
	unsigned tries; /* begun connections */

	/* Of this try. */
	struct uv_reach *reach; /* NULL when not connected */
	struct lanes *lanes;	/* of that connection; NULL before it is reached */
	uint32_t next_job, next_blob;
	bool ready;	      /* for messages */
	bool welcomed, heard; /* anything from the target */
	bool answered;	      /* an offer was, of the pair that failed */
	bool unsettled;	      /* a push was broken off in the middle: its answers still come */
	bool finishing;	      /* goodbye was said */
	uint64_t charged;     /* bytes of the session that are in a pair's account */
	struct pair *payer;   /* who the next ones belong to */
	struct err err;	      /* why it ends */
	struct pair *failed;  /* which pair's failure that is; NULL: the connection's */
	bool hopeless;	      /* whatever the error's code says elsewhere */
	bool engine_failed;   /* it was this end's */
	bool other_form;      /* the next try is made another way */
	bool renew;	      /* the session has to be another one before the next image */

	bool waiting; /* for the next one */
	bool over, closed;
};

/* --- uv_target.c --- */

/* After an end of something: starts what is next, ends the try, or all. */
void uv_target_step(struct uv_target *t);

/* The try cannot go on; the first reason counts. */
void uv_target_fail(struct uv_target *t, struct pair *pair, const struct err *err);

/* --- uv_target_session.c --- */

/* One connection to the target, made ready for a session. */
void uv_target_connect(struct uv_target *t);

/* Says goodbye, if anybody is there to hear it. */
void uv_target_finish(struct uv_target *t);

/* Puts what the session has sent by now into the payer's account, and lets `next` pay from here. */
void uv_target_charge(struct uv_target *t, struct pair *next);

/* --- uv_target_images.c --- */

/* Starts the next image if it is its turn. */
void uv_target_next_image(struct uv_target *t);

/* The next image that is to be started; those before it that cannot be had are failed. NULL: none.
 */
struct pair *uv_target_next_pair(struct uv_target *t);

bool uv_target_busy(const struct uv_target *t); /* a push runs */

int uv_target_message(struct uv_target *t, const struct message *m, struct err *err) MUST_CHECK;

void uv_target_pair_failed(struct uv_target *t, struct pair *pair, const struct err *err);
