#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>

#define TEXTS "[s]"
#define MAP "{*s}"
#define SET "{*e}"
#define RATES "[{Path:s,Rate:i}]"
#define PORTS "{*[{HostIp:s,HostPort:s}]}"
#define HEALTH "{Test:[s],Interval:i,Timeout:i,StartPeriod:i,StartInterval:i,Retries:i}"
#define GPUS "[{Driver:s,Count:i,DeviceIDs:[s],Capabilities:[[s]],Options:{*s}}]"

/* Fields of Config are at the request's top, those of HostConfig below that name there, too. */
#define CONFIG(name, how, its_shape, ...)                                                          \
	{                                                                                          \
		.path = "Config." name, .request = name, .treatment = how, .shape = its_shape,     \
		##__VA_ARGS__                                                                      \
	}
#define HOST(name, how, its_shape, ...)                                                            \
	{                                                                                          \
		.path = "HostConfig." name, .request = "HostConfig." name, .treatment = how,       \
		.shape = its_shape, ##__VA_ARGS__                                                  \
	}
#define SPECIAL(fn) .special = special_##fn
#define NOT(name, how, why, ...)                                                                   \
	{                                                                                          \
		.path = name, .treatment = how, .reason = why, ##__VA_ARGS__                       \
	}
#define STATE(name) NOT(name, FIELD_STATE, NULL)
#define ENDPOINT(name) "NetworkSettings.Networks.*." name

