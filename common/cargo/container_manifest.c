#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>

/* --- configuration --- */

/* The value of a row in `from` (an inspect answer, or an image's config under "Config"). Unknown
 * keys inside it are found by container_fields_unknown. */
static int ignore(void *ctx, const char *path, const json_t *value, struct err *err)
{
	(void)ctx, (void)path, (void)value, (void)err;
	return 0;
}

static int take_value(
	const struct container_field *f, const json_t *from, json_t **ret, struct err *err)
{
	struct json_taker taker = { .code = ERR_ENGINE, .unknown = ignore };

	if (json_shape_take(&taker, json_at(from, f->path), f->shape, f->path, ret, err) != 0)
		return err_wrap(err, "the engine's answer is not understood");
	if (f->order == ORDER_FREE && json_sort_texts(*ret, err) != 0) {
		json_decref(*ret);
		return -1;
	}
	return 0;
}

static bool is_value(const struct container_field *f, const json_t *v)
{
	if (f->treatment == FIELD_POINTER || f->special)
		return v != NULL;
	return !json_is_zero(v);
}

static int apply_special(const struct container_source *source, const struct container_field *f,
	json_t **v, struct err *err)
{
	struct field_view view = { .source = source,
		.field = f,
		.value = *v,
		.config = json_object_get(source->container, "Config"),
		.host = json_object_get(source->container, "HostConfig") };
	json_t *given = NULL;

	if (f->special(&view, &given, err) != 0)
		return -1;
	json_decref(*v);
	*v = given;
	/* [] is a value for the paths that are masked, and nothing everywhere else. */
	if (json_is_zero(given) && f->special != special_paths &&
		f->special != special_swappiness) {
		json_decref(given);
		*v = NULL;
	}
	return f->order == ORDER_FREE ? json_sort_texts(*v, err) : 0;
}

static int take_field(const struct container_source *source, const struct container_field *f,
	json_t *config, struct err *err)
{
	json_t *v = NULL;
	int r = 0;

	if (take_value(f, source->container, &v, err) != 0)
		return -1;
	if (is_value(f, v) && f->treatment == FIELD_SPECIAL)
		r = apply_special(source, f, &v, err);
	if (r == 0 && is_value(f, v))
		return json_object_set_new(config, f->request, v) == 0 ? 0 : err_nomem(err);
	json_decref(v);
	return r;
}

/* What the image gives to the rows that are shared with it. */
static int take_image_config(const json_t *image, json_t *ret, struct err *err)
{
	for (size_t i = 0; i < container_fields_count; i++) {
		const struct container_field *f = &container_fields[i];
		json_t *v = NULL;

		if (f->treatment != FIELD_IMAGE)
			continue;
		if (take_value(f, image, &v, err) != 0)
			return err_wrap(err, "its image");
		if (json_is_zero(v))
			json_decref(v);
		else if (json_object_set_new(ret, f->request, v) != 0)
			return err_nomem(err);
	}
	return 0;
}

/* Ports that only the container exposes are its own only where it has a network of its own. */
static int apply_to_own(const struct container_source *source, json_t *config, struct err *err)
{
	for (size_t i = 0; i < container_fields_count; i++) {
		const struct container_field *f = &container_fields[i];
		json_t *v;
		int r;

		if (f->treatment != FIELD_IMAGE || !f->special ||
			!(v = json_incref(json_object_get(config, f->request))))
			continue;
		if (apply_special(source, f, &v, err) != 0) {
			json_decref(v);
			return -1;
		}
		r = v ? json_object_set_new(config, f->request, v)
		      : json_object_del(config, f->request);
		if (r != 0)
			return err_nomem(err);
	}
	return 0;
}

static int take_config(const struct container_source *source, json_t *manifest, struct err *err)
{
	json_t *config = json_object(), *image = source->image ? json_object() : NULL;
	int r = config && (image || !source->image) &&
				json_object_set_new(manifest, "config", config) == 0
			? 0
			: err_nomem(err);

	for (size_t i = 0; r == 0 && i < container_fields_count; i++)
		if (container_field_is_carried(&container_fields[i]))
			r = take_field(source, &container_fields[i], config, err);
	if (r == 0 && image)
		r = take_image_config(source->image, image, err);
	if (r == 0)
		r = container_subtract_image(config, image, err);
	if (r == 0)
		r = apply_to_own(source, config, err);
	if (r == 0 && !json_is_zero(image))
		return json_put(manifest, "image.config", image, err);
	json_decref(image);
	return r;
}

/* --- the other parts --- */

static int take_head(const json_t *container, json_t *manifest, struct err *err)
{
	const char *id = json_text(container, "Id"), *name = json_text(container, "Name");
	const char *typed = json_text(json_object_get(container, "Config"), "Image");
	const char *image = json_text(container, "Image");

	if (!*id || !*name || !*image)
		return err_set(err, ERR_ENGINE,
			"the engine's answer is not understood: a container without Id, Name or "
			"Image");
	name += *name == '/';
	if (json_put(manifest, "version", json_integer(CONTAINER_MANIFEST_VERSION), err) != 0 ||
		json_put(manifest, "id", json_string(id), err) != 0 ||
		json_put(manifest, "name", json_string(name), err) != 0 ||
		json_put(manifest, "image.id",
			/* Podman leaves the algorithm out. */
			json_sprintf("%s%s", strchr(image, ':') ? "" : "sha256:", image), err) != 0)
		return -1;
	return json_put(manifest, "image.name", json_string(*typed ? typed : image), err);
}

