#include "common/cargo/container_target.h"

#include "common/base/base.h"
#include "common/cargo/json_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void container_target_done(struct container_target *t)
{
	json_decref(t->runtimes);
	json_decref(t->log_drivers);
	json_decref(t->volume_drivers);
	json_decref(t->network_drivers);
	*t = (struct container_target){ 0 };
}

static int odd(struct err *err, const char *what)
{
	return err_set(err, ERR_ENGINE, "the engine's answer is not understood: %s", what);
}

/* "1.41" */
static bool read_api(const char *s, unsigned *ret)
{
	char *end = NULL;
	unsigned long minor = strncmp(s, "1.", 2) == 0 ? strtoul(s + 2, &end, 10) : 0;

	*ret = (unsigned)minor;
	return end && end != s + 2 && !*end && minor > 0 && minor < 10000;
}

static bool is_podman(const json_t *version)
{
	const json_t *parts = json_object_get(version, "Components"), *part;
	size_t i;

	json_array_foreach(parts, i, part)
	{
		if (strcmp(json_text(part, "Name"), "Podman Engine") == 0)
			return true;
	}

	return false;
}

/* The names in an array, or the keys of an object; NULL for what is neither. */
static int take_names(const json_t *v, json_t **ret, struct err *err)
{
	json_t *names, *item;
	const char *key;
	bool whole;
	size_t i;

	*ret = NULL;
	if (!json_is_array(v) && !json_is_object(v))
		return 0;
	names = json_array();
	whole = names != NULL;
	json_array_foreach(v, i, item)
	{
		if (json_is_string(item) && json_array_size(names) < CONTAINER_TARGET_NAMES_MAX)
			whole = json_array_append(names, item) == 0 && whole;
	}

	json_object_foreach((json_t *)v, key, item)
	{
		if (json_array_size(names) < CONTAINER_TARGET_NAMES_MAX)
			whole = json_array_append_new(names, json_string(key)) == 0 && whole;
	}

	if (!whole || json_sort_texts(names, err) != 0) {
		json_decref(names);
		return err_nomem(err);
	}
	*ret = names;
	return 0;
}

static const struct {
	const char *info, *ours;
	size_t member;
} lists[] = {
	{ "Runtimes", "runtimes", offsetof(struct container_target, runtimes) },
	{ "Plugins.Log", "log_drivers", offsetof(struct container_target, log_drivers) },
	{ "Plugins.Volume", "volume_drivers", offsetof(struct container_target, volume_drivers) },
	{ "Plugins.Network", "network_drivers",
		offsetof(struct container_target, network_drivers) },
};

static json_t **list_of(struct container_target *t, size_t i)
{
	return (json_t **)(void *)((char *)t + lists[i].member);
}

int container_target_read(
	const json_t *version, const json_t *info, struct container_target *ret, struct err *err)
{
	struct container_target t = { .podman = is_podman(version) };

	if (!read_api(json_text(version, "ApiVersion"), &t.api))
		return odd(err, "a version without an ApiVersion");
	t.cgroup_v2 = strcmp(json_text(info, "CgroupVersion"), "2") == 0;
	snprintf(t.host_name, sizeof(t.host_name), "%s", json_text(info, "Name"));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (take_names(json_at(info, lists[i].info), list_of(&t, i), err) != 0) {
			container_target_done(&t);
			return -1;
		}
	*ret = t;
	return 0;
}

json_t *container_target_json(const struct container_target *t)
{
	struct container_target copy = *t;
	json_t *o = json_pack("{s:i,s:b,s:b}", "api", (int)t->api, "podman", t->podman, "cgroup_v2",
		t->cgroup_v2);

	for (size_t i = 0; o && i < ARRAY_LEN(lists); i++) {
		json_t *names = *list_of(&copy, i);

		if (names && json_object_set(o, lists[i].ours, names) != 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* An empty list is one, too: nothing of that kind is there. */
int container_target_parse(const json_t *o, struct container_target *ret, struct err *err)
{
	struct json_taker strict = { .code = ERR_PROTOCOL };
	json_t *checked = NULL;
	struct container_target t = { 0 };
	json_int_t api = json_integer_value(json_object_get(o, "api"));
	int r = json_shape_take(&strict, o,
		"{api:i,podman:b,cgroup_v2:b,runtimes:[s],log_drivers:[s],volume_drivers:[s],"
		"network_drivers:[s]}",
		"target", &checked, err);

	json_decref(checked);
	if (r != 0)
		return -1;
	if (!json_is_object(o) || api < 1 || api > 9999)
		return err_set(err, ERR_PROTOCOL, "what the target can take is not understood");
	t.api = (unsigned)api;
	t.podman = json_is_true(json_object_get(o, "podman"));
	t.cgroup_v2 = json_is_true(json_object_get(o, "cgroup_v2"));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (take_names(json_object_get(o, lists[i].ours), list_of(&t, i), err) != 0) {
			container_target_done(&t);
			return -1;
		}
	*ret = t;
	return 0;
}
