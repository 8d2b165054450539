/*
 * Lanes: further connections of one session, which carry segments. How one proves that it belongs
 * to the session. README.md section 7.1. Pure.
 */
#pragma once

#include "protocol/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define LANE_ID_LEN 16u
#define LANE_SECRET_LEN 32u

/* What the initiator knows of the session that a further connection is to belong to. */
struct lane_key {
	uint8_t session[LANE_ID_LEN];	 /* lane 0's session id */
	uint16_t number;		 /* 1 to LANES_MAX - 1; 0: this is no lane */
	uint8_t secret[LANE_SECRET_LEN]; /* session_lane_secret of lane 0 */
};

/* What a connection claims to be. */
struct lane_claim {
	uint8_t session[LANE_ID_LEN];
	uint16_t number; /* 0: no lane */
	uint8_t proof[LANE_SECRET_LEN];
};

/* `connection` is the session id of the further connection itself, which its responder has just
 * drawn: a claim is good for that connection only. */
void lane_claim(
	const struct lane_key *key, const uint8_t connection[LANE_ID_LEN], struct lane_claim *ret);

/* True when the claim was made with this secret, for this connection. In constant time. */
bool lane_check(const struct lane_claim *claim, const uint8_t connection[LANE_ID_LEN],
	const uint8_t secret[LANE_SECRET_LEN]);
