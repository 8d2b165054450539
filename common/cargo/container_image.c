/* What a container has from its image and what is its own. */
#include "common/cargo/container_parts.h"

#include <string.h>

/* --- environment --- */

static size_t name_len(const char *variable)
{
	return strcspn(variable, "=");
}

static bool names_variable(const json_t *env, const char *variable)
{
	size_t n = name_len(variable), i;
	const json_t *v;

	json_array_foreach(env, i, v)
	{
		const char *s = json_string_value(v);

		if (name_len(s) == n && memcmp(s, variable, n) == 0)
			return true;
	}
	return false;
}

/* What was built, or NULL when something of it had no room. */
static json_t *if_whole(json_t *built, bool whole)
{
	if (whole)
		return built;
	json_decref(built);
	return NULL;
}

static json_t *env_own(const json_t *env, const json_t *image)
{
	json_t *own = json_array();
	bool whole = own != NULL;
	const json_t *v;
	size_t i;

	json_array_foreach(env, i, v)
	{
		if (!json_has_text(image, json_string_value(v)))
			whole = json_array_append(own, (json_t *)v) == 0 && whole;
	}

	return if_whole(own, whole);
}

static json_t *env_merged(const json_t *own, const json_t *image)
{
	json_t *env = json_array();
	bool whole = json_array_extend(env, (json_t *)own) == 0;
	const json_t *v;
	size_t i;

	json_array_foreach(image, i, v)
	{
		if (!names_variable(own, json_string_value(v)))
			whole = json_array_append(env, (json_t *)v) == 0 && whole;
	}

	return if_whole(env, whole);
}

/* --- maps: labels, ports, volumes --- */

static json_t *map_own(json_t *map, const json_t *image)
{
	json_t *own = json_object(), *v;
	bool whole = own != NULL;
	const char *key;

	json_object_foreach(map, key, v)
	{
		if (!json_equal(v, json_object_get(image, key)))
			whole = json_object_set(own, key, v) == 0 && whole;
	}

	return if_whole(own, whole);
}

static json_t *map_merged(const json_t *own, const json_t *image)
{
	json_t *map = json_object();
	bool whole = json_object_update(map, (json_t *)image) == 0 &&
		     json_object_update(map, (json_t *)own) == 0;

	return if_whole(map, whole);
}

/* --- command --- */

/* An engine takes the image's command only when no entrypoint is given, and [""] is how to say
 * that there is to be none. */
static int command_own(json_t *config, const json_t *image, struct err *err)
{
	json_t *entrypoint = json_object_get(config, "Entrypoint");
	json_t *cmd = json_object_get(config, "Cmd");
	const json_t *image_cmd = json_object_get(image, "Cmd");
	const json_t *image_entrypoint = json_object_get(image, "Entrypoint");
	bool same = image &&
		    (entrypoint ? json_equal(entrypoint, image_entrypoint) : !image_entrypoint);

	if (same && cmd && !json_equal(cmd, image_cmd))
		return json_object_del(config, "Entrypoint"), 0;
	if (same && (cmd || !image_cmd)) {
		json_object_del(config, "Entrypoint");
		json_object_del(config, "Cmd");
		return 0;
	}
	if (!entrypoint && cmd)
		return json_put(config, "Entrypoint", json_pack("[s]", ""), err);
	return 0;
}

static const json_t *effective_entrypoint(const json_t *own, const json_t *image)
{
	const json_t *given = json_object_get(own, "Entrypoint");

	if (!given)
		return json_object_get(image, "Entrypoint");
	return json_array_size(given) == 1 && json_has_text(given, "") ? NULL : given;
}

static const json_t *effective_cmd(const json_t *own, const json_t *image)
{
	const json_t *given = json_object_get(own, "Cmd");

	return given || json_object_get(own, "Entrypoint") ? given : json_object_get(image, "Cmd");
}

/* --- all of it --- */

static json_t *own_of(const struct container_field *f, json_t *v, const json_t *image)
{
	if (strcmp(f->request, "Env") == 0)
		return env_own(v, image);
	if (f->shape[0] == '{' && f->shape[1] == '*')
		return map_own(v, image);
	return json_equal(v, image) ? json_null() : json_incref(v);
}

int container_subtract_image(json_t *config, const json_t *image, struct err *err)
{
	for (size_t i = 0; i < container_fields_count; i++) {
		const struct container_field *f = &container_fields[i];
		json_t *v, *own;
		int r;

		if (f->treatment != FIELD_IMAGE || !(v = json_object_get(config, f->request)) ||
			strcmp(f->request, "Cmd") == 0 || strcmp(f->request, "Entrypoint") == 0)
			continue;
		own = own_of(f, v, json_object_get(image, f->request));
		if (!own)
			return err_nomem(err);
		r = json_is_zero(own) ? json_object_del(config, f->request)
				      : json_object_set(config, f->request, own);
		json_decref(own);
		if (r != 0)
			return err_nomem(err);
	}
	return command_own(config, image, err);
}

int container_effective(
	const json_t *manifest, const struct container_field *f, json_t **ret, struct err *err)
{
	const json_t *config = json_object_get(manifest, "config");
	const json_t *image = json_at(manifest, "image.config");
	const json_t *own = json_object_get(config, f->request);
	const json_t *base = json_object_get(image, f->request);
	const json_t *v = own ? own : base;

	if (f->treatment != FIELD_IMAGE)
		v = own;
	else if (strcmp(f->request, "Entrypoint") == 0)
		v = effective_entrypoint(config, image);
	else if (strcmp(f->request, "Cmd") == 0)
		v = effective_cmd(config, image);
	else if (own && base && strcmp(f->request, "Env") == 0)
		return (*ret = env_merged(own, base)) ? 0 : err_nomem(err);
	else if (own && base && f->shape[0] == '{' && f->shape[1] == '*')
		return (*ret = map_merged(own, base)) ? 0 : err_nomem(err);
	*ret = json_incref((json_t *)v);
	return 0;
}
