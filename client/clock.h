/* A clock for how long things take. Any thread. */
#pragma once

#include <time.h>

/* Seconds since some moment in the past, which does not change while the program runs. */
static inline double clock_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
