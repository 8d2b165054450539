#include "common/cargo/container_findings.h"

#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>

/* What every look at a part needs. */
struct look {
	const json_t *manifest, *config;
	const struct container_target *target; /* NULL: not known */
	const struct container_choice *choice;
	struct fidelity *report;
	struct err *err;
};

/* field and what: "Mounts /data". */
static int say(const struct look *l, const char *field, const char *what,
	enum fidelity_outcome outcome, const char *fmt, ...) PRINTF_LIKE(5, 6);

static int say(const struct look *l, const char *field, const char *what,
	enum fidelity_outcome outcome, const char *fmt, ...)
{
	char name[FIDELITY_TEXT_MAX], reason[FIDELITY_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	snprintf(name, sizeof(name), "%s%s%s", field, *what ? " " : "", what);
	return fidelity_add(l->report, name, outcome, reason, NULL, NULL, l->err);
}

static const json_t *get(const struct look *l, const char *request)
{
	return json_object_get(l->config, request);
}

/* --- mounts --- */

static bool lies_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

bool container_bind_is_hosts(const char *path)
{
	return lies_in(path, "/dev") || lies_in(path, "/proc") || lies_in(path, "/sys") ||
	       ends_in(path, ".sock") || strcmp(path, "/") == 0;
}

static int look_at_bind(const struct look *l, const json_t *m)
{
	const char *target = json_text(m, "target"), *source = json_text(m, "source");
	struct buf there;
	int r;

	if (container_bind_is_hosts(source))
		return say(l, "Mounts", target, FIDELITY_CARRIED,
			"%s is the host's: the container gets the target's own", source);
	buf_init(&there, 2 * FIDELITY_TEXT_MAX + JSON_PATH_MAX * 16);
	container_map_path(l->choice, source, &there);
	if (!buf_ok(&there))
		r = err_set(l->err, ERR_LIMIT, "a bind mount's path is too long");
	else if (!l->choice->binds)
		r = say(l, "Mounts", target, FIDELITY_NOT_CARRIED,
			lies_in(target, "/run/secrets")
				? "a secret that lies in %s on the source: have it in %s on the "
				  "target, or carry it with --binds"
				: "what is in %s on the source stays there: have it in %s on the "
				  "target, or carry it with --binds",
			source, (const char *)buf_bytes(&there));
	else if (strcmp(source, (const char *)buf_bytes(&there)) != 0)
		r = say(l, "Mounts", target, FIDELITY_CHANGED, "%s is %s on the target (--map)",
			source, (const char *)buf_bytes(&there));
	else
		r = say(l, "Mounts", target, FIDELITY_CARRIED, "%s comes along with what is in it",
			source);
	buf_done(&there);
	return r;
}

static int look_at_volume(const struct look *l, const json_t *m)
{
	const char *target = json_text(m, "target"), *name = json_text(m, "volume");
	const json_t *v = container_find(json_object_get(l->manifest, "volumes"), "name", name);
	const char *driver = json_text(v, "driver");
	bool local = !*driver || strcmp(driver, "local") == 0;

	if (!local && l->target && l->target->volume_drivers &&
		!json_has_text(l->target->volume_drivers, driver))
		return say(l, "Mounts", target, FIDELITY_NOT_CARRIED,
			"the target has no volume driver '%s': install it there", driver);
	if (!local)
		return say(l, "Mounts", target, FIDELITY_CARRIED,
			"the volume driver '%s' of the target must reach the same data", driver);
	if (json_object_get(v, "options"))
		return say(l, "Mounts", target, FIDELITY_CARRIED,
			"the volume '%s' is a mount with options: the target mounts it, too", name);
	if (l->choice->no_volumes)
		return say(l, "Mounts", target, FIDELITY_NOT_CARRIED,
			"what is in the volume '%s' stays on the source (--no-volumes)", name);
	return 0;
}

static int look_at_mounts(const struct look *l)
{
	const json_t *mounts = json_object_get(l->manifest, "mounts"), *m;
	size_t i;

	json_array_foreach(mounts, i, m)
	{
		const char *type = json_text(m, "type"), *target = json_text(m, "target");
		const char *misfit = l->target ? container_mount_misfit(m, l->target) : NULL;
		int r = 0;

		if (l->target && !container_mount_fits(m, l->target))
			r = say(l, "Mounts", target, FIDELITY_NOT_CARRIED,
				"the target's engine is too old for mounts of type %s", type);
		else if (misfit)
			r = say(l, "Mounts", target, FIDELITY_CHANGED,
				"the target's engine is too old for %s", misfit);
		if (r == 0 && strcmp(type, "bind") == 0)
			r = look_at_bind(l, m);
		else if (r == 0 && strcmp(type, "volume") == 0)
			r = look_at_volume(l, m);
		if (r != 0)
			return -1;
	}
	return 0;
}

/* --- devices and addresses of the host --- */

static int look_at_devices(const struct look *l)
{
	static const struct {
		const char *field, *key;
	} lists[] = {
		{ "HostConfig.Devices", "PathOnHost" },
		{ "HostConfig.BlkioWeightDevice", "Path" },
		{ "HostConfig.BlkioDeviceReadBps", "Path" },
		{ "HostConfig.BlkioDeviceWriteBps", "Path" },
		{ "HostConfig.BlkioDeviceReadIOps", "Path" },
		{ "HostConfig.BlkioDeviceWriteIOps", "Path" },
	};

	for (size_t j = 0; j < ARRAY_LEN(lists); j++) {
		const json_t *list = get(l, lists[j].field), *device;
		size_t i;

		json_array_foreach(list, i, device)
		{
			const char *path = json_text(device, lists[j].key);

			if (say(l, lists[j].field, path, FIDELITY_CARRIED,
				    "the target must have a device of this path") != 0)
				return -1;
		}
	}
	return json_is_zero(get(l, "HostConfig.DeviceRequests"))
		       ? 0
		       : say(l, "HostConfig.DeviceRequests", "", FIDELITY_CARRIED,
				 "the target must have such devices and their driver");
}

static bool is_any_hosts(const char *ip)
{
	return !*ip || strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0 ||
	       strcmp(ip, "::1") == 0 || strncmp(ip, "127.", 4) == 0;
}

static int look_at_ports(const struct look *l)
{
	json_t *ports = json_object_get(l->config, "HostConfig.PortBindings"), *list;
	const json_t *binding;
	const char *port;
	size_t i;

	json_object_foreach(ports, port, list)
	{
		json_array_foreach(list, i, binding)
		{
			const char *ip = json_text(binding, "HostIp");

			if (!is_any_hosts(ip) &&
				say(l, "HostConfig.PortBindings", port, FIDELITY_CARRIED,
					"the target must have the address %s", ip) != 0)
				return -1;
		}
	}

	return 0;
}

/* --- networks and other containers --- */

static int look_at_networks(const struct look *l)
{
	const json_t *networks = json_object_get(l->manifest, "networks"), *n;
	size_t i;

	json_array_foreach(networks, i, n)
	{
		const char *name = json_text(n, "name"), *driver = json_text(n, "driver");
		const char *parent = json_text(json_object_get(n, "options"), "parent");
		int r = 0;

		if (*json_text(n, "scope") || strcmp(driver, "overlay") == 0)
			r = say(l, "NetworkSettings.Networks", name, FIDELITY_NOT_CARRIED,
				"a network over several hosts: the target must be in it already");
		else if (strcmp(driver, "macvlan") == 0 || strcmp(driver, "ipvlan") == 0)
			r = say(l, "NetworkSettings.Networks", name, FIDELITY_CARRIED,
				"the target must have the interface %s in the same network",
				*parent ? parent : "that it makes for it");
		else if (*driver && l->target && l->target->network_drivers &&
			 !json_has_text(l->target->network_drivers, driver))
			r = say(l, "NetworkSettings.Networks", name, FIDELITY_NOT_CARRIED,
				"the target has no network driver '%s'", driver);
		if (r != 0)
			return -1;
	}
	return 0;
}

/* Those in user networks. */
static int look_at_links(const struct look *l)
{
	const json_t *networks = json_object_get(l->manifest, "networks"), *n, *v;
	size_t i, j;

	json_array_foreach(networks, i, n)
	{
		json_array_foreach(json_at(n, "endpoint.links"), j, v)
		{
			if (say(l, "NetworkSettings.Networks", json_text(n, "name"),
				    FIDELITY_CARRIED,
				    "the container of the link '%s' must be on the target, or come "
				    "along",
				    json_string_value(v)) != 0)
				return -1;
		}
	}

	return 0;
}

#define CONTAINER_MODE "container:"

static int look_at_others(const struct look *l)
{
	static const char *const modes[] = { "HostConfig.NetworkMode", "HostConfig.PidMode",
		"HostConfig.IpcMode", "HostConfig.Cgroup" };
	const json_t *links = get(l, "HostConfig.Links"), *v;
	size_t i;

	for (i = 0; i < ARRAY_LEN(modes); i++) {
		const char *mode = json_text(l->config, modes[i]);
		const char *name = mode + strlen(CONTAINER_MODE);

		if (strncmp(mode, CONTAINER_MODE, strlen(CONTAINER_MODE)) != 0)
			continue;
		if (strlen(name) == 64
				? say(l, modes[i], "", FIDELITY_NOT_CARRIED,
					  "the other container is gone") != 0
				: say(l, modes[i], "", FIDELITY_CARRIED,
					  "the container '%s' must be on the target, or come along",
					  name) != 0)
			return -1;
	}
	if (look_at_links(l) != 0)
		return -1;
	json_array_foreach(links, i, v)
	{
		if (say(l, "HostConfig.Links", json_string_value(v), FIDELITY_CARRIED,
			    "the container must be on the target, or come along") != 0)
			return -1;
	}

	return 0;
}

/* --- the engine and what it runs on --- */

/* Fields of which the target needs the other half. */
static int look_at_needs(const struct look *l)
{
	static const struct {
		const char *request, *reason;
	} needs[] = {
		{ "HostConfig.CgroupParent", "the target's cgroups must allow this parent" },
		{ "HostConfig.CpusetCpus", "the target must have these CPUs" },
		{ "HostConfig.CpusetMems", "the target must have these memory nodes" },
		{ "HostConfig.StorageOpt", "the target's storage must support it" },
		{ "HostConfig.AutoRemove",
			"the engine deletes it as soon as it stops: there is no way back then" },
	};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (get(l, needs[i].request) &&
			say(l, needs[i].request, "", FIDELITY_CARRIED, "%s", needs[i].reason) != 0)
			return -1;
	return 0;
}

static int look_at_profiles(const struct look *l)
{
	const json_t *list = get(l, "HostConfig.SecurityOpt"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v), *is = strchr(s, '=');
		bool file = is && strncmp(s, "seccomp=", 8) == 0 && is[1] == '/';
		bool loaded = is && strncmp(s, "apparmor=", 9) == 0 &&
			      strcmp(is + 1, "unconfined") != 0 &&
			      strcmp(is + 1, "docker-default") != 0;

		if ((file || loaded) &&
			say(l, "HostConfig.SecurityOpt", s, FIDELITY_CARRIED, "the target must %s",
				file ? "have this file" : "have loaded this profile") != 0)
			return -1;
	}
	return 0;
}