static int take_state(const json_t *container, json_t *manifest, struct err *err)
{
	const json_t *state = json_object_get(container, "State");
	json_t *ours = json_object();

	if (!ours || json_object_set_new(manifest, "state", ours) != 0)
		return err_nomem(err);
	if (container_copy(state, "Running", "b", ours, "running", err) != 0 ||
		container_copy(state, "Paused", "b", ours, "paused", err) != 0)
		return -1;
	return container_copy(state, "Health.Status", "s", ours, "health", err);
}

static int note_unknown(void *ctx, const char *path, const json_t *value, struct err *err)
{
	json_t *row = json_pack(
		"{s:s,s:s}", "field", path, "reason", "this version of dray does not know it");

	(void)value;
	return row && json_array_append_new(ctx, row) == 0 ? 0 : err_nomem(err);
}

static int take_unknown(const json_t *container, json_t *manifest, struct err *err)
{
	json_t *dropped = json_array();

	if (!dropped)
		return err_nomem(err);
	if (container_fields_unknown(container, note_unknown, dropped, err) != 0) {
		json_decref(dropped);
		return -1;
	}
	return json_put(manifest, "dropped", dropped, err);
}

typedef int take_fn(const struct container_source *source, json_t **ret, struct err *err);

static int take_part(const struct container_source *source, take_fn *fn, json_t *manifest,
	const char *key, struct err *err)
{
	json_t *part = NULL;

	return fn(source, &part, err) != 0 ? -1 : json_put(manifest, key, part, err);
}

static int take_all(const struct container_source *source, json_t *manifest, struct err *err)
{
	json_t *volumes = NULL;

	if (take_head(source->container, manifest, err) != 0 ||
		take_config(source, manifest, err) != 0 ||
		take_part(source, container_mounts_take, manifest, "mounts", err) != 0 ||
		take_part(source, container_networks_take, manifest, "networks", err) != 0 ||
		container_volumes_take(
			source, json_object_get(manifest, "mounts"), &volumes, err) != 0 ||
		json_put(manifest, "volumes", volumes, err) != 0)
		return -1;
	return take_state(source->container, manifest, err) != 0
		       ? -1
		       : take_unknown(source->container, manifest, err);
}

int container_manifest_build(const struct container_source *source, json_t **ret, struct err *err)
{
	json_t *manifest = json_object();
	struct err why = { 0 };
	struct buf b;
	int r;

	if (!manifest)
		return err_nomem(err);
	buf_init(&b, CONTAINER_MANIFEST_MAX);
	r = take_all(source, manifest, err);
	if (r == 0)
		r = container_manifest_print(manifest, &b, err);
	if (r == 0 && container_manifest_check(manifest, &why) != 0)
		r = err_set(err, why.code == ERR_PROTOCOL ? ERR_ENGINE : why.code,
			"this container cannot be carried: %s", why.text);
	buf_done(&b);
	if (r != 0) {
		json_decref(manifest);
		return -1;
	}
	*ret = manifest;
	return 0;
}

/* --- what else has to be asked --- */

static int want(json_t *list, const char *s, struct err *err)
{
	if (!s || !*s || json_has_text(list, s))
		return 0;
	return json_array_append_new(list, json_string(s)) == 0 ? 0 : err_nomem(err);
}

static int want_networks(const json_t *inspect, json_t *list, struct err *err)
{
	json_t *all = json_at(inspect, "NetworkSettings.Networks"), *end;
	const char *key;

	json_object_foreach(all, key, end)
	{
		const char *id = json_text(end, "NetworkID");

		if (!network_is_everywhere(key) && want(list, *id ? id : key, err) != 0)
			return -1;
	}
	return 0;
}

static int want_volumes(const json_t *inspect, json_t *list, struct err *err)
{
	const json_t *mounts = json_object_get(inspect, "Mounts"), *m;
	size_t i;

	json_array_foreach(mounts, i, m)
	{
		if (strcmp(json_text(m, "Type"), "volume") == 0 &&
			want(list, json_text(m, "Name"), err) != 0)
			return -1;
	}

	return 0;
}

static int want_containers(const json_t *inspect, json_t *list, struct err *err)
{
	static const char *const modes[] = { "NetworkMode", "IpcMode", "PidMode", "UTSMode",
		"UsernsMode", "Cgroup" };
	const json_t *host = json_object_get(inspect, "HostConfig");

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const char *mode = json_text(host, modes[i]);

		if (strncmp(mode, "container:", 10) == 0 && want(list, mode + 10, err) != 0)
			return -1;
	}
	return 0;
}

int container_wants(const json_t *inspect, json_t **ret, struct err *err)
{
	const char *image = json_text(inspect, "Image");
	json_t *wants = json_pack(
		"{s:s,s:[],s:[],s:[]}", "image", image, "networks", "volumes", "containers");

	if (!wants)
		return err_nomem(err);
	if (!*image || want_networks(inspect, json_object_get(wants, "networks"), err) != 0 ||
		want_volumes(inspect, json_object_get(wants, "volumes"), err) != 0 ||
		want_containers(inspect, json_object_get(wants, "containers"), err) != 0) {
		json_decref(wants);
		return *image ? -1
			      : err_set(err, ERR_ENGINE,
					"the engine's answer is not understood: a container "
					"without "
					"an image");
	}
	*ret = wants;
	return 0;
}
