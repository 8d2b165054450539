/* Everything that is mounted into a container, however it was asked for. */
#include "common/cargo/container_parts.h"

#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE_ANONYMOUS_LEN 64 /* hexadecimal digits */
#define BINDS_TEXT_MAX (16u << 10)

static bool is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

bool volume_is_anonymous(const char *name)
{
	size_t n = strlen(ANONYMOUS_PREFIX);

	return is_hex(name, ENGINE_ANONYMOUS_LEN) ||
	       (strncmp(name, ANONYMOUS_PREFIX, n) == 0 &&
		       is_hex(name + n, ANONYMOUS_NAME_LEN - n));
}

/* The engine's 64 digits become ours: names of that form are not to be trusted in requests. */
static json_t *stable_name(const char *name)
{
	if (!is_hex(name, ENGINE_ANONYMOUS_LEN))
		return json_string(name);
	return json_sprintf(ANONYMOUS_PREFIX "%.*s",
		(int)(ANONYMOUS_NAME_LEN - strlen(ANONYMOUS_PREFIX)), name);
}

/* --- HostConfig.Binds: "SOURCE:TARGET[:OPTION,…]" --- */

/* The options of the bind of this target: NULL when there is none, "" when it has none. */
static const char *bind_options(const json_t *binds, const char *target)
{
	const json_t *v;
	size_t i, n = strlen(target);

	json_array_foreach(binds, i, v)
	{
		const char *s = json_string_value(v), *at = s ? strchr(s, ':') : NULL;

		if (!at || strncmp(at + 1, target, n) != 0)
			continue;
		at += 1 + n;
		at += *at == '/'; /* as it was typed; inspect has it without */
		if (*at == '\0' || *at == ':')
			return *at ? at + 1 : at;
	}
	return NULL;
}

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* What is no option of ours is one of Podman's own making (rbind, nosuid, nodev), or rw and ro,
 * which inspect says more clearly. */
static int take_option(json_t *mount, const char *s, size_t n, struct err *err)
{
	static const char *const propagations[] = { "private", "rprivate", "shared", "rshared",
		"slave", "rslave" };
	static const char *const consistencies[] = { "consistent", "cached", "delegated" };

	if (is_word(s, n, "nocopy"))
		return json_put(mount, "nocopy", json_true(), err);
	if (is_word(s, n, "z") || is_word(s, n, "Z"))
		return json_put(mount, "relabel", json_stringn(s, n), err);
	/* Podman says it of volumes, too; Docker refuses it there. */
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
		if (is_word(s, n, propagations[i]) && !json_object_get(mount, "volume"))
			return json_put(mount, "propagation", json_stringn(s, n), err);
	for (size_t i = 0; i < ARRAY_LEN(consistencies); i++)
		if (is_word(s, n, consistencies[i]))
			return json_put(mount, "consistency", json_stringn(s, n), err);
	return 0;
}

static int take_options(json_t *mount, const char *s, struct err *err)
{
	while (*s) {
		size_t n = strcspn(s, ",");

		if (take_option(mount, s, n, err) != 0)
			return -1;
		s += n;
		s += *s == ',';
	}
	return 0;
}

/* --- HostConfig.Mounts --- */

static const struct {
	const char *ours, *theirs, *shape;
	unsigned since;
} mount_members[] = {
	{ "consistency", "Consistency", "s", 0 },
	{ "propagation", "BindOptions.Propagation", "s", 0 },
	{ "non_recursive", "BindOptions.NonRecursive", "b", 40 },
	{ "create_source", "BindOptions.CreateMountpoint", "b", 42 },
	{ "read_only_non_recursive", "BindOptions.ReadOnlyNonRecursive", "b", 44 },
	{ "read_only_force_recursive", "BindOptions.ReadOnlyForceRecursive", "b", 44 },
	{ "nocopy", "VolumeOptions.NoCopy", "b", 0 },
	{ "labels", "VolumeOptions.Labels", "{*s}", 0 },
	{ "driver", "VolumeOptions.DriverConfig.Name", "s", 0 },
	{ "driver_options", "VolumeOptions.DriverConfig.Options", "{*s}", 0 },
	{ "size", "TmpfsOptions.SizeBytes", "i", 0 },
	{ "mode", "TmpfsOptions.Mode", "i", 0 },
	{ "options", "TmpfsOptions.Options", "[[s]]", 46 },
};

/* Volumes and images have the same option under two names. */
static const char *subpath_of(const char *type)
{
	return strcmp(type, "image") == 0 ? "ImageOptions.Subpath" : "VolumeOptions.Subpath";
}

#define API_IMAGE_MOUNTS 48
#define API_RECURSIVE_READ_ONLY                                                                    \
	44 /* from here on, read-only is so for what is mounted below, too */

