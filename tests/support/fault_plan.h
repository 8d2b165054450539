/*
 * What goes wrong on which connection, and at which byte: drawn from a seed, so that the same seed
 * means the same faults whatever the timing. Pure.
 */
#pragma once

#include "common/base/err.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_CUT,   /* both sides closed */
	FAULT_RESET, /* both sides reset */
	FAULT_STALL, /* nothing read nor written any more, for a time or for good; sockets stay */
	FAULT_DELAY, /* this direction waits, then goes on */
	FAULT_KINDS
};

/* From the side that connected, and to it. */
enum fault_direction { FAULT_UP, FAULT_DOWN, FAULT_DIRECTIONS };

struct fault {
	enum fault_kind kind;
	enum fault_direction direction;
	uint64_t byte; /* strikes when so many have passed in that direction */
};

struct fault_plan {
	uint64_t seed;
	bool kinds[FAULT_KINDS];	 /* what may be drawn; none: nothing is */
	uint64_t span[FAULT_DIRECTIONS]; /* bytes to spread faults over; 0: none there */
	unsigned early;			 /* of 100 faults so many gather at the first bytes */
};

/* The `nth` fault of that connection. */
struct fault fault_draw(const struct fault_plan *p, uint64_t connection, uint64_t nth);

/* "cut,stall": ERR_USAGE names a kind that is none. */
int fault_parse_kinds(const char *s, bool ret[FAULT_KINDS], struct err *err) MUST_CHECK;

/* "up:1000:cut" */
int fault_parse(const char *s, struct fault *ret, struct err *err) MUST_CHECK;

const char *fault_kind_name(enum fault_kind kind);
const char *fault_direction_name(enum fault_direction direction);
