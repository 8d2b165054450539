/*
 * How far one image has come at one target: what is known of its layers, and how fast bytes go.
 * Kept over all tries; pure, times are passed in, in milliseconds of any monotonic clock.
 */
#pragma once

#include "common/base/base.h"
#include "common/chunk/digest.h"

enum layer_state {
	LAYER_WAITING,	  /* to be read */
	LAYER_THERE,	  /* the target has had it before any of this */
	LAYER_REPEATED,	  /* the same as one below it */
	LAYER_READING,	  /* read, and sent where the target lacks it */
	LAYER_REBUILDING, /* sent; the target has not put it together yet */
	LAYER_DONE,
};

struct layer_progress {
	struct digest id; /* diffID */
	enum layer_state state;
	uint64_t size; /* of its tar; until it was begun what its files have, 0: unknown */
	uint64_t done; /* bytes of it that are settled: packed, or there; the most of any try */
	bool begun;    /* in some try: `size` is exact */
};

#define RATE_SAMPLES 10
#define RATE_SAMPLE_MS 500u /* so the rate is that of the last 5 s */

struct rate {
	uint64_t at_ms[RATE_SAMPLES], bytes[RATE_SAMPLES];
	size_t n, next;
};

/* So many bytes were done at that time. Few calls or many: it keeps one sample for each interval.
 */
void rate_add(struct rate *r, uint64_t bytes, uint64_t now_ms);

/* Bytes a second of late, 0 when that cannot be told yet or nothing moved. */
uint64_t rate_now(const struct rate *r, uint64_t bytes, uint64_t now_ms);

/* Seconds that so many bytes take at that rate; negative: who knows. */
double rate_left(uint64_t bytes_per_second, uint64_t bytes);

struct progress_sum {
	uint64_t done, total; /* bytes of the layers that are to be read */
	size_t layers;	      /* all, repeated ones too */
	size_t there;	      /* before, repeated ones of those too */
	size_t moved;	      /* of the rest: done */
	bool exact;	      /* the size of every layer is known */
};

struct progress_sum progress_sum(const struct layer_progress *layers, size_t n);
