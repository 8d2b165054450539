#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>

#define API_MANY_ENDPOINTS 44 /* before that create takes one network */
#define MAP_PATH_MAX 4096u

void container_request_done(struct container_request *r)
{
	json_decref(r->volumes);
	json_decref(r->create);
	json_decref(r->connects);
	*r = (struct container_request){ 0 };
}

/* --- --map --- */

static bool is_plain_path(const char *s)
{
	size_t n = strlen(s);

	return s[0] == '/' && n < MAP_PATH_MAX && (n == 1 || s[n - 1] != '/') && !strpbrk(s, ":\n");
}

int container_path_map_parse(char *text, struct container_path_map *ret, struct err *err)
{
	char *equals = strchr(text, '=');

	if (equals)
		*equals = '\0';
	if (!equals || !is_plain_path(text) || !is_plain_path(equals + 1))
		return err_set(err, ERR_USAGE,
			"--map takes /SOURCE=/TARGET: two absolute paths without a slash at the "
			"end and without a colon");
	ret->from = text;
	ret->to = equals + 1;
	return 0;
}

/* What is behind `from` in the path when it lies there, or NULL. */
static const char *below(const char *path, const char *from)
{
	size_t n = strcmp(from, "/") == 0 ? 0 : strlen(from);

	return strncmp(path, from, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n : NULL;
}

/* The longest one that fits counts, however they were given. */
void container_map_path(const struct container_choice *choice, const char *path, struct buf *ret)
{
	const struct container_path_map *best = NULL;
	const char *rest = path;

	for (size_t i = 0; i < choice->n_maps; i++)
		if (below(path, choice->maps[i].from) &&
			(!best || strlen(choice->maps[i].from) > strlen(best->from)))
			best = &choice->maps[i];
	if (best) {
		rest = below(path, best->from);
		if (strcmp(best->to, "/") != 0 || !*rest)
			buf_append(ret, best->to, strlen(best->to));
	}
	buf_append(ret, rest, strlen(rest) + 1);
}

/* --- what this target does not take --- */

bool container_field_fits(const struct container_field *f, const json_t *value,
	const struct container_target *t, const char **why)
{
	*why = NULL;
	if (f->since > t->api)
		*why = "the target's engine is too old for it";
	else if (f->until && f->until < t->api)
		*why = "the target's engine has given it up";
	else if (strcmp(f->request, "HostConfig.LogConfig") == 0 && t->log_drivers &&
		 !json_has_text(t->log_drivers, json_text(value, "Type")))
		*why = "the target has no such log driver: its own is used";
	else if (strcmp(f->request, "HostConfig.Runtime") == 0 && t->runtimes &&
		 !json_has_text(t->runtimes, json_string_value(value)))
		*why = "the target has no such runtime: its own is used";
	else if (strcmp(f->request, "HostConfig.OomKillDisable") == 0 && t->cgroup_v2)
		*why = "the target's cgroups are of version 2, which has no such thing";
	else if (strcmp(f->request, "HostConfig.MemorySwappiness") == 0 && t->cgroup_v2)
		*why = "the target's cgroups are of version 2, which has no such thing";
	return *why == NULL;
}

/* --- create --- */

static int put_fields(const json_t *manifest, const struct container_target *target,
	const struct container_choice *choice, json_t *create, struct err *err)
{
	json_t *config = json_object_get(manifest, "config"), *v;
	const char *key, *why;

	json_object_foreach(config, key, v)
	{
		const struct container_field *f = container_field_of(key);

		if (!f)
			return err_set(err, ERR_PROTOCOL,
				"a container's manifest has a field that is not known");
		if (!container_field_fits(f, v, target, &why) ||
			(choice->no_restart && strcmp(key, "HostConfig.RestartPolicy") == 0))
			continue;
		if (json_put(create, f->request, json_deep_copy(v), err) != 0)
			return -1;
	}
	return 0;
}

static int put_endpoints(const json_t *manifest, const struct container_target *target,
	json_t *create, json_t *connects, struct err *err)
{
	const json_t *networks = json_object_get(manifest, "networks"), *n;
	json_t *ends = json_object();
	int r = ends ? 0 : err_nomem(err);
	size_t i;

	json_array_foreach(networks, i, n)
	{
		const char *name = json_text(n, "name");
		const json_t *endpoint = json_object_get(n, "endpoint");
		json_t *end = NULL;

		if (r == 0)
			r = container_endpoint_request(endpoint, target, &end, err);
		if (r != 0)
			break;
		if (i == 0 && target->api < API_ENDPOINT_MAC)
			r = container_copy(endpoint, "mac", "s", create, "MacAddress", err);
		if (i == 0 || target->api >= API_MANY_ENDPOINTS)
			r = r == 0 && json_object_set_new(ends, name, end) == 0 ? 0 : -1;
		else
			r = json_array_append_new(
				connects, json_pack("{s:s,s:{s:o}}", "network", name, "body",
						  "EndpointConfig", end));
		if (r != 0)
			r = err && err->code ? -1 : err_nomem(err);
	}
	if (r == 0 && !json_is_zero(ends))
		return json_put(create, "NetworkingConfig.EndpointsConfig", ends, err);
	json_decref(ends);
	return r;
}

/* --- volumes --- */

static int put_volumes(const json_t *manifest, json_t *volumes, struct err *err)
{
	const json_t *list = json_object_get(manifest, "volumes"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		json_t *body = json_object();

		if (!body || json_array_append_new(volumes, body) != 0)
			return err_nomem(err);
		if (container_copy(v, "name", "s", body, "Name", err) != 0 ||
			container_copy(v, "driver", "s", body, "Driver", err) != 0 ||
			container_copy(v, "options", "{*s}", body, "DriverOpts", err) != 0 ||
			container_copy(v, "labels", "{*s}", body, "Labels", err) != 0)
			return -1;
	}
	return 0;
}

/* --- all of it --- */

/* A name that reads as an ID would hide the container that has it. */
static bool reads_as_id(const char *name)
{
	size_t n = strlen(name);

	return (n == 12 || n == 64) && strspn(name, "0123456789abcdef") == n;
}

static int put_name(const json_t *manifest, const struct container_choice *choice,
	struct container_request *r, struct err *err)
{
	const char *name = choice->name ? choice->name : container_name(manifest);
	const char *image = choice->image ? choice->image : container_image_name(manifest);

	if (reads_as_id(name))
		return err_set(err, ERR_USAGE,
			"the name '%s' reads as a container's ID: choose another one with --name",
			name);
	if (strlen(name) >= sizeof(r->name))
		return err_set(err, ERR_USAGE, "a container's name has at most %zu bytes",
			sizeof(r->name) - 1);
	snprintf(r->name, sizeof(r->name), "%s", name);
	return json_put(r->create, "Image", json_string(image), err);
}

int container_request_build(const json_t *manifest, const struct container_target *target,
	const struct container_choice *choice, struct container_request *ret, struct err *err)
{
	struct container_request r = {
		.volumes = json_array(), .create = json_object(), .connects = json_array()
	};

	if (!r.volumes || !r.create || !r.connects) {
		container_request_done(&r);
		return err_nomem(err);
	}
	if (put_name(manifest, choice, &r, err) != 0 ||
		put_volumes(manifest, r.volumes, err) != 0 ||
		put_fields(manifest, target, choice, r.create, err) != 0 ||
		container_mounts_request(
			json_object_get(manifest, "mounts"), target, choice, r.create, err) != 0 ||
		put_endpoints(manifest, target, r.create, r.connects, err) != 0) {
		container_request_done(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

json_t *container_connect_body(const struct container_request *r, size_t i, const char *id)
{
	json_t *body = json_copy(json_object_get(json_array_get(r->connects, i), "body"));

	if (body && json_object_set_new(body, "Container", json_string(id)) != 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}
