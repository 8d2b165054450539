/* The networks that a container is in, and what it is called and has there. */
#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>

#define SHORT_ID 12
#define PODMAN_BRIDGE "podman" /* its name of the network that is there without being made */

bool network_is_everywhere(const char *name)
{
	return strcmp(name, "bridge") == 0 || strcmp(name, "host") == 0 ||
	       strcmp(name, "none") == 0;
}

/* --- the network itself --- */

static const struct {
	const char *theirs, *shape, *ours;
} network_members[] = {
	{ "Name", "s", "name" },
	{ "Driver", "s", "driver" },
	{ "Options", "{*s}", "options" },
	{ "Labels", "{*s}", "labels" },
	{ "Internal", "b", "internal" },
	{ "Attachable", "b", "attachable" },
	{ "Ingress", "b", "ingress" },
	{ "ConfigOnly", "b", "config_only" },
	{ "ConfigFrom.Network", "s", "config_from" },
	{ "EnableIPv6", "b", "ipv6" },
	{ "IPAM.Options", "{*s}", "ipam.options" },
};

static const struct {
	const char *theirs, *shape, *ours;
} subnet_members[] = {
	{ "Subnet", "s", "subnet" },
	{ "IPRange", "s", "ip_range" },
	{ "AuxiliaryAddresses", "{*s}", "aux" },
};

/* Some engines write the gateways of networks without settings with their prefix length. */
static int take_gateway(const json_t *theirs, json_t *ours, struct err *err)
{
	const char *gateway = json_text(theirs, "Gateway");
	size_t n = strcspn(gateway, "/");

	return n ? json_put(ours, "gateway", json_stringn(gateway, n), err) : 0;
}

static int take_subnets(const json_t *network, json_t *ours, struct err *err)
{
	const json_t *list = json_at(network, "IPAM.Config"), *theirs;
	json_t *subnets = json_array();
	size_t i;

	if (!subnets)
		return err_nomem(err);
	json_array_foreach(list, i, theirs)
	{
		json_t *subnet = json_object();
		int r = subnet && json_array_append_new(subnets, subnet) == 0 ? 0 : err_nomem(err);

		for (size_t j = 0; r == 0 && j < ARRAY_LEN(subnet_members); j++)
			r = container_copy(theirs, subnet_members[j].theirs,
				subnet_members[j].shape, subnet, subnet_members[j].ours, err);
		if (r == 0)
			r = take_gateway(theirs, subnet, err);
		if (r != 0) {
			json_decref(subnets);
			return -1;
		}
	}
	if (!json_is_zero(subnets))
		return json_put(ours, "ipam.config", subnets, err);
	json_decref(subnets);
	return 0;
}

static int put_unless(
	const json_t *theirs, const char *usual, json_t *ours, const char *key, struct err *err)
{
	const char *s = json_string_value(theirs);

	return s && *s && strcmp(s, usual) != 0 ? json_put(ours, key, json_string(s), err) : 0;
}

static int take_definition(const json_t *network, json_t *ours, struct err *err)
{
	const json_t *ipv4 = json_object_get(network, "EnableIPv4");

	for (size_t i = 0; i < ARRAY_LEN(network_members); i++)
		if (container_copy(network, network_members[i].theirs, network_members[i].shape,
			    ours, network_members[i].ours, err) != 0)
			return -1;
	if (put_unless(json_object_get(network, "Scope"), "local", ours, "scope", err) != 0 ||
		put_unless(json_at(network, "IPAM.Driver"), "default", ours, "ipam.driver", err) !=
			0)
		return -1;
	if (json_is_false(ipv4) && json_put(ours, "no_ipv4", json_true(), err) != 0)
		return -1;
	return take_subnets(network, ours, err);
}

int container_network_take(const json_t *network, json_t **ret, struct err *err)
{
	json_t *ours = json_object();

	if (!ours)
		return err_nomem(err);
	if (take_definition(network, ours, err) != 0) {
		json_decref(ours);
		return -1;
	}
	*ret = ours;
	return 0;
}

/* --- the container's end of it --- */

static const struct {
	const char *theirs, *shape, *ours;
	unsigned since;
} endpoint_members[] = {
	{ "Aliases", "[s]", "aliases", 0 },
	{ "Links", "[s]", "links", 0 },
	{ "IPAMConfig.IPv4Address", "s", "ipv4", 0 },
	{ "IPAMConfig.IPv6Address", "s", "ipv6", 0 },
	{ "IPAMConfig.LinkLocalIPs", "[s]", "link_local", 0 },
	{ "DriverOpts", "{*s}", "driver_opts", 0 },
	{ "GwPriority", "i", "priority", 48 },
};

