/*
 * The connections of one session over which segments go: the session's own one (lane 0) and up to
 * LANES_MAX - 1 more, opened while they raise the rate. Keeps what is on its way, and sends it over
 * another lane when one dies. Loop's thread; callbacks fire from the loop.
 */
#pragma once

#include "client/push/flight.h"
#include "common/base/address.h"
#include "link/uv_conn.h"

struct lanes;

/* What the user may choose. */
struct lanes_options {
	unsigned lanes;		/* 0: as many as help */
	uint64_t limit_rate;	/* bytes a second, all lanes together; 0: no limit */
	const char *congestion; /* a name of the kernel's; LANES_CONGESTION_SYSTEM; NULL: bbr on
				   long links, where there is one */
};
#define LANES_CONGESTION_SYSTEM "system"

struct lanes_config {
	uv_loop_t *loop;
	struct uv_conn *conn;		      /* lane 0, reached; the owner's */
	const struct address *address;	      /* its peer's; must outlive the lanes */
	const struct session_config *session; /* with which it was opened; copied */
	const struct lanes_options *options;  /* must outlive the lanes */
};

struct lanes_ops {
	/* lanes_takes may say yes again, or something is to be sent again. */
	void (*room)(void *ctx);
};

/* As soon as lane 0's socket is connected: on a long link others are dialled at once. ERR_USAGE:
 * the kernel does not give the congestion control that was asked for. */
int lanes_open(const struct lanes_config *config, const struct lanes_ops *ops, void *ctx,
	struct lanes **ret, struct err *err) MUST_CHECK;

/* Lane 0's handshake is done: the others may say what they are lanes of. */
void lanes_join(struct lanes *l);

/* Lane 0 was greeted with this: there may be so many. */
void lanes_welcome(struct lanes *l, const struct msg_welcome *welcome);

/* Sends again what a dead lane had, as far as there is room: whenever there may be, until the last
 * segment is acknowledged. */
void lanes_send_lost(struct lanes *l);

/* Would a segment of `len` bytes go out now? */
bool lanes_takes(struct lanes *l, size_t len);

/* Sends the segment; takes it over. lanes_takes has said yes. */
int lanes_send(struct lanes *l, struct packed *packed, struct err *err) MUST_CHECK;

/* Lane 0 was told that segments up to this one are durable. *ret_moved: some were not known to be.
 */
int lanes_acked(struct lanes *l, uint64_t number, bool *ret_moved, struct err *err) MUST_CHECK;

/* The number of the last segment sent; 0: none yet. */
uint64_t lanes_last(const struct lanes *l);

/* Raw bytes that a segment should have now, and the milliseconds so far in which one waited for the
 * link. */
bool lanes_far(const struct lanes *l); /* is it a long link? */
size_t lanes_segment_size(const struct lanes *l);
uint64_t lanes_blocked_ms(const struct lanes *l);

/* Bytes on the wire of all lanes but lane 0. */
uint64_t lanes_bytes_out(const struct lanes *l);

/* Everything was sent: the further lanes say goodbye. */
void lanes_finish(struct lanes *l);

/* No callback but `closed` fires any more; it comes from the loop. After lane 0 is done with. */
void lanes_close(struct lanes *l, void (*closed)(void *ctx), void *ctx);
