/*
 * How many lanes a transfer should have, and how large its segments should be: from round trips,
 * rates and losses. Pure; time is passed in.
 *
 * A link that is near and clean is filled by one connection. On a long one each connection is held
 * to a window by its losses, so several carry more; they are added while that raises the rate.
 */
#pragma once

#include "common/base/base.h"

#include <stdint.h>

#define LANE_PLAN_FAR_US 5000u	    /* a round trip from which a link counts as long */
#define LANE_PLAN_FIRST 4u	    /* lanes of a long link */
#define LANE_PLAN_WINDOW_MS 500u    /* rates are compared over so long at least */
#define LANE_PLAN_GAIN_PERCENT 115u /* of the rate before, for more lanes to have been worth it */

struct lane_plan {
	unsigned wanted, most;
	bool settled; /* the number is given, or more have not helped */
	uint64_t rtt_us;
	uint64_t window_from_ms, window_bytes, blocked_ms; /* the window that is being measured */
	bool measuring;
	uint64_t rate_before; /* bytes a second, with fewer lanes; 0: not measured */
	uint64_t rate;	      /* of the last window */
};

/* `fixed`: the user's number, 0: as many as help, `most` at most. */
void lane_plan_start(struct lane_plan *p, unsigned fixed, unsigned most, uint64_t rtt_us);

/* The peer takes no more than `most`. */
void lane_plan_limit(struct lane_plan *p, unsigned most);

struct lane_sample {
	uint64_t now_ms;
	uint64_t acked_bytes;	/* by all lanes since the session began */
	uint64_t blocked_ms;	/* time in which segments waited for the link, likewise */
	uint64_t retransmitted; /* TCP segments, likewise */
	unsigned open;		/* lanes that carry now */
	bool own_congestion;	/* a congestion control that loss does not slow down */
};

/* At least twice in a window, while segments are sent. */
void lane_plan_look(struct lane_plan *p, const struct lane_sample *s);

/* Raw bytes of a segment: so many that a lane is done with it soon. */
size_t lane_plan_segment(const struct lane_plan *p, unsigned open);