/* Engines add the short ID and the host's name to what the user asked for, and some show it. */
static int drop_added_aliases(const json_t *container, json_t *endpoint, struct err *err)
{
	json_t *aliases = json_object_get(endpoint, "aliases");
	const char *host_name = json_text(json_object_get(container, "Config"), "Hostname");
	const char *id = json_text(container, "Id");

	for (size_t i = json_array_size(aliases); i-- > 0;) {
		const char *s = json_string_value(json_array_get(aliases, i));

		if ((strlen(s) == SHORT_ID && strncmp(s, id, SHORT_ID) == 0) ||
			strcmp(s, host_name) == 0)
			json_array_remove(aliases, i);
	}
	if (aliases && !json_array_size(aliases))
		json_object_del(endpoint, "aliases");
	return json_sort_texts(json_object_get(endpoint, "aliases"), err);
}

static int take_endpoint(const struct container_source *source, const json_t *theirs, bool primary,
	json_t *endpoint, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(endpoint_members); i++)
		if (container_copy(theirs, endpoint_members[i].theirs, endpoint_members[i].shape,
			    endpoint, endpoint_members[i].ours, err) != 0)
			return -1;
	/* Engines show the address that is in use; only this one was asked for. */
	if (primary && container_copy(source->container, "Config.MacAddress", "s", endpoint, "mac",
			       err) != 0)
		return -1;
	return drop_added_aliases(source->container, endpoint, err);
}

static const char *known_name(const struct container_source *source, const char *name)
{
	if (strcmp(name, "default") == 0 ||
		(source->engine->podman && strcmp(name, PODMAN_BRIDGE) == 0))
		return "bridge";
	return name;
}

static const json_t *definition_of(
	const struct container_source *source, const char *name, const json_t *theirs)
{
	const char *id = json_text(theirs, "NetworkID");
	const json_t *found = *id ? container_find(source->networks, "Id", id) : NULL;

	if (network_is_everywhere(name))
		return NULL;
	return found ? found : container_find(source->networks, "Name", name);
}

static int take_network(const struct container_source *source, const char *name,
	const json_t *theirs, bool primary, json_t *networks, struct err *err)
{
	json_t *network = NULL, *endpoint = json_object();
	int r = container_network_take(definition_of(source, name, theirs), &network, err);

	if (r == 0)
		r = json_put(network, "name", json_string(name), err);
	if (r == 0 && (!endpoint || take_endpoint(source, theirs, primary, endpoint, err) != 0))
		r = endpoint ? -1 : err_nomem(err);
	if (r == 0 && !json_is_zero(endpoint))
		r = json_put(network, "endpoint", json_incref(endpoint), err);
	if (r == 0)
		r = primary ? json_array_insert(networks, 0, network)
			    : json_array_append(networks, network);
	json_decref(endpoint);
	json_decref(network);
	return r == 0 || (err && err->code) ? r : err_nomem(err);
}

static int take_all(const struct container_source *source, const char *primary, json_t *networks,
	struct err *err)
{
	json_t *all = json_at(source->container, "NetworkSettings.Networks"), *theirs;
	const char *key;

	json_object_foreach(all, key, theirs)
	{
		const char *name = known_name(source, key);

		if (!primary || strcmp(name, primary) == 0 || strcmp(name, "host") == 0 ||
			strcmp(name, "none") == 0)
			continue;
		if (take_network(source, name, theirs, false, networks, err) != 0)
			return -1;
	}
	return container_sort(networks, "name", err);
}

/* The engine's answer about its end in the network of this name; NULL when it shows none yet. */
static const json_t *end_in(const struct container_source *source, const char *name)
{
	json_t *all = json_at(source->container, "NetworkSettings.Networks"), *theirs;
	const char *key;

	json_object_foreach(all, key, theirs)
	{
		if (strcmp(known_name(source, key), name) == 0)
			return theirs;
	}

	return NULL;
}

int container_networks_take(const struct container_source *source, json_t **ret, struct err *err)
{
	const json_t *host = json_object_get(source->container, "HostConfig");
	const char *mode = container_mode_network(source, json_text(host, "NetworkMode"));
	const char *primary = mode ? known_name(source, mode) : NULL;
	json_t *networks = json_array();

	if (!networks)
		return err_nomem(err);
	if (take_all(source, primary, networks, err) != 0 ||
		(primary && take_network(source, primary, end_in(source, primary), true, networks,
				    err) != 0)) {
		json_decref(networks);
		return -1;
	}
	*ret = networks;
	return 0;
}

/* --- on the target --- */

int container_endpoint_request(const json_t *endpoint, const struct container_target *target,
	json_t **ret, struct err *err)
{
	json_t *o = json_object();
	int r = o ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(endpoint_members); i++)
		if (endpoint_members[i].since <= target->api)
			r = container_copy(endpoint, endpoint_members[i].ours,
				endpoint_members[i].shape, o, endpoint_members[i].theirs, err);
	if (r == 0 && target->api >= API_ENDPOINT_MAC)
		r = container_copy(endpoint, "mac", "s", o, "MacAddress", err);
	if (r != 0) {
		json_decref(o);
		return -1;
	}
	*ret = o;
	return 0;
}
