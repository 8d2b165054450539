#include "common/cargo/json_shape.h"

#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool json_is_zero(const json_t *v)
{
	if (!v || json_is_null(v) || json_is_false(v))
		return true;
	if (json_is_string(v))
		return json_string_length(v) == 0;
	if (json_is_integer(v))
		return json_integer_value(v) == 0;
	if (json_is_array(v))
		return json_array_size(v) == 0;
	return json_is_object(v) && json_object_size(v) == 0;
}

const char *json_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool json_has_text(const json_t *array, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
	{
		if (json_is_string(v) && strcmp(json_string_value(v), s) == 0)
			return true;
	}

	return false;
}

/* --- paths --- */

json_t *json_at(const json_t *o, const char *path)
{
	const char *dot;

	while (o && (dot = strchr(path, '.'))) {
		o = json_object_getn(o, path, (size_t)(dot - path));
		path = dot + 1;
	}
	return json_object_get(o, path);
}

int json_put(json_t *o, const char *path, json_t *v, struct err *err)
{
	const char *dot;

	if (!v)
		return err_nomem(err);
	while ((dot = strchr(path, '.'))) {
		size_t n = (size_t)(dot - path);
		json_t *next = json_object_getn(o, path, n);

		if (!next) {
			next = json_object();
			if (json_object_setn_new(o, path, n, next) != 0)
				next = NULL;
		}
		if (!next) {
			json_decref(v);
			return err_nomem(err);
		}
		o = next;
		path = dot + 1;
	}
	return json_object_set_new(o, path, v) == 0 ? 0 : err_nomem(err);
}

/* --- sorting --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(
		json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

int json_sort_texts(json_t *array, struct err *err)
{
	size_t n = json_array_size(array), kept = 0;
	json_t **items;

	if (n < 2)
		return 0;
	items = calloc(n, sizeof(items[0]));
	if (!items)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		items[i] = json_incref(json_array_get(array, i));
	qsort(items, n, sizeof(items[0]), by_text);
	json_array_clear(array);
	for (size_t i = 0; i < n; i++) {
		bool repeated = i && by_text(&items[i], &items[i - 1]) == 0;

		if (!repeated && json_array_append(array, items[i]) == 0)
			kept++;
		else if (!repeated)
			kept = n + 1;
	}
	for (size_t i = 0; i < n; i++)
		json_decref(items[i]);
	free(items);
	return kept <= n ? 0 : err_nomem(err);
}

/* --- shapes --- */

struct taking {
	const struct json_taker *taker;
	struct err *err;
	char path[JSON_PATH_MAX];
};

static int take(struct taking *t, const json_t *v, const char *shape, json_t **ret);

static int wrong(struct taking *t, const char *what)
{
	return err_set(t->err, t->taker->code, "%s %s", t->path, what);
}

/* Adds to the path; returns its old length, to be given to leave(). Keys are from outside. */
static size_t enter(struct taking *t, const char *separator, const char *key, size_t n)
{
	size_t old = strlen(t->path);
	char shown[80];

	snprintf(t->path + old, sizeof(t->path) - old, "%s%s", separator,
		text_escape(shown, sizeof(shown), key, n));
	return old;
}

static void leave(struct taking *t, size_t old)
{
	t->path[old] = '\0';
}

/* The end of the shape that begins here. Shapes are constants of this program: no checks. */
static const char *skip(const char *shape)
{
	unsigned depth = 0;

	do {
		if (*shape == '[' || *shape == '{')
			depth++;
		else if (*shape == ']' || *shape == '}')
			depth--;
		shape++;
	} while (depth);
	return shape;
}

static int take_array(struct taking *t, const json_t *v, const char *shape, json_t **ret)
{
	json_t *copy, *item;
	const json_t *value;
	size_t i;

	if (!json_is_array(v))
		return wrong(t, "is no array");
	if (json_array_size(v) > JSON_SHAPE_ITEMS_MAX)
		return err_set(t->err, ERR_LIMIT, "%s has more than %u entries", t->path,
			JSON_SHAPE_ITEMS_MAX);
	copy = json_array();
	if (!copy)
		return err_nomem(t->err);
	json_array_foreach(v, i, value)
	{
		size_t old = enter(t, "[]", "", 0);
		int r = take(t, value, shape + 1, &item);

		if (r == 0 && !item)
			r = wrong(t, "is null");
		leave(t, old);
		if (r == 0 && json_array_append_new(copy, item) != 0)
			r = err_nomem(t->err);
		if (r != 0) {
			json_decref(copy);
			return -1;
		}
	}
	*ret = copy;
	return 0;
}

