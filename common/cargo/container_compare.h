/* Is what the target has what the source had? Field by field of the table. Pure. */
#pragma once

#include "common/cargo/container_request.h"
#include "common/cargo/fidelity.h"

/* Compares the manifest with the one that was built the same way on the target, of the container
 * that was made there (container_manifest_build over the target's own answers): a row for each
 * field that either of them has. `choice` says what was wanted to be different; a name or a path
 * that was asked for is "changed" with that reason. */
int container_compare(const json_t *manifest, const json_t *made,
	const struct container_target *target, const struct container_choice *choice,
	struct fidelity *ret, struct err *err) MUST_CHECK;
