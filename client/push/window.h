/*
 * How many bytes of batches may be in memory between the thread that reads and the loop that asks
 * and packs: the reader takes, whoever frees a batch gives back. This is the bound on the agent's
 * memory and the back-pressure on the engine's socket.
 */
#pragma once

#include "common/base/base.h"

/* By who takes from it: one target, several, one that reads for itself because it was late or slow.
 */
#define WINDOW_BYTES (32u << 20)
#define WINDOW_SHARED_BYTES (64u << 20)
#define WINDOW_ALONE_BYTES (16u << 20)

struct window;

struct window *window_new(uint64_t max); /* NULL when out of memory */
void window_free(struct window *w);

/* Waits until less than `max` is taken, then takes n (so that one oversized item still passes).
 * False once closed. Any thread. */
bool window_take(struct window *w, uint64_t n) MUST_CHECK;
void window_give(struct window *w, uint64_t n);

/* Nothing can be taken now. */
bool window_full(struct window *w);

/* Wakes everybody; nothing can be taken any more. */
void window_close(struct window *w);