static int take_declared(const struct container_source *source, const json_t *declared,
	const char *type, json_t *mount, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(mount_members); i++)
		if (container_copy(declared, mount_members[i].theirs, mount_members[i].shape, mount,
			    mount_members[i].ours, err) != 0)
			return -1;
	if (strcmp(type, "bind") == 0 && source->engine->api < API_RECURSIVE_READ_ONLY &&
		json_is_true(json_object_get(declared, "ReadOnly")) &&
		json_put(mount, "read_only_non_recursive", json_true(), err) != 0)
		return -1;
	return container_copy(declared, subpath_of(type), "s", mount, "subpath", err);
}

/* --- inspect's Mounts --- */

static int put_volume(json_t *mount, const char *name, struct err *err)
{
	if (json_put(mount, "volume", stable_name(name), err) != 0)
		return -1;
	if (strcmp(json_text(mount, "volume"), name) == 0)
		return 0;
	return json_put(mount, "source_volume", json_string(name), err);
}

static int take_mount(
	const struct container_source *source, const json_t *seen, json_t *mount, struct err *err)
{
	const json_t *host = json_object_get(source->container, "HostConfig");
	const char *type = json_text(seen, "Type"), *target = json_text(seen, "Destination");
	const char *bind = bind_options(json_object_get(host, "Binds"), target);
	const json_t *declared = bind ? NULL
				      : container_find(
						json_object_get(host, "Mounts"), "Target", target);
	bool volume = strcmp(type, "volume") == 0;

	if (json_put(mount, "type", json_string(type), err) != 0 ||
		json_put(mount, "target", json_string(target), err) != 0 ||
		json_put(mount, "form", json_string(declared ? "mount" : "bind"), err) != 0)
		return -1;
	if (!json_is_true(json_object_get(seen, "RW")) &&
		json_put(mount, "read_only", json_true(), err) != 0)
		return -1;
	if (volume && put_volume(mount, json_text(seen, "Name"), err) != 0)
		return -1;
	if (!volume && container_copy(declared ? declared : seen, "Source", "s", mount, "source",
			       err) != 0)
		return -1;
	if (declared)
		return take_declared(source, declared, type, mount, err);
	/* Of what another container gave (VolumesFrom) nothing is declared here. */
	return take_options(mount, bind ? bind : volume ? "" : json_text(seen, "Mode"), err);
}

int container_mounts_take(const struct container_source *source, json_t **ret, struct err *err)
{
	const json_t *list = json_object_get(source->container, "Mounts"), *seen;
	const json_t *tmpfs = json_at(source->container, "HostConfig.Tmpfs");
	json_t *mounts = json_array();
	size_t i;

	if (!mounts)
		return err_nomem(err);
	json_array_foreach(list, i, seen)
	{
		const char *target = json_text(seen, "Destination");
		json_t *mount;

		if (json_object_get(tmpfs, target)) /* Podman shows it in both places */
			continue;
		mount = json_object();
		if (json_array_append_new(mounts, mount) != 0) {
			json_decref(mounts);
			return err_nomem(err);
		}
		if (take_mount(source, seen, mount, err) != 0) {
			json_decref(mounts);
			return -1;
		}
	}
	*ret = mounts;
	return container_sort(mounts, "target", err);
}

/* --- volumes --- */

static int take_volume(
	const struct container_source *source, const json_t *mount, json_t *v, struct err *err)
{
	const char *own = json_text(mount, "source_volume");
	const char *name = *own ? own : json_text(mount, "volume");
	const json_t *answer = container_find(source->volumes, "Name", name);

	if (json_put(v, "name", json_string(json_text(mount, "volume")), err) != 0 ||
		(*own && json_put(v, "source", json_string(own), err) != 0) ||
		container_copy(answer, "Driver", "s", v, "driver", err) != 0 ||
		container_copy(answer, "Options", "{*s}", v, "options", err) != 0 ||
		container_copy(answer, "Labels", "{*s}", v, "labels", err) != 0)
		return -1;
	return answer ? 0 : json_put(v, "driver", json_string("local"), err);
}

int container_volumes_take(
	const struct container_source *source, const json_t *mounts, json_t **ret, struct err *err)
{
	json_t *volumes = json_array();
	const json_t *mount;
	size_t i;

	if (!volumes)
		return err_nomem(err);
	json_array_foreach(mounts, i, mount)
	{
		const char *name = json_text(mount, "volume");
		json_t *v;

		if (!*name || container_find(volumes, "name", name))
			continue;
		v = json_object();
		if (!v || json_array_append_new(volumes, v) != 0) {
			json_decref(volumes);
			return err_nomem(err);
		}
		if (take_volume(source, mount, v, err) != 0) {
			json_decref(volumes);
			return -1;
		}
	}
	*ret = volumes;
	return container_sort(volumes, "name", err);
}

