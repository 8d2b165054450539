#include "common/cargo/container_order.h"

#include <stdlib.h>
#include <string.h>

#define NAME_LEN_MAX 128

/* --- names --- */

static bool is_hex(const char *s)
{
	return s[strspn(s, "0123456789abcdef")] == '\0';
}

bool container_is_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);

	if (n < 2 || n > NAME_LEN_MAX || name[strspn(name, letters)] != '\0' ||
		strchr("_.-", name[0]))
		return false;
	return !((n == 12 || n == 64) && is_hex(name));
}

const char *container_order_name(const struct container_order *o)
{
	return o->choice.name ? o->choice.name : container_name(o->manifest);
}

/* --- printing --- */

static json_t *maps_json(const struct container_choice *choice)
{
	json_t *maps = json_array();

	for (size_t i = 0; maps && i < choice->n_maps; i++) {
		json_t *pair = json_pack("[s, s]", choice->maps[i].from, choice->maps[i].to);

		if (!pair || json_array_append_new(maps, pair) != 0) {
			json_decref(maps);
			return NULL;
		}
	}
	return maps;
}

static json_t *order_json(const json_t *manifest, const struct container_choice *choice)
{
	json_t *copy = json_deep_copy(manifest); /* json_pack wants one that is not const */
	json_t *o = json_pack("{s:i, s:o}", "version", 1, "container", copy);
	int r = o ? 0 : -1;

	if (!o)
		return NULL;
	if (choice->name)
		r = json_object_set_new(o, "name", json_string(choice->name));
	if (r == 0 && choice->binds)
		r = json_object_set_new(o, "binds", json_true());
	if (r == 0 && choice->no_volumes)
		r = json_object_set_new(o, "no_volumes", json_true());
	if (r == 0 && choice->n_maps > 0)
		r = json_object_set_new(o, "maps", maps_json(choice));
	if (r == 0)
		return o;
	json_decref(o);
	return NULL;
}

int container_order_print(const json_t *manifest, const struct container_choice *choice,
	struct buf *ret, struct err *err)
{
	json_t *o = order_json(manifest, choice);
	CLEANUP(cleanup_free)
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(o);
	if (!text)
		return err_nomem(err);
	if (strlen(text) > CONTAINER_ORDER_MAX)
		return err_set(err, ERR_LIMIT,
			"the container's configuration takes %zu bytes; %u can be carried",
			strlen(text), CONTAINER_ORDER_MAX);
	buf_append(ret, text, strlen(text));
	return buf_ok(ret) ? 0 : err_nomem(err);
}

/* --- parsing --- */

static int odd(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTOCOL, "an order for a container: %s", what);
}

static bool is_path(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n == 1)
		return s[0] == '/';
	return n > 1 && n < 4096 && s[0] == '/' && s[n - 1] != '/' && !strstr(s, "/../") &&
	       !strstr(s, "//") && (n < 3 || strcmp(s + n - 3, "/..") != 0);
}

static int take_maps(const json_t *maps, struct container_order *ret, struct err *err)
{
	size_t n = json_array_size(maps);

	if (!json_is_array(maps) || n > CONTAINER_MAPS_MAX)
		return odd(err, "maps that are none, or too many");
	ret->maps = calloc(n + 1, sizeof(*ret->maps));
	if (!ret->maps)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const json_t *pair = json_array_get(maps, i);
		const char *from = json_string_value(json_array_get(pair, 0));
		const char *to = json_string_value(json_array_get(pair, 1));

		if (json_array_size(pair) != 2 || !is_path(from) || !is_path(to))
			return odd(err, "a map that is none");
		ret->maps[i] = (struct container_path_map){ .from = from, .to = to };
	}
	ret->choice.maps = ret->maps;
	ret->choice.n_maps = n;
	return 0;
}

static int take_field(
	const char *key, const json_t *v, struct container_order *ret, struct err *err)
{
	if (strcmp(key, "version") == 0)
		return json_integer_value(v) == 1 ? 0 : odd(err, "of another version");
	if (strcmp(key, "container") == 0) {
		ret->manifest = v;
		return container_manifest_check(v, err);
	}
	if (strcmp(key, "name") == 0) {
		ret->choice.name = json_string_value(v);
		return ret->choice.name && container_is_name(ret->choice.name)
			       ? 0
			       : odd(err, "a name that no container can have");
	}
	if (strcmp(key, "binds") == 0 || strcmp(key, "no_volumes") == 0) {
		bool *to = key[0] == 'b' ? &ret->choice.binds : &ret->choice.no_volumes;

		*to = json_is_true(v);
		return json_is_boolean(v) ? 0 : odd(err, "what should be true or false");
	}
	if (strcmp(key, "maps") == 0)
		return take_maps(v, ret, err);
	return odd(err, "an unknown field");
}

int container_order_take(json_t *o, struct container_order *ret, struct err *err)
{
	const char *key;
	json_t *v;
	int r = 0;

	*ret = (struct container_order){ .json = o };
	if (!json_is_object(o))
		r = odd(err, "no object");
	if (r == 0)
		json_object_foreach(o, key, v)
		{
			r = take_field(key, v, ret, err);
			if (r != 0)
				break;
		}
	if (r == 0 && (!json_object_get(o, "version") || !ret->manifest))
		r = odd(err, "incomplete");
	if (r != 0)
		container_order_done(ret);
	return r;
}

int container_order_parse(const void *bytes, size_t n, struct container_order *ret, struct err *err)
{
	json_t *o = NULL;

	*ret = (struct container_order){ 0 };
	if (n > CONTAINER_ORDER_MAX)
		return odd(err, "too large");
	if (n > 0)
		o = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, NULL);
	return o ? container_order_take(o, ret, err) : odd(err, "no JSON");
}

void container_order_done(struct container_order *o)
{
	json_decref(o->json);
	free(o->maps);
	*o = (struct container_order){ 0 };
}
