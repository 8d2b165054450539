/*
 * The block of progress lines as text: which lines there are, which of them fit, and each of them
 * cut to the terminal's width. Pure.
 */
#pragma once

#include "client/view/progress.h"
#include "client/view/terminal_line.h"

enum pair_state {
	PAIR_WAITING, /* its turn comes */
	PAIR_CONNECTING,
	PAIR_ASKING,
	PAIR_SENDING,
	PAIR_APPLYING,
	PAIR_RETRYING, /* waits to try again */
	PAIR_DONE,
	PAIR_FAILED,
};

#define PAIR_NAME_MAX 800

/* One image at one target, as it is shown. */
struct pair_progress {
	char image[PAIR_NAME_MAX]; /* escaped */
	const char *target;
	enum pair_state state;
	bool begun;			     /* it was its turn */
	const struct layer_progress *layers; /* n_layers, and the config; NULL: not known yet */
	size_t n_layers;
	struct rate rate;
	uint64_t started_ms, ended_ms, state_ms; /* since when it is in that state */
	uint64_t told_ms;			 /* the last JSON event */
};

/* The word for a state, as --json has it: "sending". */
const char *pair_state_word(enum pair_state s);

/* What --json and the result count: bytes done and to be done, layers. */
struct progress_sum pair_sum(const struct pair_progress *p);

/* Is something under way? */
bool pair_active(const struct pair_progress *p);

/* Bytes of layers are on their way. */
bool pair_moves(const struct pair_progress *p);

/* "40MB of 100MB, 8.1MB/s, 7.4s left" and the like, by state, for a line of progress. */
#define PAIR_TEXT_MAX 128
char *pair_text(char ret[PAIR_TEXT_MAX], const struct pair_progress *p, uint64_t now_ms);

/* Fills at most `rows` lines (style, width and max already set) and returns how many. What does not
 * fit is counted in the last one; what is under way goes first. */
#define SCREEN_ROWS_MAX 64u
unsigned screen_compose(struct terminal_line *lines, unsigned rows,
	const struct pair_progress *pairs, size_t n, uint64_t now_ms);
