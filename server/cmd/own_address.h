/* Which address of this host others can reach. Any thread. */
#pragma once

#include "common/base/address.h"

/* The first address of the family (AF_INET, AF_INET6) of an interface that is up, and neither
 * loopback, link-local nor a container bridge. False: there is none. */
bool own_address_find(int family, char ret[ADDRESS_HOST_MAX + 1]);
