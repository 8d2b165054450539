#include "common/cargo/container_powers.h"

#include "common/base/base.h"
#include "common/base/text.h"
#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const power_names[CONTAINER_POWERS_COUNT] = { "bind", "device", "hostns",
	"privileged" };

struct asking {
	const json_t *manifest, *config;
	uint32_t powers;
	char (*why)[CONTAINER_POWER_WHY_MAX];
};

static size_t index_of(enum container_power power)
{
	size_t i = 0;

	while (((unsigned)power >> i) > 1)
		i++;
	return i;
}

const char *container_power_name(enum container_power power)
{
	return power_names[index_of(power)];
}

static void need(struct asking *a, enum container_power power, const char *field, const char *what)
{
	char shown[CONTAINER_POWER_WHY_MAX];

	if (a->why && !(a->powers & (uint32_t)power))
		snprintf(a->why[index_of(power)], CONTAINER_POWER_WHY_MAX, "%s%s%s", field,
			*what ? " " : "",
			text_escape(shown, sizeof(shown) / 2, what, strlen(what)));
	a->powers |= (uint32_t)power;
}

static bool one_of(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (strcasecmp(s, *names) == 0)
			return true;
	return false;
}

/* --- namespaces: all but what is known to be the container's own --- */

static void ask_namespaces(struct asking *a)
{
	static const char *const own[] = { "", "private", "shareable", "none", NULL };
	static const char *const modes[] = { "HostConfig.PidMode", "HostConfig.IpcMode",
		"HostConfig.UTSMode", "HostConfig.UsernsMode", "HostConfig.CgroupnsMode",
		"HostConfig.Cgroup" };
	const json_t *networks = json_object_get(a->manifest, "networks"), *n;
	const char *mode = json_text(a->config, "HostConfig.NetworkMode");
	size_t i;

	for (i = 0; i < ARRAY_LEN(modes); i++)
		if (!one_of(json_text(a->config, modes[i]), own))
			need(a, POWER_HOSTNS, modes[i], json_text(a->config, modes[i]));
	if (*mode && strcmp(mode, "none") != 0 &&
		(strcmp(mode, "host") == 0 || !container_find(networks, "name", mode)))
		need(a, POWER_HOSTNS, "HostConfig.NetworkMode", mode);
	json_array_foreach(networks, i, n)
	{
		if (strcmp(json_text(n, "name"), "host") == 0 ||
			strcmp(json_text(n, "driver"), "host") == 0)
			need(a, POWER_HOSTNS, "NetworkSettings.Networks", json_text(n, "name"));
	}

	/* They bring the other container's environment along. */
	if (!json_is_zero(json_object_get(a->config, "HostConfig.Links")))
		need(a, POWER_HOSTNS, "HostConfig.Links", "");
}

/* --- the host's files --- */

/* The local driver mounts whatever it is told to, and a plugin may do anything. A bind's type does
 * not count. */
static bool is_host_volume(const char *driver, const json_t *options)
{
	if (*driver && strcmp(driver, "local") != 0)
		return true;
	return !json_is_zero(options) &&
	       (strcmp(json_text(options, "type"), "tmpfs") != 0 ||
		       strcmp(json_text(options, "device"), "tmpfs") != 0 ||
		       strstr(json_text(options, "o"), "bind"));
}

static void ask_files(struct asking *a)
{
	const json_t *mounts = json_object_get(a->manifest, "mounts"), *m;
	const json_t *volumes = json_object_get(a->manifest, "volumes"), *v;
	const char *driver = json_text(a->config, "HostConfig.VolumeDriver");
	size_t i;

	json_array_foreach(mounts, i, m)
	{
		if (strcmp(json_text(m, "type"), "bind") == 0)
			need(a, POWER_BIND, "Mounts", json_text(m, "source"));
		else if (is_host_volume(
				 json_text(m, "driver"), json_object_get(m, "driver_options")))
			need(a, POWER_BIND, "Mounts", json_text(m, "target"));
	}

	json_array_foreach(volumes, i, v)
	{
		if (is_host_volume(json_text(v, "driver"), json_object_get(v, "options")))
			need(a, POWER_BIND, "the volume", json_text(v, "name"));
	}

	if (*driver && strcmp(driver, "local") != 0)
		need(a, POWER_BIND, "HostConfig.VolumeDriver", driver);
}

