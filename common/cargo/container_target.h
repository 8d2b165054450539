/*
 * What an engine can take, as far as it matters to a container that comes there. Made out of its
 * /version and /info, and small enough to travel. Pure.
 */
#pragma once

#include "common/base/err.h"

#include <jansson.h>

struct container_target {
	unsigned api; /* the highest it speaks: 41 for 1.41 */
	bool podman;
	bool cgroup_v2;
	char host_name[256]; /* the machine's own; "" when unknown */
	/* Arrays of strings; NULL where the engine does not tell. Owned. */
	json_t *runtimes, *log_drivers, *volume_drivers, *network_drivers;
};

#define CONTAINER_TARGET_MAX (64u << 10) /* bytes of its JSON */
#define CONTAINER_TARGET_NAMES_MAX 256u	 /* in each list; what is beyond is left out */

/* Out of the answers to GET /version and GET /info. ERR_ENGINE when they are not understood. */
int container_target_read(const json_t *version, const json_t *info, struct container_target *ret,
	struct err *err) MUST_CHECK;

/* As JSON, to be sent, and back: unknown keys are ERR_PROTOCOL. The host's name does not travel. */
json_t *container_target_json(const struct container_target *t);
int container_target_parse(
	const json_t *o, struct container_target *ret, struct err *err) MUST_CHECK;

/* Fit for CLEANUP. */
void container_target_done(struct container_target *t);
