#include "link/uv_address.h"

#include <netinet/in.h>
#include <stdio.h>

void uv_address_text(const struct sockaddr_storage *peer, char ret[UV_ADDRESS_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (peer->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)peer;

		uv_ip6_name(v6, ip, sizeof(ip));
		snprintf(ret, UV_ADDRESS_TEXT_MAX, "[%s]:%u", ip, ntohs(v6->sin6_port));
	} else {
		const struct sockaddr_in *v4 = (const void *)peer;

		uv_ip4_name(v4, ip, sizeof(ip));
		snprintf(ret, UV_ADDRESS_TEXT_MAX, "%s:%u", ip, ntohs(v4->sin_port));
	}
}
