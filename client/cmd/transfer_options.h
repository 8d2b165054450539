/* The options of commands that send something over a link: how it is read, packed and sent. Main
 * thread. */
#pragma once

#include "client/push/retry.h"
#include "client/push/uv_lanes.h"
#include "common/base/options.h"
#include "common/engine/engine.h"

struct transfer_options {
	const char *read, *compress, *lanes, *congestion;
	uint64_t retry_for, limit_rate;
};

#define TRANSFER_DEFAULTS                                                                          \
	{                                                                                          \
		.read = "auto", .retry_for = RETRY_FOR_SECONDS                                     \
	}

/* Rows of an option table; `o` points to the options. */
#define TRANSFER_ROWS(o)                                                                           \
	{ "read", 0, OPTION_TEXT, &(o)->read, "HOW",                                               \
		"direct: the engine's own files; api: through it; auto (the default)" },           \
		TRANSFER_LINK_ROWS(o)

/* Without what is about reading images. */
#define TRANSFER_LINK_ROWS(o)                                                                      \
	{ "compress", 0, OPTION_TEXT, &(o)->compress, "LEVEL",                                     \
		"auto (the default), none, or zstd's 1 to 19" },                                   \
		{ "limit-rate", 0, OPTION_SIZE, &(o)->limit_rate, "RATE",                          \
			"bytes a second on the wire at most, as 500k or 10M" },                    \
		{ "lanes", 0, OPTION_TEXT, &(o)->lanes, "N",                                       \
			"connections: auto (the default: as many as help), or 1 to 16" },          \
		{ "congestion", 0, OPTION_TEXT, &(o)->congestion, "NAME",                          \
			"TCP's congestion control: auto (bbr on long links), system, or its "      \
			"name" },                                                                  \
	{                                                                                          \
		"retry-for", 0, OPTION_SECONDS, &(o)->retry_for, "TIME",                           \
			"give up after so long without a session (default 2m; 0: at once)"         \
	}

/* What they say. ERR_USAGE. */
int transfer_take(const struct transfer_options *o, struct lanes_options *ret_lanes,
	enum engine_read *ret_read, int *ret_level, struct err *err) MUST_CHECK;

uint64_t transfer_retry_ms(const struct transfer_options *o);