/* null in a map is an entry without a value, as {"80/tcp": null}: left out. */
static int take_map(struct taking *t, const json_t *v, const char *shape, json_t **ret)
{
	json_t *copy, *item, *value;
	const char *key;

	if (json_object_size(v) > JSON_SHAPE_ITEMS_MAX)
		return err_set(t->err, ERR_LIMIT, "%s has more than %u entries", t->path,
			JSON_SHAPE_ITEMS_MAX);
	copy = json_object();
	if (!copy)
		return err_nomem(t->err);
	json_object_foreach((json_t *)v, key, value)
	{
		size_t old = enter(t, ".", key, strlen(key));
		int r = take(t, value, shape + 2, &item);

		leave(t, old);
		if (r == 0 && item && json_object_set_new(copy, key, item) != 0)
			r = err_nomem(t->err);
		if (r != 0) {
			json_decref(copy);
			return -1;
		}
	}
	*ret = copy;
	return 0;
}

/* The shape of an object's key, or NULL. */
static const char *shape_of(const char *shape, const char *key)
{
	size_t n = strlen(key);

	for (shape++; *shape != '}'; shape += *shape == ',') {
		const char *colon = strchr(shape, ':');

		if ((size_t)(colon - shape) == n && memcmp(shape, key, n) == 0)
			return colon + 1;
		shape = skip(colon + 1);
	}
	return NULL;
}

static int take_member(
	struct taking *t, const json_t *value, const char *shape, const char *key, json_t *copy)
{
	const char *inner = shape_of(shape, key);
	json_t *item = NULL;

	if (!inner && t->taker->unknown)
		return t->taker->unknown(t->taker->ctx, t->path, value, t->err);
	if (!inner)
		return wrong(t, "is not known");
	if (take(t, value, inner, &item) != 0)
		return -1;
	if (json_is_zero(item)) {
		json_decref(item);
		return 0;
	}
	return json_object_set_new(copy, key, item) == 0 ? 0 : err_nomem(t->err);
}

static int take_object(struct taking *t, const json_t *v, const char *shape, json_t **ret)
{
	json_t *copy = json_object(), *value;
	const char *key;

	if (!copy)
		return err_nomem(t->err);
	json_object_foreach((json_t *)v, key, value)
	{
		size_t old = enter(t, t->path[0] ? "." : "", key, strlen(key));
		int r = take_member(t, value, shape, key, copy);

		leave(t, old);
		if (r != 0) {
			json_decref(copy);
			return -1;
		}
	}
	*ret = copy;
	return 0;
}

static int take_scalar(struct taking *t, const json_t *v, char kind, json_t **ret)
{
	if (kind == 's' && !json_is_string(v))
		return wrong(t, "is no string");
	if (kind == 'i' && !json_is_integer(v))
		return wrong(t, "is no whole number");
	if (kind == 'b' && !json_is_boolean(v))
		return wrong(t, "is neither true nor false");
	if (kind == 'e' && !(json_is_object(v) && json_object_size(v) == 0))
		return wrong(t, "is no empty object");
	*ret = json_incref((json_t *)v);
	return 0;
}

static int take(struct taking *t, const json_t *v, const char *shape, json_t **ret)
{
	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (*shape == '[')
		return take_array(t, v, shape, ret);
	if (*shape != '{')
		return take_scalar(t, v, *shape, ret);
	if (!json_is_object(v))
		return wrong(t, "is no object");
	return shape[1] == '*' ? take_map(t, v, shape, ret) : take_object(t, v, shape, ret);
}

int json_shape_take(const struct json_taker *taker, const json_t *v, const char *shape,
	const char *path, json_t **ret, struct err *err)
{
	struct taking t = { .taker = taker, .err = err };

	snprintf(t.path, sizeof(t.path), "%s", path);
	return take(&t, v, shape, ret);
}
