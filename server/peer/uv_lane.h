/*
 * Lanes: further connections of a session, which carry segments into its intake. A lane is a peer
 * of its own until its handshake is done, and belongs to the session's first one (its main peer)
 * from then on: it ends with it, and is paused with it. Loop's thread.
 */
#pragma once

#include "server/peer/uv_peer_impl.h"

/* The handshake of `p` claims to be a lane: finds its session, checks the proof, and greets it. */
int uv_lane_join(struct uv_peer *p, struct err *err) MUST_CHECK;

/* A message on a lane. ERR_PROTOCOL: it has no place there, and the lane ends. A segment that is
 * wrong ends the session. */
int uv_lane_message(struct uv_peer *p, const struct message *m, struct err *err) MUST_CHECK;

/* `p` is going: a lane leaves its session, a session takes its lanes along. */
void uv_lane_leave(struct uv_peer *p);

/* Stops reading from all connections of the session while its intake is full. */
void uv_lane_pause(struct uv_peer *main);
