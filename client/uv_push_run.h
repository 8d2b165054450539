/*
 * A whole `dray push` of one image: the engine, the target, the push, another try where that helps.
 * Runs a loop of its own until all is done.
 */
#pragma once

#include "client/report.h"
#include "client/targets.h"
#include "client/uv_lanes.h"

struct push_run_options {
	const char *image;  /* as typed */
	const char *engine; /* -H, or NULL */
	const struct key_pair *key;
	const struct target *target;
	int level; /* zstd's; 0: none; LEVEL_AUTO */
	struct lanes_options lanes;
	enum engine_read read;
	bool dry_run;
	uint64_t retry_for_ms; /* 0: the first failure is the last */
	enum report_style style;
};

/* Says how it went; returns the exit code. */
int push_run(const struct push_run_options *options);
