/*
 * How hard to compress: zstd's level, from what holds a transfer up. While segments wait for the
 * link, a better compression is worth its time; while the link waits for segments, it is not. Pure;
 * time is passed in.
 */
#pragma once

#include "common/base/base.h"

#include <stdint.h>

#define LEVEL_AUTO (-1)
#define LEVEL_NEAR 1 /* where it begins, on a short link… */
#define LEVEL_FAR 3  /* …and on a long one */
#define LEVEL_WINDOW_MS 250u

struct level {
	bool fixed;
	int now;			       /* 0: none */
	unsigned at;			       /* among the steps */
	unsigned top;			       /* the step that was too much for the processor… */
	uint64_t top_until_ms;		       /* …and how long it counts as that */
	uint64_t from_ms, blocked_ms, busy_ms; /* of the window */
};

/* `fixed`: the user's level, LEVEL_AUTO: whatever pays. `blocked_ms`: as level_look, so far. */
void level_start(struct level *l, int fixed, bool far, uint64_t now_ms, uint64_t blocked_ms);

/* Both totals in milliseconds: for how long segments have waited for the link, and for how long the
 * compressing thread was busy. */
void level_look(struct level *l, uint64_t now_ms, uint64_t blocked_ms, uint64_t busy_ms);
