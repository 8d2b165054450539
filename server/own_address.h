/* Which address of this host others can reach. Any thread. */
#pragma once

#include "common/base/address.h"

/* The first address of an interface that is up, and neither loopback, link-local nor a container
 * bridge, IPv4 before IPv6; with the default port. ERR_NOT_FOUND: there is none. */
int own_address_find(struct address *ret, struct err *err) MUST_CHECK;
