/*
 * Pushes one image from an engine to one connected target. Loop's thread; ends in exactly one
 * `over`. What it leaves in `struct push_past` lets the next try, on another connection, go on with
 * the same account.
 */
#pragma once

#include "client/level.h"
#include "client/uv_lanes.h"
#include "common/engine/engine.h"
#include "link/uv_conn.h"

struct push;

/* What the tries of one push have in common. The owner zeroes it, gives it `sizes` of n_diff_ids
 * and one for the config, all 0, and frees them. */
struct push_past {
	uint64_t *sizes; /* of the tars that were begun; 0: not yet */
	bool answered;	 /* an offer was: the next three are what it was told, before any of this */
	bool image_present, config_present;
	size_t layers_skipped;
	uint64_t bytes_read; /* of layers, each one once */
	uint64_t applied;    /* the most bytes that the target's engine was given in one try */
	bool full_names;     /* short names were not enough */
	bool by_api;	     /* the engine's files could not be read */
};

struct push_config {
	uv_loop_t *loop;
	struct engine *engine;
	struct uv_conn *conn; /* ready; the owner passes its messages on */
	struct lanes *lanes;  /* of that session; the owner's, and passes room on */
	const struct engine_info *info;
	const struct engine_image *image; /* must outlive the push */
	const uint64_t *layer_sizes;	  /* of its layers (engine_layer_sizes); NULL: unknown */
	const char *const *tags;	  /* wanted at the target */
	uint16_t n_tags;
	uint32_t job; /* 0 and up in a session */
	int level;    /* zstd's; 0: none; LEVEL_AUTO */
	enum engine_read read;
	bool dry_run;
	struct push_past *past; /* must outlive the push */
};

struct push_result {
	bool answered;	    /* this try's offer was */
	bool engine_failed; /* it was this end's engine */
	bool other_form;    /* the next try uses full names, or the API, which mends it */
	size_t layers, layers_skipped, tags;
	bool image_present, config_present;
	uint64_t bytes_total; /* the image's size as the engine counts it */
	uint64_t bytes_read;  /* of layers that were read */
};

/* What is going on, for progress. */
enum push_phase { PUSH_ASKING, PUSH_SENDING, PUSH_APPLYING };

struct push_ops {
	void (*phase)(void *ctx, enum push_phase phase);
	/* Raw bytes of blobs that are settled, and of those that begun; at any moment. Layers that
	 * an earlier try had finished count as both. */
	void (*progress)(void *ctx, uint64_t settled, uint64_t begun);
	/* The target has something that it had in no earlier try. */
	void (*moved)(void *ctx);
	void (*note)(void *ctx, const char *text);
	/* `err` NULL: done. The push is gone after the call. */
	void (*over)(void *ctx, const struct push_result *result, const struct err *err);
};

int push_start(const struct push_config *config, const struct push_ops *ops, void *ctx,
	struct push **ret, struct err *err) MUST_CHECK;

/* A message from the target. -1 is the connection's end (and `over` follows from push_lost). */
int push_message(struct push *p, const struct message *m, struct err *err) MUST_CHECK;

/* uv_conn_room grew, or the lanes may take more. */
void push_room(struct push *p);

/* The connection is gone, or the user stopped: ends with this error. */
void push_lost(struct push *p, const struct err *err);