const struct container_field container_fields[] = {
	/* clang-format off */
	NOT("Id", FIELD_ELSEWHERE, "id"),
	NOT("Name", FIELD_ELSEWHERE, "name"),
	NOT("Image", FIELD_ELSEWHERE, "image.id"),
	NOT("Path", FIELD_DERIVED, "Config.Entrypoint and Config.Cmd"),
	NOT("Args", FIELD_DERIVED, "Config.Entrypoint and Config.Cmd"),
	NOT("Platform", FIELD_DERIVED, "the image"),
	NOT("ImageManifestDescriptor", FIELD_DERIVED, "the image"),
	NOT("MountLabel", FIELD_DERIVED, "HostConfig.SecurityOpt"),
	NOT("ProcessLabel", FIELD_DERIVED, "HostConfig.SecurityOpt"),
	NOT("AppArmorProfile", FIELD_DERIVED, "HostConfig.SecurityOpt"),
	STATE("Created"), STATE("ResolvConfPath"), STATE("HostnamePath"), STATE("HostsPath"),
	STATE("LogPath"), STATE("RestartCount"), STATE("Driver"), STATE("GraphDriver"),
	STATE("Storage"), STATE("ExecIDs"), STATE("SizeRw"), STATE("SizeRootFs"),
	STATE("State.Status"), STATE("State.Restarting"), STATE("State.OOMKilled"),
	STATE("State.Dead"), STATE("State.Pid"), STATE("State.ExitCode"), STATE("State.Error"),
	STATE("State.StartedAt"), STATE("State.FinishedAt"),
	NOT("State.Running", FIELD_ELSEWHERE, "state.running"),
	NOT("State.Paused", FIELD_ELSEWHERE, "state.paused"),
	NOT("State.Health", FIELD_ELSEWHERE, "state.health"),

	CONFIG("Hostname", FIELD_SPECIAL, "s", SPECIAL(hostname)),
	CONFIG("Domainname", FIELD_PLAIN, "s"),
	CONFIG("User", FIELD_IMAGE, "s"),
	CONFIG("AttachStdin", FIELD_PLAIN, "b"),
	CONFIG("AttachStdout", FIELD_PLAIN, "b"),
	CONFIG("AttachStderr", FIELD_PLAIN, "b"),
	CONFIG("ExposedPorts", FIELD_IMAGE, SET, SPECIAL(exposed_ports)),
	CONFIG("Tty", FIELD_PLAIN, "b"),
	CONFIG("OpenStdin", FIELD_PLAIN, "b"),
	CONFIG("StdinOnce", FIELD_PLAIN, "b"),
	CONFIG("Env", FIELD_IMAGE, TEXTS, .secret = true),
	CONFIG("Cmd", FIELD_IMAGE, TEXTS, .secret = true),
	CONFIG("Entrypoint", FIELD_IMAGE, TEXTS, .secret = true),
	CONFIG("Healthcheck", FIELD_IMAGE, HEALTH, .secret = true),
	CONFIG("ArgsEscaped", FIELD_PLAIN, "b"),
	NOT("Config.Image", FIELD_ELSEWHERE, "image.name"),
	CONFIG("Volumes", FIELD_IMAGE, SET),
	CONFIG("WorkingDir", FIELD_IMAGE, "s"),
	CONFIG("NetworkDisabled", FIELD_PLAIN, "b"),
	NOT("Config.MacAddress", FIELD_ELSEWHERE, "networks: mac"),
	NOT("Config.OnBuild", FIELD_DROPPED, "it matters only to builds on the image"),
	CONFIG("Labels", FIELD_IMAGE, MAP),
	CONFIG("StopSignal", FIELD_IMAGE, "s"),
	CONFIG("StopTimeout", FIELD_POINTER, "i"),
	CONFIG("Shell", FIELD_IMAGE, TEXTS),

	NOT("HostConfig.Binds", FIELD_ELSEWHERE, "mounts"),
	NOT("HostConfig.Mounts", FIELD_ELSEWHERE, "mounts", .shape = "[" ENGINE_MOUNT_SHAPE "]"),
	NOT("HostConfig.VolumesFrom", FIELD_ELSEWHERE, "mounts, one by one"),
	NOT("HostConfig.ContainerIDFile", FIELD_DROPPED, "a file of the client that created it"),
	NOT("HostConfig.ConsoleSize", FIELD_DROPPED, "the terminal that it was created from"),
	HOST("LogConfig", FIELD_SPECIAL, "{Type:s,Config:{*s}}", SPECIAL(log), .secret = true),
	HOST("NetworkMode", FIELD_SPECIAL, "s", SPECIAL(network_mode)),
	HOST("PortBindings", FIELD_SPECIAL, PORTS, SPECIAL(port_bindings)),
	HOST("RestartPolicy", FIELD_SPECIAL, "{Name:s,MaximumRetryCount:i}", SPECIAL(restart)),
	HOST("AutoRemove", FIELD_PLAIN, "b"),
	HOST("VolumeDriver", FIELD_PLAIN, "s"),
	HOST("Annotations", FIELD_PLAIN, MAP, .since = 43),
	HOST("CapAdd", FIELD_SPECIAL, TEXTS, SPECIAL(capabilities), .order = ORDER_FREE),
	HOST("CapDrop", FIELD_SPECIAL, TEXTS, SPECIAL(capabilities), .order = ORDER_FREE),
	HOST("CgroupnsMode", FIELD_SPECIAL, "s", SPECIAL(cgroupns), .since = 41),
	HOST("Dns", FIELD_PLAIN, TEXTS),
	HOST("DnsOptions", FIELD_PLAIN, TEXTS),
	HOST("DnsSearch", FIELD_PLAIN, TEXTS),
	HOST("ExtraHosts", FIELD_PLAIN, TEXTS),
	HOST("GroupAdd", FIELD_PLAIN, TEXTS, .order = ORDER_FREE),
	HOST("IpcMode", FIELD_SPECIAL, "s", SPECIAL(namespace)),
	HOST("Cgroup", FIELD_SPECIAL, "s", SPECIAL(namespace)),
	HOST("Links", FIELD_SPECIAL, TEXTS, SPECIAL(links), .order = ORDER_FREE),
	HOST("OomScoreAdj", FIELD_PLAIN, "i"),
	HOST("PidMode", FIELD_SPECIAL, "s", SPECIAL(namespace)),
	HOST("Privileged", FIELD_PLAIN, "b"),
	HOST("PublishAllPorts", FIELD_PLAIN, "b"),
	HOST("ReadonlyRootfs", FIELD_PLAIN, "b"),
	HOST("SecurityOpt", FIELD_SPECIAL, TEXTS, SPECIAL(security), .order = ORDER_FREE),
	HOST("StorageOpt", FIELD_PLAIN, MAP),
	HOST("Tmpfs", FIELD_PLAIN, MAP),
	HOST("UTSMode", FIELD_SPECIAL, "s", SPECIAL(namespace)),
	HOST("UsernsMode", FIELD_SPECIAL, "s", SPECIAL(namespace)),
	HOST("ShmSize", FIELD_PLAIN, "i"),
	HOST("Sysctls", FIELD_PLAIN, MAP),
	HOST("Runtime", FIELD_SPECIAL, "s", SPECIAL(runtime)),
	HOST("Isolation", FIELD_SPECIAL, "s", SPECIAL(isolation)),
	HOST("CpuShares", FIELD_PLAIN, "i"),
	HOST("Memory", FIELD_PLAIN, "i"),
	HOST("NanoCpus", FIELD_PLAIN, "i"),
	HOST("CgroupParent", FIELD_PLAIN, "s"),
	HOST("BlkioWeight", FIELD_PLAIN, "i"),
	HOST("BlkioWeightDevice", FIELD_PLAIN, "[{Path:s,Weight:i}]"),
	HOST("BlkioDeviceReadBps", FIELD_PLAIN, RATES),
	HOST("BlkioDeviceWriteBps", FIELD_PLAIN, RATES),
	HOST("BlkioDeviceReadIOps", FIELD_PLAIN, RATES),
	HOST("BlkioDeviceWriteIOps", FIELD_PLAIN, RATES),
	HOST("CpuPeriod", FIELD_SPECIAL, "i", SPECIAL(cpu_cfs)),
	HOST("CpuQuota", FIELD_SPECIAL, "i", SPECIAL(cpu_cfs)),
	HOST("CpuRealtimePeriod", FIELD_PLAIN, "i"),
	HOST("CpuRealtimeRuntime", FIELD_PLAIN, "i"),
	HOST("CpusetCpus", FIELD_PLAIN, "s"),
	HOST("CpusetMems", FIELD_PLAIN, "s"),
	HOST("Devices", FIELD_PLAIN, "[{PathOnHost:s,PathInContainer:s,CgroupPermissions:s}]"),
	HOST("DeviceCgroupRules", FIELD_PLAIN, TEXTS),
	HOST("DeviceRequests", FIELD_PLAIN, GPUS, .since = 40),
	HOST("KernelMemory", FIELD_PLAIN, "i", .until = 41),
	HOST("KernelMemoryTCP", FIELD_PLAIN, "i", .since = 40),
	HOST("MemoryReservation", FIELD_PLAIN, "i"),
	HOST("MemorySwap", FIELD_PLAIN, "i"),
	HOST("MemorySwappiness", FIELD_SPECIAL, "i", SPECIAL(swappiness)),
	HOST("OomKillDisable", FIELD_SPECIAL, "b", SPECIAL(oom_kill)),
	HOST("PidsLimit", FIELD_SPECIAL, "i", SPECIAL(pids_limit)),
	HOST("Ulimits", FIELD_SPECIAL, "[{Name:s,Hard:i,Soft:i}]", SPECIAL(ulimits)),
	HOST("CpuCount", FIELD_PLAIN, "i"),
	HOST("CpuPercent", FIELD_PLAIN, "i"),
	HOST("IOMaximumIOps", FIELD_PLAIN, "i"),
	HOST("IOMaximumBandwidth", FIELD_PLAIN, "i"),
	HOST("MaskedPaths", FIELD_SPECIAL, TEXTS, SPECIAL(paths), .order = ORDER_FREE),
	HOST("ReadonlyPaths", FIELD_SPECIAL, TEXTS, SPECIAL(paths), .order = ORDER_FREE),
	HOST("Init", FIELD_POINTER, "b"),

	NOT("Mounts[].Type", FIELD_ELSEWHERE, "mounts"),
	NOT("Mounts[].Name", FIELD_ELSEWHERE, "mounts"),
	NOT("Mounts[].Source", FIELD_ELSEWHERE, "mounts"),
	NOT("Mounts[].Destination", FIELD_ELSEWHERE, "mounts"),
	NOT("Mounts[].Driver", FIELD_ELSEWHERE, "volumes"),
	NOT("Mounts[].Mode", FIELD_ELSEWHERE, "mounts"),
	NOT("Mounts[].RW", FIELD_ELSEWHERE, "mounts"),
	NOT("Mounts[].Propagation", FIELD_ELSEWHERE, "mounts"),

	STATE("NetworkSettings.Bridge"), STATE("NetworkSettings.SandboxID"),
	STATE("NetworkSettings.SandboxKey"), STATE("NetworkSettings.HairpinMode"),
	STATE("NetworkSettings.LinkLocalIPv6Address"),
	STATE("NetworkSettings.LinkLocalIPv6PrefixLen"), STATE("NetworkSettings.Ports"),
	STATE("NetworkSettings.SecondaryIPAddresses"),
	STATE("NetworkSettings.SecondaryIPv6Addresses"), STATE("NetworkSettings.EndpointID"),
	STATE("NetworkSettings.Gateway"), STATE("NetworkSettings.GlobalIPv6Address"),
	STATE("NetworkSettings.GlobalIPv6PrefixLen"), STATE("NetworkSettings.IPAddress"),
	STATE("NetworkSettings.IPPrefixLen"), STATE("NetworkSettings.IPv6Gateway"),
	STATE("NetworkSettings.MacAddress"),
	NOT(ENDPOINT("IPAMConfig"), FIELD_ELSEWHERE, "networks: ipv4, ipv6, link_local", .shape = "{IPv4Address:s,IPv6Address:s,LinkLocalIPs:[s]}"),
	NOT(ENDPOINT("Links"), FIELD_ELSEWHERE, "networks: links"),
	NOT(ENDPOINT("Aliases"), FIELD_ELSEWHERE, "networks: aliases"),
	NOT(ENDPOINT("DriverOpts"), FIELD_ELSEWHERE, "networks: driver_opts"),
	NOT(ENDPOINT("GwPriority"), FIELD_ELSEWHERE, "networks: priority"),
	NOT(ENDPOINT("DNSNames"), FIELD_DERIVED, "the name and the aliases"),
	NOT(ENDPOINT("MacAddress"), FIELD_DERIVED, "Config.MacAddress, or the engine's choice"),
	STATE(ENDPOINT("NetworkID")), STATE(ENDPOINT("EndpointID")),
	STATE(ENDPOINT("Gateway")), STATE(ENDPOINT("IPAddress")),
	STATE(ENDPOINT("IPPrefixLen")), STATE(ENDPOINT("IPv6Gateway")),
	STATE(ENDPOINT("GlobalIPv6Address")), STATE(ENDPOINT("GlobalIPv6PrefixLen")),
	/* clang-format on */
};
const size_t container_fields_count = ARRAY_LEN(container_fields);

