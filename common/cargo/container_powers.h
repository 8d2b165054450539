/*
 * What a container gets hold of its host by. Each needs a grant of its own (DESIGN: migrate carries
 * all but what gives the host away); whoever checks grants maps these to them. Pure.
 */
#pragma once

#include "common/base/err.h"

#include <jansson.h>

enum container_power {
	POWER_BIND = 1,	      /* the host's files: bind mounts, volumes that are such */
	POWER_DEVICE = 2,     /* the host's devices */
	POWER_HOSTNS = 4,     /* the host's or other containers' namespaces */
	POWER_PRIVILEGED = 8, /* privileged, unconfined, far-reaching capabilities */
};
#define CONTAINER_POWERS 15u
#define CONTAINER_POWERS_COUNT 4

/* "bind", "device", "hostns", "privileged": the names of the grants. */
const char *container_power_name(enum container_power power);

/* The powers that a manifest asks for, as bits. `why` (may be NULL) gets for each of them, in the
 * order of the bits, the first field that needs it ("Mounts /srv", "HostConfig.CapAdd SYS_ADMIN");
 * escaped, "" where it is not needed. */
#define CONTAINER_POWER_WHY_MAX 160
uint32_t container_powers(
	const json_t *manifest, char why[CONTAINER_POWERS_COUNT][CONTAINER_POWER_WHY_MAX]);

/* ERR_REFUSED with field and power when it needs one that is not in `allowed`. */
int container_powers_check(const json_t *manifest, uint32_t allowed, struct err *err) MUST_CHECK;
