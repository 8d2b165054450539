/*
 * What comes out of an engine's `save`, cut into blobs and batches on the save's thread and handed
 * to the loop in order. Memory is bounded by the window.
 */
#pragma once

#include "client/push/window.h"
#include "common/base/queue.h"
#include "common/chunk/splitter.h"
#include "common/engine/engine.h"
#include "protocol/sender.h"

enum source_kind { SOURCE_BEGIN, SOURCE_BATCH, SOURCE_END, SOURCE_NOTE };

struct source_item {
	enum source_kind kind;
	uint32_t blob;
	enum blob_role role; /* BEGIN */
	bool digest_known;   /* BEGIN */
	struct digest digest;
	uint64_t size;	     /* BEGIN, END */
	struct batch *batch; /* BATCH: the taker's, who gives its weight back to the window */
	char *text;	     /* NOTE */
};

void source_item_free(struct source_item *i);

struct source;

/* `wake` fires on any thread when an item is there after there was none. NULL with `err` on
 * failure. */
struct source *source_new(struct window *window, queue_wake_fn *wake, void *ctx, struct err *err);

/* Not while the save's thread may still call. NULL is fine. */
void source_free(struct source *s);

/* Which layers (each diffID once) and whether the config are to be read. Before the save starts. */
int source_want(struct source *s, const struct digest *diff_ids, size_t n, bool config,
	struct err *err) MUST_CHECK;

/* True when a wanted layer, or the config, has not come yet. */
bool source_wants_more(const struct source *s);

bool source_wants_config(const struct source *s);

/* The sink for engine_save_start; its ctx is the source. */
extern const struct engine_save_sink source_sink;

/* The config was found elsewhere: as if the save had delivered it. Before the save starts, or
 * without one. */
int source_give_config(struct source *s, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* The next item, NULL when there is none now. Loop's thread. */
struct source_item *source_take(struct source *s);

/* Wakes a thread that waits inside the sink and makes it fail. */
void source_stop(struct source *s);
