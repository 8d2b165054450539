/*
 * Hands what one reading brings to several takers, each at its own pace: every batch is read once,
 * and freed, and its room in the window given back, when the last taker lets go of it (batch_free).
 * Pure but for the source's own thread; everything here on the loop's.
 */
#pragma once

#include "client/push/source.h"

/* A taker that is so far behind the fastest holds the others up, as does one that is behind at all
 * (by what is no jitter) for so long while the window is full. */
#define LAG_BYTES_MAX (64u << 20)
#define LAG_MS_MAX 5000u
#define LAG_BYTES_LEAST (4u << 20)

struct fanout;
struct taker;

/* What a taker lacks: layers by diffID, each once, and perhaps the config. */
struct taker_wants {
	const struct digest *layers;
	size_t n_layers;
	bool config;
};

/* `window` bytes may be in memory; `wake` as source_new's. NULL with `err` on failure. */
struct fanout *fanout_new(uint64_t window, queue_wake_fn *wake, void *wake_ctx, struct err *err);

/* Every taker has left and the save's thread is out of the source. What takers still hold keeps its
 * memory until they let go of it. NULL is fine. */
void fanout_free(struct fanout *f);

/* For engine_save_start and source_stop. */
struct source *fanout_source(const struct fanout *f);

/* Before fanout_open. The taker is gone with taker_leave. */
int fanout_join(struct fanout *f, const struct taker_wants *wants, struct taker **ret,
	struct err *err) MUST_CHECK;

/* Tells the source what all takers together want. Before the save starts. */
int fanout_open(struct fanout *f, struct err *err) MUST_CHECK;

/* Moves what the source has to its takers. */
int fanout_pull(struct fanout *f, struct err *err) MUST_CHECK;

/* Who is to leave because it holds the others up; NULL: nobody. To be asked a few times a second.
 */
struct taker *fanout_laggard(struct fanout *f, uint64_t now_ms);

/* The next item, for source_item_free; NULL: none now. */
struct source_item *taker_take(struct taker *t);

/* Drops what was not taken yet. NULL is fine. */
void taker_leave(struct taker *t);

/* Bytes that were given to this taker and that it has not let go of. */
uint64_t taker_held(const struct taker *t);
