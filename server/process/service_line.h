/*
 * What passes between the supervisor and its children: words, each a message of its own on a
 * SOCK_SEQPACKET socket, of which one carries two descriptors. Never blocks. Any thread.
 */
#pragma once

#include "common/base/err.h"

#include <sys/types.h>

enum line_word {
	/* to a child */
	LINE_PORT = 1, /* with new ends of the engine port: control, bodies */
	LINE_RELOAD,
	LINE_STOP, /* finish what can be finished soon */
	LINE_STOP_NOW,

	/* to the supervisor */
	LINE_ALIVE,
	LINE_READY,
	LINE_RELOADED, /* what LINE_RELOAD asked for is done */
};

#define LINE_FDS 2 /* descriptors that LINE_PORT carries */

/* A new line: both ends close-on-exec and non-blocking. */
int line_make(int ret[2], struct err *err) MUST_CHECK;

/* `fds`: the LINE_FDS descriptors of LINE_PORT, which stay the caller's; NULL for other words.
 * False when the line is broken, or so full that its reader must have stopped reading. */
bool line_send(int line, enum line_word word, const int *fds);

enum line_outcome { LINE_WORD, LINE_EMPTY, LINE_BROKEN };

/* Takes one word off the line. The descriptors of LINE_PORT (close-on-exec) become the caller's;
 * those of a message that should have none are closed. LINE_EMPTY: nothing is there just now.
 * LINE_BROKEN: the other end is gone, or what it said is no word. */
enum line_outcome line_take(int line, enum line_word *ret, int ret_fds[LINE_FDS]) MUST_CHECK;