/* --- devices --- */

static void ask_devices(struct asking *a)
{
	static const char *const fields[] = { "HostConfig.Devices", "HostConfig.DeviceCgroupRules",
		"HostConfig.DeviceRequests" };

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!json_is_zero(json_object_get(a->config, fields[i])))
			need(a, POWER_DEVICE, fields[i], "");
}

/* --- confinement --- */

static void ask_capabilities(struct asking *a)
{
	static const char *const far[] = { "ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE",
		"SYS_RAWIO", "DAC_READ_SEARCH", NULL };
	const json_t *list = json_object_get(a->config, "HostConfig.CapAdd"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v);

		if (one_of(strncasecmp(s, "CAP_", 4) == 0 ? s + 4 : s, far))
			need(a, POWER_PRIVILEGED, "HostConfig.CapAdd", s);
	}
}

/* Everything but what confines more, or as much as an engine does by itself. */
static void ask_security(struct asking *a)
{
	static const char *const harmless[] = { "no-new-privileges", "no-new-privileges=true",
		"seccomp=builtin", "apparmor=docker-default", NULL };
	const json_t *list = json_object_get(a->config, "HostConfig.SecurityOpt"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (!one_of(json_string_value(v), harmless))
			need(a, POWER_PRIVILEGED, "HostConfig.SecurityOpt", json_string_value(v));
	}
}

static void ask_confinement(struct asking *a)
{
	/* Annotations speak to the runtime, past the engine. */
	static const char *const fields[] = { "HostConfig.Privileged", "HostConfig.MaskedPaths",
		"HostConfig.ReadonlyPaths", "HostConfig.Annotations" };
	const char *runtime = json_text(a->config, "HostConfig.Runtime");
	const char *parent = json_text(a->config, "HostConfig.CgroupParent");

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const json_t *v = json_object_get(a->config, fields[i]);

		if (json_is_array(v) || !json_is_zero(v)) /* no paths are masked: [] */
			need(a, POWER_PRIVILEGED, fields[i], "");
	}
	/* A path there is a program of the host. */
	if (strchr(runtime, '/'))
		need(a, POWER_PRIVILEGED, "HostConfig.Runtime", runtime);
	if (strstr(parent, ".."))
		need(a, POWER_PRIVILEGED, "HostConfig.CgroupParent", parent);
	ask_capabilities(a);
	ask_security(a);
}

uint32_t container_powers(
	const json_t *manifest, char why[CONTAINER_POWERS_COUNT][CONTAINER_POWER_WHY_MAX])
{
	struct asking a = {
		.manifest = manifest, .config = json_object_get(manifest, "config"), .why = why
	};

	for (size_t i = 0; why && i < CONTAINER_POWERS_COUNT; i++)
		why[i][0] = '\0';
	ask_files(&a);
	ask_devices(&a);
	ask_namespaces(&a);
	ask_confinement(&a);
	return a.powers;
}

int container_powers_check(const json_t *manifest, uint32_t allowed, struct err *err)
{
	char why[CONTAINER_POWERS_COUNT][CONTAINER_POWER_WHY_MAX], name[100];
	uint32_t missing = container_powers(manifest, why) & ~allowed;

	for (size_t i = 0; i < CONTAINER_POWERS_COUNT; i++)
		if (missing >> i & 1u)
			return err_set(err, ERR_REFUSED,
				"the container '%s' needs the grant '%s' for %s: the receiver's "
				"operator gives it with drayd invite --allow",
				text_escape(name, sizeof(name), container_name(manifest),
					strlen(container_name(manifest))),
				power_names[i], why[i]);
	return 0;
}
