/*
 * Whether a push that failed is to be tried again, and when. Pure: times are passed in, in
 * milliseconds of any monotonic clock.
 *
 * Patience is for the time without a session: while the target is connected and works, nothing is
 * used up, and whatever is new (a segment acknowledged, a phase reached, bytes that its engine
 * took) gives all of it back. So a link that keeps failing but moves on is never given up.
 */
#pragma once

#include "common/base/err.h"

#define RETRY_FOR_SECONDS 120u /* --retry-for's default */

#define RETRY_SOON_MS 250u   /* the first wait after a link that had worked, or an ERR_AGAIN */
#define RETRY_FIRST_MS 1000u /* the first wait for a target that has not answered yet */
#define RETRY_MOST_MS 10000u /* waits double up to this */

/* Without anything new: failures behind the offer that may follow each other, since each of them
 * may cost a whole reading of the image; and handshakes that end like a refusal, until it is
 * believed to be one (a receiver that says no just closes, and so does a link that is cut). */
#define RETRY_LATE_MAX 8u
#define RETRY_DOUBTS_MAX 2u

struct retry {
	uint64_t patience_ms; /* 0: nothing that costs waiting is tried again */
	uint64_t used_ms;     /* without a session, since there was something new */
	uint64_t since_ms;    /* when the session was lost */
	bool connected;
	uint64_t next_ms; /* the next wait; 0: the first one */
	unsigned late, doubts;
};

struct retry_failure {
	const struct err *err;
	bool worked;	 /* the connection was welcomed */
	bool late;	 /* the offer had been answered */
	bool unsaid;	 /* ERR_REFUSED, but not in words */
	bool other_form; /* the next try is made another way, which mends it: no wait */
};

/* The first attempt to connect begins now. */
void retry_start(struct retry *r, uint64_t patience_ms, uint64_t now_ms);

/* The target has welcomed this end. */
void retry_connected(struct retry *r, uint64_t now_ms);

/* There is something new. */
void retry_moved(struct retry *r);

/* An attempt ended. True: another one is to begin in *ret_wait_ms, at most RETRY_MOST_MS. `random`
 * is any number; it spreads agents that were cut off together. */
bool retry_failed(struct retry *r, const struct retry_failure *f, uint64_t now_ms, uint64_t random,
	uint64_t *ret_wait_ms) MUST_CHECK;

/* Of the patience: what is used up, and what is left. */
uint64_t retry_used(const struct retry *r, uint64_t now_ms);
uint64_t retry_left(const struct retry *r, uint64_t now_ms);
