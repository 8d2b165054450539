/*
 * A whole `dray migrate`: the engine, one container after the other, the target. Runs a loop of its
 * own until all is done.
 */
#pragma once

#include "client/push/uv_lanes.h"
#include "client/targets.h"
#include "client/view/report.h"
#include "common/cargo/container_request.h"

#define MIGRATE_CONTAINERS_MAX 64u
#define HEALTH_SECONDS_DEFAULT 60u

enum migrate_way {
	MIGRATE_WAY_NEW,
	MIGRATE_WAY_PLAN,   /* only what would stand in the way */
	MIGRATE_WAY_RESUME, /* go on with one that was cut off */
	MIGRATE_WAY_UNDO,   /* have it back */
};

struct migrate_options {
	enum migrate_way way;
	const char *const *names; /* of containers, as typed */
	size_t n_names;
	struct target *target;
	const char *engine; /* -H, or NULL */
	const struct key_pair *key;
	int level;
	enum engine_read read;
	struct lanes_options lanes;
	uint64_t retry_for_ms;
	enum report_style style;
	/* Of a new one: */
	struct container_choice choice; /* without maps */
	const char *const *maps;	/* of --map, as typed and checked */
	size_t n_maps;
	bool flat;
	bool keep, no_start, require_full, overwrite, live, reread;
	uint32_t health_seconds;
};

/* Says how it went; returns the exit code. */
int migrate_run(const struct migrate_options *options);
