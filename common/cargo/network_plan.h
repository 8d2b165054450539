/* Which of a container's networks the target has, lacks, or has otherwise. Pure. */
#pragma once

#include "common/cargo/container_manifest.h"
#include "common/cargo/fidelity.h"

enum network_step {
	NETWORK_MATCHED, /* there, and the same in all that is configured */
	NETWORK_CREATE,	 /* not there: to be made */
	NETWORK_CLASH,	 /* there but different, or it cannot be made: the reason says what to do */
};

struct network_plan_row {
	const char *name; /* points into the manifest */
	enum network_step step;
	json_t *body;	   /* for POST /networks/create; NULL unless it is to be made. Owned */
	char reason[512];  /* for a clash; and for one that is made otherwise than it was */
	bool other_subnet; /* not its own, which is taken there or was never asked for */
};

struct network_plan {
	struct network_plan_row *rows;
	size_t n;
};

/* `networks` is what the target has: an array of GET /networks/{id}, or GET /networks. Networks
 * that every engine has (bridge, host, none) are not in the plan. */
int network_plan_make(const json_t *manifest, const json_t *networks,
	const struct container_target *target, struct network_plan *ret,
	struct err *err) MUST_CHECK;

/* Fit for CLEANUP. */
void network_plan_done(struct network_plan *plan);

/* Adds a row for each network. */
int network_plan_report(
	const struct network_plan *plan, struct fidelity *ret, struct err *err) MUST_CHECK;
