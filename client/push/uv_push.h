/*
 * Pushes one image from an engine to one connected target. Loop's thread; ends in exactly one
 * `over`. What it leaves in `struct push_past` lets the next try, on another connection, go on with
 * the same account. Pushes of several images may follow each other in a session, each when the one
 * before it has sent everything (push_sent_all).
 */
#pragma once

#include "client/push/level.h"
#include "client/push/uv_lanes.h"
#include "client/push/uv_reading.h"
#include "client/view/progress.h"
#include "link/uv_conn.h"

struct push;

/* What the tries of one push have in common: push_past_init, push_past_done. */
struct push_past {
	struct layer_progress *layers; /* n_layers, and one for the config */
	size_t n_layers;
	bool answered; /* an offer was: the next three are what it was told, before any of this */
	bool image_present, config_present;
	size_t layers_skipped;
	uint64_t bytes_read; /* of layers, each one once */
	uint64_t applied;    /* the most bytes that the target's engine was given in one try */
	bool full_names;     /* short names were not enough */
	bool by_api;	     /* the engine's files were not what they should be */
	bool alone;	     /* it fell behind others and reads for itself */
};

/* `sizes` of the layers' files, NULL: unknown. */
int push_past_init(struct push_past *past, const struct engine_image *image, const uint64_t *sizes,
	struct err *err) MUST_CHECK;
void push_past_done(struct push_past *past);

struct push_config {
	uv_loop_t *loop;
	struct readings *readings;
	struct uv_conn *conn; /* ready; the owner passes its messages on */
	struct lanes *lanes;  /* of that session; the owner takes its acknowledgements */
	const struct engine_info *info;
	const struct engine_image *image; /* must outlive the push */
	const uint64_t *layer_sizes;	  /* of its layers (engine_layer_sizes); NULL: unknown */
	const char *const *tags;	  /* wanted at the target */
	uint16_t n_tags;
	uint32_t job;	     /* 0 and up in a session */
	uint32_t first_blob; /* as push_next_blob of the push before it in the session, or 0 */
	int level;	     /* zstd's; 0: none; LEVEL_AUTO */
	enum engine_read read;
	bool dry_run;
	struct push_past *past; /* must outlive the push */
};

struct push_result {
	bool answered;	    /* this try's offer was */
	bool engine_failed; /* it was this end's engine */
	bool other_form;    /* the next try uses full names, which mends it */
	bool behind;	    /* it held others up; the next try reads for itself */
	bool sent_all;	    /* nothing that was asked or sent is open */
	size_t layers, layers_skipped, tags;
	struct digest target_id; /* what the target's engine calls the image; zeros: not done */
	bool image_present, config_present;
	uint64_t bytes_total; /* the image's size as the engine counts it */
	uint64_t bytes_read;  /* of layers that were read */
};

/* What is going on, for progress. */
enum push_phase { PUSH_ASKING, PUSH_SENDING, PUSH_APPLYING };

struct push_ops {
	void (*phase)(void *ctx, enum push_phase phase);
	/* past->layers changed. */
	void (*progress)(void *ctx);
	/* The target has something that it had in no earlier try. */
	void (*moved)(void *ctx);
	void (*note)(void *ctx, const char *text);
	/* The target said something for people. */
	void (*said)(void *ctx, const char *text);
	/* `err` NULL: done. The push is gone after the call. */
	void (*over)(void *ctx, const struct push_result *result, const struct err *err);
};

int push_start(const struct push_config *config, const struct push_ops *ops, void *ctx,
	struct push **ret, struct err *err) MUST_CHECK;

/* A message from the target for this push: one that names its job or a blob of it (push_has_blob).
 * -1 is the connection's end (and `over` follows from push_lost). */
int push_message(struct push *p, const struct message *m, struct err *err) MUST_CHECK;

/* uv_conn_room grew, the lanes may take more, or segments were acknowledged. */
void push_room(struct push *p);

/* The connection is gone, or the user stopped: ends with this error. */
void push_lost(struct push *p, const struct err *err);

uint32_t push_job(const struct push *p);
bool push_has_blob(const struct push *p, uint32_t blob);

/* The number that the session's next blob gets. Right when push_sent_all, or when it is over. */
uint32_t push_next_blob(const struct push *p);

bool push_offering(const struct push *p); /* the offer is not answered */
bool push_all_read(const struct push *p); /* this end's engine has no more to do for it */

/* Everything is sent and every question answered; the target's engine has the rest to do. */
bool push_sent_all(const struct push *p);
