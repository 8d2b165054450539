#include "server/cmd/own_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

/* Bridges and their ends: what is behind them is on this host. */
static bool is_inner(const char *interface)
{
	static const char *const prefixes[] = { "docker", "br-", "veth", "virbr", "cni", "podman" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (strncmp(interface, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* Writes the address when it is of the family and others can reach it. */
static bool take(const struct ifaddrs *i, int family, char ret[ADDRESS_HOST_MAX + 1])
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) ||
		i->ifa_flags & IFF_LOOPBACK || is_inner(i->ifa_name))
		return false;
	if (family == AF_INET) {
		memcpy(&in, i->ifa_addr, sizeof(in));
		if (ntohl(in.sin_addr.s_addr) >> 16 == 0xa9fe) /* 169.254.0.0/16 */
			return false;
		return inet_ntop(family, &in.sin_addr, ret, ADDRESS_HOST_MAX + 1) != NULL;
	}
	memcpy(&in6, i->ifa_addr, sizeof(in6));
	if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
		return false;
	return inet_ntop(family, &in6.sin6_addr, ret, ADDRESS_HOST_MAX + 1) != NULL;
}

bool own_address_find(int family, char ret[ADDRESS_HOST_MAX + 1])
{
	char found[ADDRESS_HOST_MAX + 1];
	struct ifaddrs *all;
	bool some = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i && !some; i = i->ifa_next)
		some = take(i, family, found);
	freeifaddrs(all);
	if (some)
		memcpy(ret, found, sizeof(found));
	return some;
}
