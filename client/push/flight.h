/*
 * Segments that were sent and are not acknowledged: how many bytes, the number of the last one, and
 * what has to be sent again when a lane dies. Loop's thread.
 */
#pragma once

#include "client/push/uv_packer.h"

struct flight_segment {
	struct flight_segment *next;
	uint64_t number;
	size_t len;
	uint16_t lane;	       /* over which it went */
	bool lost;	       /* that lane is gone: it is to be sent again */
	struct packed *packed; /* kept for that; NULL: with its lane, the session ends */
};

struct flight {
	struct flight_segment *first, **last;
	size_t bytes, count;
	size_t lost;
	uint64_t number; /* of the last one; 0: none yet */
};

void flight_init(struct flight *f);
void flight_done(struct flight *f);

/* Is there room for a segment of `len` bytes within the protocol's limits? */
bool flight_takes(const struct flight *f, size_t len);

/* A segment of `len` bytes went out over `lane`, with the next number. Takes over `packed` (NULL:
 * it is not kept). */
int flight_add(struct flight *f, size_t len, uint16_t lane, struct packed *packed,
	struct err *err) MUST_CHECK;

/* Up to this number all are durable at the target. ERR_PROTOCOL for one that was not sent. */
int flight_acked(struct flight *f, uint64_t number, struct err *err) MUST_CHECK;

/* What went over this lane and is not acknowledged is lost. */
void flight_lane_died(struct flight *f, uint16_t lane);

/* The first lost one, NULL when there is none; and that it goes out again, over `lane`. */
struct flight_segment *flight_first_lost(const struct flight *f);
void flight_sent_again(struct flight *f, struct flight_segment *s, uint16_t lane);
