/* Segments that were sent and not acknowledged: their numbers and how many bytes they are. Pure. */
#pragma once

#include "common/base/err.h"

struct flight_segment;

struct flight {
	struct flight_segment *first, **last;
	uint64_t number; /* of the last segment sent; they count from 1 */
	size_t bytes;	 /* not acknowledged */
};

void flight_init(struct flight *f);
void flight_done(struct flight *f);

/* A segment of n bytes is about to be sent: gives its number. */
int flight_add(struct flight *f, size_t n, uint64_t *ret_number, struct err *err) MUST_CHECK;

/* Segments up to this number are durable. One that was never sent is ERR_PROTOCOL. */
int flight_acked(struct flight *f, uint64_t number, struct err *err) MUST_CHECK;
