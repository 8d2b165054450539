#include "common/cargo/network_plan.h"

#include "common/base/text.h"
#include "common/cargo/container_parts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void network_plan_done(struct network_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		json_decref(plan->rows[i].body);
	free(plan->rows);
	*plan = (struct network_plan){ 0 };
}

/* --- subnets --- */

struct subnet {
	int family;
	unsigned bits;
	uint8_t address[16];
};

static bool read_subnet(const char *s, struct subnet *ret)
{
	char address[INET6_ADDRSTRLEN], *end;
	const char *slash = strchr(s, '/');
	unsigned long bits;

	*ret = (struct subnet){ .family = strchr(s, ':') ? AF_INET6 : AF_INET };
	if (!slash || (size_t)(slash - s) >= sizeof(address))
		return false;
	memcpy(address, s, (size_t)(slash - s));
	address[slash - s] = '\0';
	bits = strtoul(slash + 1, &end, 10);
	if (*end || bits > (ret->family == AF_INET ? 32 : 128))
		return false;
	ret->bits = (unsigned)bits;
	return inet_pton(ret->family, address, ret->address) == 1;
}

static bool overlap(const struct subnet *a, const struct subnet *b)
{
	unsigned bits = a->bits < b->bits ? a->bits : b->bits;

	if (a->family != b->family)
		return false;
	for (unsigned i = 0; i < bits; i++)
		if ((a->address[i / 8] ^ b->address[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool subnets_overlap(const json_t *a, const json_t *b)
{
	struct subnet x, y;

	return read_subnet(json_text(a, "subnet"), &x) && read_subnet(json_text(b, "subnet"), &y) &&
	       overlap(&x, &y);
}

/* The network of the target (in our form) that has a part of this one's subnets, or NULL. */
static const json_t *subnet_taken(const json_t *network, const json_t *theirs)
{
	const json_t *other, *mine, *his;
	size_t i, j, k;

	json_array_foreach(theirs, i, other)
	{
		json_array_foreach(json_at(network, "ipam.config"), j, mine)
		{
			json_array_foreach(json_at(other, "ipam.config"), k, his)
			{
				if (subnets_overlap(mine, his))
					return other;
			}
		}
	}

	return NULL;
}

/* --- the same or not --- */

static const struct {
	const char *ours, *shown;
} compared[] = {
	{ "driver", "driver" },
	{ "scope", "scope" },
	{ "internal", "internal" },
	{ "ipv6", "IPv6" },
	{ "no_ipv4", "IPv4" },
	{ "options", "options" },
	{ "ipam.driver", "IPAM driver" },
	{ "ipam.options", "IPAM options" },
	{ "ipam.config", "subnets" },
	{ "config_from", "source of its configuration" },
};

static bool asks_for_addresses(const json_t *network)
{
	const json_t *end = json_object_get(network, "endpoint");

	return json_object_get(end, "ipv4") || json_object_get(end, "ipv6");
}

static bool same_value(const json_t *a, const json_t *b)
{
	return (json_is_zero(a) && json_is_zero(b)) || (a && b && json_equal(a, b));
}

/* What differs, or NULL. A subnet matters where an address in it was asked for. */
static const char *difference(const json_t *mine, const json_t *there)
{
	for (size_t i = 0; i < ARRAY_LEN(compared); i++)
		if (!same_value(
			    json_at(mine, compared[i].ours), json_at(there, compared[i].ours)) &&
			(strcmp(compared[i].ours, "ipam.config") != 0 || asks_for_addresses(mine)))
			return compared[i].shown;
	return NULL;
}

/* --- to be made --- */

static int make_subnets(const json_t *network, json_t *body, struct err *err)
{
	const json_t *list = json_at(network, "ipam.config"), *s;
	json_t *subnets = json_array();
	size_t i;

	if (!subnets || json_put(body, "IPAM.Config", json_incref(subnets), err) != 0) {
		json_decref(subnets);
		return err_nomem(err);
	}
	json_decref(subnets);
	json_array_foreach(list, i, s)
	{
		json_t *o = json_object();

		if (!o || json_array_append_new(subnets, o) != 0)
			return err_nomem(err);
		if (container_copy(s, "subnet", "s", o, "Subnet", err) != 0 ||
			container_copy(s, "ip_range", "s", o, "IPRange", err) != 0 ||
			container_copy(s, "gateway", "s", o, "Gateway", err) != 0 ||
			container_copy(s, "aux", "{*s}", o, "AuxiliaryAddresses", err) != 0)
			return -1;
	}
	return 0;
}

#define API_NO_IPV4 47

static int make_body(const json_t *n, const struct container_target *target, bool own_subnets,
	json_t *body, struct err *err)
{
	if (container_copy(n, "name", "s", body, "Name", err) != 0 ||
		container_copy(n, "driver", "s", body, "Driver", err) != 0 ||
		container_copy(n, "options", "{*s}", body, "Options", err) != 0 ||
		container_copy(n, "labels", "{*s}", body, "Labels", err) != 0 ||
		container_copy(n, "internal", "b", body, "Internal", err) != 0 ||
		container_copy(n, "attachable", "b", body, "Attachable", err) != 0 ||
		container_copy(n, "ipv6", "b", body, "EnableIPv6", err) != 0 ||
		container_copy(n, "ipam.driver", "s", body, "IPAM.Driver", err) != 0 ||
		container_copy(n, "ipam.options", "{*s}", body, "IPAM.Options", err) != 0 ||
		/* Older engines make a second network of the same name otherwise. */
		json_put(body, "CheckDuplicate", json_true(), err) != 0)
		return -1;
	if (json_is_true(json_object_get(n, "no_ipv4")) && target->api >= API_NO_IPV4 &&
		json_put(body, "EnableIPv4", json_false(), err) != 0)
		return -1;
	return own_subnets && json_at(n, "ipam.config") ? make_subnets(n, body, err) : 0;
}

/* --- the plan --- */

static const char *name_of(const json_t *n, char shown[100])
{
	const char *name = json_text(n, "name");

	return text_escape(shown, 100, name, strlen(name));
}

static void clash(struct network_plan_row *row, const char *why)
{
	row->step = NETWORK_CLASH;
	snprintf(row->reason, sizeof(row->reason), "%s", why);
}

/* Networks that no create request makes as they were: their reason, or NULL. */
static const char *not_to_be_made(const json_t *n, const struct container_target *target)
{
	const char *driver = json_text(n, "driver");

	if (!*driver)
		return "the source's engine did not describe it: make it on the target first";
	if (json_is_true(json_object_get(n, "ingress")) || strcmp(json_text(n, "scope"), "") != 0)
		return "it belongs to a swarm: make it on the target first";
	if (json_is_true(json_object_get(n, "config_only")) || *json_text(n, "config_from"))
		return "its configuration is another network's: make it on the target first";
	if (strcmp(driver, "host") == 0 || strcmp(driver, "null") == 0)
		return "no second network of its driver can be made: connect it to another one";
	if (target->network_drivers && !json_has_text(target->network_drivers, driver))
		return "the target has no such driver: install it there, or make a network of this "
		       "name with another driver";
	if (json_is_true(json_object_get(n, "no_ipv4")) && target->api < API_NO_IPV4)
		return "it is without IPv4, which the target's engine is too old for";
	return NULL;
}

static int plan_new(const json_t *n, const json_t *theirs, const struct container_target *target,
	struct network_plan_row *row, struct err *err)
{
	const char *why = not_to_be_made(n, target);
	const json_t *taken = subnet_taken(n, theirs);
	char shown[100];

	if (why) {
		clash(row, why);
		return 0;
	}
	if (taken && asks_for_addresses(n)) {
		snprintf(row->reason, sizeof(row->reason),
			"its subnet is the network '%s''s on the target, and the container has an "
			"address of its own in it: remove that network or give it another subnet",
			name_of(taken, shown));
		row->step = NETWORK_CLASH;
		return 0;
	}
	if (taken)
		snprintf(row->reason, sizeof(row->reason),
			"its subnet is the network '%s''s on the target: it gets another one",
			name_of(taken, shown));
	row->step = NETWORK_CREATE;
	row->other_subnet = taken != NULL;
	row->body = json_object();
	return row->body ? make_body(n, target, !taken, row->body, err) : err_nomem(err);
}

static int plan_row(const json_t *n, const json_t *theirs, const struct container_target *target,
	struct network_plan_row *row, struct err *err)
{
	const json_t *there;
	const char *differs;

	row->name = json_text(n, "name");
	there = container_find(theirs, "name", row->name);
	if (!there)
		return plan_new(n, theirs, target, row, err);
	differs = difference(n, there);
	row->step = differs ? NETWORK_CLASH : NETWORK_MATCHED;
	row->other_subnet = !differs &&
			    !same_value(json_at(n, "ipam.config"), json_at(there, "ipam.config"));
	if (row->other_subnet)
		snprintf(row->reason, sizeof(row->reason),
			"the target's network of this name has other subnets");
	if (differs)
		snprintf(row->reason, sizeof(row->reason),
			"the target has a network of this name whose %s differ%s: remove it there, "
			"or "
			"make it the same",
			differs, differs[strlen(differs) - 1] == 's' ? "" : "s");
	return 0;
}

/* All that the target has, in our form; also those that are everywhere, for their subnets. */
static int take_theirs(const json_t *networks, json_t **ret, struct err *err)
{
	json_t *theirs = json_array();
	const json_t *n;
	size_t i;

	if (!theirs)
		return err_nomem(err);
	json_array_foreach(networks, i, n)
	{
		json_t *one = NULL;

		if (container_network_take(n, &one, err) != 0) {
			json_decref(theirs);
			return -1;
		}
		if (json_array_append_new(theirs, one) != 0) {
			json_decref(theirs);
			return err_nomem(err);
		}
	}
	*ret = theirs;
	return 0;
}

int network_plan_make(const json_t *manifest, const json_t *networks,
	const struct container_target *target, struct network_plan *ret, struct err *err)
{
	const json_t *mine = json_object_get(manifest, "networks"), *n;
	struct network_plan plan = { .rows = calloc(
					     json_array_size(mine) + 1, sizeof(plan.rows[0])) };
	json_t *theirs = NULL;
	int r = plan.rows ? take_theirs(networks, &theirs, err) : err_nomem(err);
	size_t i;

	json_array_foreach(mine, i, n)
	{
		if (r != 0 || network_is_everywhere(json_text(n, "name")))
			continue;
		r = plan_row(n, theirs, target, &plan.rows[plan.n++], err);
	}
	json_decref(theirs);
	if (r != 0) {
		network_plan_done(&plan);
		return -1;
	}
	*ret = plan;
	return 0;
}

int network_plan_report(const struct network_plan *plan, struct fidelity *ret, struct err *err)
{
	char field[FIDELITY_TEXT_MAX];

	for (size_t i = 0; i < plan->n; i++) {
		const struct network_plan_row *row = &plan->rows[i];
		enum fidelity_outcome outcome = row->step == NETWORK_CLASH ? FIDELITY_NOT_CARRIED
						: row->other_subnet	   ? FIDELITY_CHANGED
									   : FIDELITY_CARRIED;

		snprintf(field, sizeof(field), "NetworkSettings.Networks %s", row->name);
		if (fidelity_add(ret, field, outcome, row->reason, NULL, NULL, err) != 0)
			return -1;
	}
	return 0;
}