/* Where the engine has something of its own instead, the container runs: changed. */
static bool has_a_substitute(const struct container_field *f)
{
	return strcmp(f->request, "HostConfig.LogConfig") == 0 ||
	       strcmp(f->request, "HostConfig.Runtime") == 0;
}

enum fidelity_outcome container_misfit_outcome(const struct container_field *f)
{
	return has_a_substitute(f) ? FIDELITY_CHANGED : FIDELITY_NOT_CARRIED;
}

static int look_at_engine(const struct look *l)
{
	json_t *config = json_object_get(l->manifest, "config"), *v;
	const char *key, *why;

	json_object_foreach(config, key, v)
	{
		const struct container_field *f = container_field_of(key);

		if (f && l->target && !container_field_fits(f, v, l->target, &why) &&
			say(l, f->path, "", container_misfit_outcome(f), "%s", why) != 0)
			return -1;
	}
	return 0;
}

static int look_at_the_rest(const struct look *l)
{
	const json_t *dropped = json_object_get(l->manifest, "dropped"), *row;
	size_t i;

	json_array_foreach(dropped, i, row)
	{
		if (say(l, json_text(row, "field"), "", FIDELITY_NOT_CARRIED, "%s",
			    json_text(row, "reason")) != 0)
			return -1;
	}

	if (json_object_get(get(l, "Labels"), "com.docker.swarm.task.id") &&
		say(l, "Config.Labels", "com.docker.swarm.task.id", FIDELITY_CHANGED,
			"a swarm's task: on the target no swarm looks after it") != 0)
		return -1;
	if (l->choice->name && strcmp(l->choice->name, container_name(l->manifest)) != 0 &&
		say(l, "Name", "", FIDELITY_CHANGED, "it will be '%s' (--name)", l->choice->name) !=
			0)
		return -1;
	return 0;
}

int container_findings(const json_t *manifest, const struct container_target *target,
	const struct container_choice *choice, struct fidelity *ret, struct err *err)
{
	struct look l = { .manifest = manifest,
		.config = json_object_get(manifest, "config"),
		.target = target,
		.choice = choice,
		.report = ret,
		.err = err };

	if (look_at_the_rest(&l) != 0 || look_at_engine(&l) != 0 || look_at_mounts(&l) != 0 ||
		look_at_devices(&l) != 0 || look_at_ports(&l) != 0 || look_at_networks(&l) != 0 ||
		look_at_others(&l) != 0 || look_at_profiles(&l) != 0)
		return -1;
	return look_at_needs(&l);
}
