/*
 * A whole `dray push`: the engine, the images, the targets, other tries where they help. Runs a
 * loop of its own until all is done.
 */
#pragma once

#include "client/push/uv_lanes.h"
#include "client/targets.h"
#include "client/view/report.h"

#define PUSH_TARGETS_MAX 16u
#define PUSH_IMAGES_MAX 256u

struct push_run_options {
	const char *const *images; /* as typed */
	size_t n_images;
	struct target *const *targets;
	size_t n_targets;
	const char *engine; /* what -H was given, or NULL */
	const struct key_pair *key;
	int level; /* zstd's; 0: none; LEVEL_AUTO */
	enum engine_read read;
	struct lanes_options lanes;
	bool dry_run;
	uint64_t retry_for_ms; /* 0: the first failure is the last */
	enum report_style style;
};

/* Says how it went; returns the exit code. */
int push_run(const struct push_run_options *options);
