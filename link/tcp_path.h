/* What the kernel knows of the way to a peer, and which congestion control it uses there. `fd` is a
 * TCP socket. */
#pragma once

#include "common/base/err.h"

struct tcp_path {
	uint64_t rtt_us;	      /* smoothed round trip */
	uint64_t acked_bytes;	      /* that the peer's kernel has */
	uint64_t sent, retransmitted; /* segments of TCP */
};

/* False where the kernel does not tell; *ret is zero then. */
bool tcp_path_look(int fd, struct tcp_path *ret);

/* Asks the kernel for this congestion control on the connection. ERR_NOT_FOUND: it has none of that
 * name; ERR_REFUSED: it does not let this user have it. */
int tcp_path_congestion(int fd, const char *name, struct err *err) MUST_CHECK;

/* No more than this waits in the kernel behind what is on its way: what is written late can still
 * go another way. */
void tcp_path_keep_short(int fd, unsigned bytes);
