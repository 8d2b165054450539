/* A manifest as it comes from a peer or from the store. */
#include "common/cargo/container_parts.h"

#include "common/base/text.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN 255u
#define PATH_MAX_LEN 4096u
#define CONTAINER_ID_LEN 64

static int odd(struct err *err, const char *what, const char *which)
{
	char shown[100];

	return err_set(err, ERR_PROTOCOL, "a container's manifest: %s '%s'", what,
		text_escape(shown, sizeof(shown), which, strlen(which)));
}

static const struct json_taker strict = { .code = ERR_PROTOCOL };

static int check_shape(const json_t *v, const char *shape, const char *path, struct err *err)
{
	json_t *copy = NULL;
	int r = json_shape_take(&strict, v, shape, path, &copy, err);

	json_decref(copy);
	return r == 0 ? 0 : err_wrap(err, "a container's manifest");
}

/* --- names and paths --- */

/* What the engines take for containers and volumes: no slash, nothing that is special in a URL or
 * in a mount's text. */
static bool is_name(const char *s)
{
	size_t n = strlen(s);

	if (n < 2 || n > NAME_MAX_LEN || !isalnum((unsigned char)s[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("_.-", s[i]))
			return false;
	return true;
}

static bool is_id(const char *s)
{
	return strlen(s) == CONTAINER_ID_LEN && strspn(s, "0123456789abcdef") == CONTAINER_ID_LEN;
}

/* Networks may be called nearly anything; what would read as another thing is refused. */
static bool is_network_name(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > NAME_MAX_LEN || is_id(s) || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 127 || strchr("/:?#", s[i]))
			return false;
	return true;
}

static bool is_path(const char *s, bool colon)
{
	size_t n = strlen(s);

	if (n < 1 || n > PATH_MAX_LEN || s[0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 127 || (s[i] == ':' && !colon))
			return false;
	return true;
}

static bool one_of(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

/* --- parts --- */

static int check_config(const json_t *config, bool image, struct err *err)
{
	const char *key;
	json_t *v;

	if (config && !json_is_object(config))
		return odd(err, "this is no object:", image ? "image.config" : "config");
	json_object_foreach((json_t *)config, key, v)
	{
		const struct container_field *f = container_field_of(key);

		if (!f || (image && f->treatment != FIELD_IMAGE))
			return odd(err, "there is no such field:", key);
		if (json_is_null(v))
			return odd(err, "this is null:", key);
		if (check_shape(v, f->shape, f->path, err) != 0)
			return -1;
	}
	return 0;
}

static int check_mount(const json_t *m, struct err *err)
{
	static const char *const types[] = { "volume", "bind", "tmpfs", "image", NULL };
	static const char *const forms[] = { "bind", "mount", NULL };
	static const char *const relabels[] = { "", "z", "Z", NULL };
	static const char *const consistencies[] = { "", "default", "consistent", "cached",
		"delegated", NULL };
	static const char *const propagations[] = { "", "private", "rprivate", "shared", "rshared",
		"slave", "rslave", NULL };
	const char *type = json_text(m, "type"), *target = json_text(m, "target");
	const char *form = json_text(m, "form"), *volume = json_text(m, "volume");
	bool colon = strcmp(form, "mount") == 0;

	if (!one_of(type, types) || !one_of(form, forms) ||
		!one_of(json_text(m, "relabel"), relabels) ||
		!one_of(json_text(m, "consistency"), consistencies) ||
		!one_of(json_text(m, "propagation"), propagations))
		return odd(err, "a mount of an unknown kind at", target);
	if (!is_path(target, colon))
		return odd(err, "a mount at no path:", target);
	if ((strcmp(type, "volume") == 0) != (*volume != '\0') ||
		(*volume && (!is_name(volume) || is_id(volume))))
		return odd(err, "a volume cannot be called", volume);
	if (strcmp(type, "bind") == 0 && !is_path(json_text(m, "source"), colon))
		return odd(err, "a bind mount from no path:", json_text(m, "source"));
	if (!colon && strcmp(type, "volume") != 0 && strcmp(type, "bind") != 0)
		return odd(err, "a mount of an unknown kind at", target);
	return 0;
}

static int check_mounts(const json_t *mounts, struct err *err)
{
	const json_t *m;
	size_t i;

	if (json_array_size(mounts) > CONTAINER_MOUNTS_MAX)
		return err_set(err, ERR_LIMIT, "a container has more than %u mounts",
			CONTAINER_MOUNTS_MAX);
	json_array_foreach(mounts, i, m)
	{
		if (check_mount(m, err) != 0)
			return -1;
	}

	return 0;
}

static int check_networks(const json_t *networks, struct err *err)
{
	const json_t *n;
	size_t i;

	if (json_array_size(networks) > CONTAINER_NETWORKS_MAX)
		return err_set(err, ERR_LIMIT, "a container is in more than %u networks",
			CONTAINER_NETWORKS_MAX);
	json_array_foreach(networks, i, n)
	{
		const char *name = json_text(n, "name");

		if (!is_network_name(name) || container_find(networks, "name", name) != n)
			return odd(err, "a network cannot be called", name);
	}
	return 0;
}

static int check_volumes(const json_t *manifest, struct err *err)
{
	const json_t *v, *volumes = json_object_get(manifest, "volumes");
	size_t i;

	if (json_array_size(volumes) > CONTAINER_MOUNTS_MAX)
		return err_set(err, ERR_LIMIT, "a container has more than %u volumes",
			CONTAINER_MOUNTS_MAX);
	json_array_foreach(volumes, i, v)
	{
		const char *name = json_text(v, "name");

		if (container_find(volumes, "name", name) != v ||
			!container_find(json_object_get(manifest, "mounts"), "volume", name))
			return odd(err, "a volume that no mount names:", name);
	}
	return 0;
}

#define KEYS                                                                                       \
	"{version:i,id:s,name:s,image:" IMAGE_PART_SHAPE ",mounts:[" MOUNT_SHAPE                   \
	"],networks:[" NETWORK_SHAPE "],volumes:[" VOLUME_SHAPE                                    \
	"],state:{running:b,paused:b,health:s},dropped:[{field:s,reason:s}]}"

/* The two configs are checked by the table, the rest by its shape. */
static int check_keys(const json_t *manifest, struct err *err)
{
	json_t *rest = json_copy((json_t *)manifest);
	json_t *image = json_copy(json_object_get(manifest, "image"));
	int r;

	if (!rest || (image && json_object_set(rest, "image", image) != 0)) {
		json_decref(rest);
		json_decref(image);
		return err_nomem(err);
	}
	json_object_del(rest, "config");
	json_object_del(image, "config");
	r = check_shape(rest, KEYS, "", err);
	json_decref(image);
	json_decref(rest);
	return r;
}

int container_manifest_check(const json_t *manifest, struct err *err)
{
	const json_t *image = json_object_get(manifest, "image");

	if (!json_is_object(manifest) || json_integer_value(json_object_get(manifest, "version")) !=
						 CONTAINER_MANIFEST_VERSION)
		return err_set(err, ERR_PROTOCOL,
			"a container's manifest of a version that this dray does not know: update "
			"it");
	if (check_keys(manifest, err) != 0 ||
		check_config(json_object_get(manifest, "config"), false, err) != 0 ||
		check_config(json_object_get(image, "config"), true, err) != 0)
		return -1;
	if (!is_name(container_name(manifest)))
		return odd(err, "a container cannot be called", container_name(manifest));
	if (!is_id(container_id(manifest)) || !*container_image_id(manifest) ||
		!*container_image_name(manifest))
		return odd(err, "no ID or no image of", container_name(manifest));
	if (check_mounts(json_object_get(manifest, "mounts"), err) != 0 ||
		check_networks(json_object_get(manifest, "networks"), err) != 0)
		return -1;
	return check_volumes(manifest, err);
}

int container_manifest_parse(const void *bytes, size_t len, json_t **ret, struct err *err)
{
	json_t *manifest;

	if (len > CONTAINER_MANIFEST_MAX)
		return err_set(err, ERR_LIMIT, "a container's manifest has more than %u bytes",
			CONTAINER_MANIFEST_MAX);
	manifest = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	if (!manifest)
		return err_set(err, ERR_PROTOCOL, "a container's manifest is no JSON");
	if (container_manifest_check(manifest, err) != 0) {
		json_decref(manifest);
		return -1;
	}
	*ret = manifest;
	return 0;
}

static int print_some(const char *bytes, size_t n, void *ctx)
{
	buf_append(ctx, bytes, n);
	return buf_ok(ctx) ? 0 : -1;
}

int container_manifest_print(const json_t *manifest, struct buf *ret, struct err *err)
{
	size_t before = buf_len(ret);
	int r = json_dump_callback(manifest, print_some, ret, JSON_COMPACT | JSON_SORT_KEYS);

	if (ret->no_memory || (r != 0 && buf_ok(ret)))
		return err_nomem(err);
	if (r != 0 || buf_len(ret) - before > CONTAINER_MANIFEST_MAX)
		return err_set(err, ERR_LIMIT,
			"a container's description has more than %u bytes: its environment, labels "
			"or commands are too long",
			CONTAINER_MANIFEST_MAX);
	return 0;
}
