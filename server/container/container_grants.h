/* Which powers over its host a key may give a container. Pure. */
#pragma once

#include "common/cargo/container_order.h"
#include "protocol/grant.h"

/* ERR_REFUSED when a key with these grants may not have this container made: without `migrate`
 * none, and without a grant of its own nothing that gives the host away. */
int container_grants_check(
	uint32_t grants, const struct container_order *order, struct err *err) MUST_CHECK;
