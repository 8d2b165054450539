#include "common/cargo/container_parts.h"

#include <stdlib.h>
#include <string.h>

int container_copy(const json_t *a, const char *from, const char *shape, json_t *b, const char *to,
	struct err *err)
{
	struct json_taker taker = { .code = ERR_ENGINE };
	json_t *v = NULL;

	if (json_shape_take(&taker, json_at(a, from), shape, from, &v, err) != 0)
		return -1;
	if (json_is_zero(v)) {
		json_decref(v);
		return 0;
	}
	return json_put(b, to, v, err);
}

const json_t *container_find(const json_t *array, const char *key, const char *value)
{
	const json_t *o;
	size_t i;

	json_array_foreach(array, i, o)
	{
		const char *s = json_text(o, key);

		if (*s && strcmp(s, value) == 0)
			return o;
	}
	return NULL;
}

struct keyed {
	json_t *o;
	const char *key;
};

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	return strcmp(json_text(x->o, x->key), json_text(y->o, y->key));
}

int container_sort(json_t *array, const char *key, struct err *err)
{
	size_t n = json_array_size(array);
	struct keyed *items = calloc(n ? n : 1, sizeof(items[0]));
	bool whole = true;

	if (!items)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		items[i] = (struct keyed){ json_incref(json_array_get(array, i)), key };
	qsort(items, n, sizeof(items[0]), by_key);
	for (size_t i = 0; i < n; i++)
		whole = json_array_set_new(array, i, items[i].o) == 0 && whole;
	free(items);
	return whole ? 0 : err_nomem(err);
}