bool container_field_is_carried(const struct container_field *f)
{
	return f->request != NULL;
}

const struct container_field *container_field_of(const char *request)
{
	for (size_t i = 0; i < ARRAY_LEN(container_fields); i++)
		if (container_fields[i].request &&
			strcmp(container_fields[i].request, request) == 0)
			return &container_fields[i];
	return NULL;
}

/* --- what no row knows --- */

struct walk {
	json_unknown_fn *fn;
	void *ctx;
	struct err *err;
};

/* Is `path` a row, or does one lie below it? */
static const struct container_field *row_at(const char *path, bool *ret_below)
{
	size_t n = strlen(path);

	*ret_below = false;
	for (size_t i = 0; i < ARRAY_LEN(container_fields); i++) {
		const char *row = container_fields[i].path;

		if (strncmp(row, path, n) != 0)
			continue;
		if (row[n] == '\0')
			return &container_fields[i];
		*ret_below = *ret_below || row[n] == '.' || row[n] == '[';
	}
	return NULL;
}

static int look_inside(
	const struct walk *w, const struct container_field *row, const json_t *v, const char *path)
{
	struct json_taker taker = { .code = ERR_ENGINE, .unknown = w->fn, .ctx = w->ctx };
	json_t *copy = NULL;
	int r = json_shape_take(&taker, v, row->shape, path, &copy, w->err);

	json_decref(copy);
	return r;
}

