/* How fast this machine does what dray does with every byte. Blocking, 0.4 s each at
 * most; any thread. */
#pragma once

#include "common/base/err.h"

#define SPEED_SAMPLE_MAX (1u << 20)

/* Real bytes to measure with: a program's. */
struct speed_sample {
	uint8_t *bytes;
	size_t n;
};

/* The sample out of this program's own file; for speed_sample_done. */
int speed_sample_take(struct speed_sample *ret, struct err *err) MUST_CHECK;
void speed_sample_done(struct speed_sample *s);

/* Bytes of the sample in a second of a core's time; 0: it cannot be done here. */
double speed_sha256(const struct speed_sample *s);
double speed_sealing(const struct speed_sample *s);
double speed_zstd(const struct speed_sample *s, int level, double *ret_ratio);