/* --- on the target --- */

static int bind_text(const json_t *mount, const char *source, json_t **ret, struct err *err)
{
	const char *options[] = { json_is_true(json_object_get(mount, "read_only")) ? "ro" : "",
		json_text(mount, "relabel"), json_text(mount, "propagation"),
		json_is_true(json_object_get(mount, "nocopy")) ? "nocopy" : "",
		json_text(mount, "consistency") };
	char separator = ':';
	struct buf b;

	buf_init(&b, BINDS_TEXT_MAX);
	buf_append(&b, source, strlen(source));
	buf_append(&b, ":", 1);
	buf_append(&b, json_text(mount, "target"), strlen(json_text(mount, "target")));
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!*options[i])
			continue;
		buf_append(&b, &separator, 1);
		buf_append(&b, options[i], strlen(options[i]));
		separator = ',';
	}
	*ret = buf_ok(&b) ? json_stringn((const char *)buf_bytes(&b), buf_len(&b)) : NULL;
	buf_done(&b);
	return *ret ? 0 : err_set(err, ERR_LIMIT, "a mount's paths are too long");
}

bool container_mount_fits(const json_t *mount, const struct container_target *target)
{
	return strcmp(json_text(mount, "type"), "image") != 0 || target->api >= API_IMAGE_MOUNTS;
}

const char *container_mount_misfit(const json_t *mount, const struct container_target *target)
{
	for (size_t i = 0; i < ARRAY_LEN(mount_members); i++)
		if (mount_members[i].since > target->api &&
			strcmp(mount_members[i].ours, "read_only_non_recursive") != 0 &&
			json_object_get(mount, mount_members[i].ours))
			return mount_members[i].theirs;
	return NULL;
}

static int mount_object(const json_t *mount, const char *source,
	const struct container_target *target, json_t *m, struct err *err)
{
	if (json_put(m, "Type", json_string(json_text(mount, "type")), err) != 0 ||
		json_put(m, "Target", json_string(json_text(mount, "target")), err) != 0 ||
		(*source && json_put(m, "Source", json_string(source), err) != 0) ||
		container_copy(mount, "read_only", "b", m, "ReadOnly", err) != 0 ||
		container_copy(
			mount, "subpath", "s", m, subpath_of(json_text(mount, "type")), err) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(mount_members); i++)
		if (mount_members[i].since <= target->api &&
			container_copy(mount, mount_members[i].ours, mount_members[i].shape, m,
				mount_members[i].theirs, err) != 0)
			return -1;
	return 0;
}

static int add_mount(const json_t *mount, const char *source, const struct container_target *target,
	json_t *binds, json_t *mounts, struct err *err)
{
	json_t *v;

	if (!container_mount_fits(mount, target))
		return 0;
	if (strcmp(json_text(mount, "form"), "bind") == 0) {
		if (bind_text(mount, source, &v, err) != 0)
			return -1;
		return json_array_append_new(binds, v) == 0 ? 0 : err_nomem(err);
	}
	v = json_object();
	if (!v || json_array_append_new(mounts, v) != 0)
		return err_nomem(err);
	return mount_object(mount, source, target, v, err);
}

static int add_all(const json_t *list, const struct container_target *target,
	const struct container_choice *choice, json_t *binds, json_t *mounts, struct err *err)
{
	const json_t *mount;
	struct buf path;
	size_t i;
	int r = 0;

	buf_init(&path, BINDS_TEXT_MAX);
	json_array_foreach(list, i, mount)
	{
		const char *source = json_text(mount, "source");

		if (strcmp(json_text(mount, "type"), "volume") == 0)
			source = json_text(mount, "volume");
		if (strcmp(json_text(mount, "type"), "bind") == 0) {
			buf_clear(&path);
			container_map_path(choice, source, &path);
			source = buf_ok(&path) ? (const char *)buf_bytes(&path) : source;
		}
		r = add_mount(mount, source, target, binds, mounts, err);
		if (r != 0)
			break;
	}
	buf_done(&path);
	return r;
}

int container_mounts_request(const json_t *list, const struct container_target *target,
	const struct container_choice *choice, json_t *create, struct err *err)
{
	json_t *binds = json_array(), *mounts = json_array();
	int r = binds && mounts ? add_all(list, target, choice, binds, mounts, err)
				: err_nomem(err);

	if (r == 0 && !json_is_zero(binds))
		r = json_put(create, "HostConfig.Binds", json_incref(binds), err);
	if (r == 0 && !json_is_zero(mounts))
		r = json_put(create, "HostConfig.Mounts", json_incref(mounts), err);
	json_decref(binds);
	json_decref(mounts);
	return r;
}