static int walk(const struct walk *w, const json_t *o, const char *path);

static int walk_value(const struct walk *w, const json_t *v, const char *path)
{
	const struct container_field *row;
	bool below;
	const json_t *item;
	char each[JSON_PATH_MAX + 2];
	size_t i;

	if (json_is_zero(v))
		return 0;
	row = row_at(path, &below);
	if (row)
		return row->shape ? look_inside(w, row, v, path) : 0;
	if (!below)
		return w->fn(w->ctx, path, v, w->err);
	if (json_is_object(v))
		return walk(w, v, path);
	snprintf(each, sizeof(each), "%s[]", path);
	json_array_foreach(v, i, item)
	{
		if (walk(w, item, each) != 0)
			return -1;
	}

	return 0;
}

static int walk(const struct walk *w, const json_t *o, const char *path)
{
	char next[JSON_PATH_MAX];
	bool any = strcmp(path, "NetworkSettings.Networks") == 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		int n = snprintf(
			next, sizeof(next), "%s%s%s", path, path[0] ? "." : "", any ? "*" : key);

		if ((size_t)n >= sizeof(next) ? w->fn(w->ctx, next, v, w->err) != 0
					      : walk_value(w, v, next) != 0)
			return -1;
	}
	return 0;
}

int container_fields_unknown(const json_t *inspect, json_unknown_fn *fn, void *ctx, struct err *err)
{
	return walk(&(struct walk){ fn, ctx, err }, inspect, "");
}
