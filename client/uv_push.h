/*
 * Pushes one image from an engine to one connected target. Loop's thread; ends in exactly one
 * `over`.
 */
#pragma once

#include "common/engine/engine.h"
#include "link/uv_conn.h"

struct push;

struct push_config {
	uv_loop_t *loop;
	struct engine *engine;
	struct uv_conn *conn; /* ready; the owner passes its messages on */
	const struct engine_info *info;
	const struct engine_image *image; /* must outlive the push */
	const char *const *tags;	  /* wanted at the target */
	uint16_t n_tags;
	uint32_t job; /* 0 and up in a session */
	int level;    /* zstd's; 0: none */
	bool dry_run;
	bool full_names; /* after a push_result.again */
};

struct push_result {
	bool again;	      /* failed, and worth another try on a new session… */
	bool need_full_names; /* …with full_names */
	size_t layers, layers_skipped, tags;
	bool image_present, config_present;
	uint64_t bytes_total; /* the image's size as the engine counts it */
	uint64_t bytes_read;  /* of layers that were read */
};

/* What is going on, for progress. */
enum push_phase { PUSH_ASKING, PUSH_SENDING, PUSH_APPLYING };

struct push_ops {
	void (*phase)(void *ctx, enum push_phase phase);
	/* Raw bytes of blobs that are settled, and of those that begun; at any moment. */
	void (*progress)(void *ctx, uint64_t settled, uint64_t begun);
	void (*note)(void *ctx, const char *text);
	/* `err` NULL: done. The push is gone after the call. */
	void (*over)(void *ctx, const struct push_result *result, const struct err *err);
};

int push_start(const struct push_config *config, const struct push_ops *ops, void *ctx,
	struct push **ret, struct err *err) MUST_CHECK;

/* A message from the target. -1 is the connection's end (and `over` follows from push_lost). */
int push_message(struct push *p, const struct message *m, struct err *err) MUST_CHECK;

/* uv_conn_room grew. */
void push_room(struct push *p);

/* The connection is gone, or the user stopped: ends with this error. */
void push_lost(struct push *p, const struct err *err);
