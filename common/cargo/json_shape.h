/*
 * JSON from outside, checked against a shape and copied: what passes holds only keys that the shape
 * names. A shape is text:
 *
 *   s  a string      i  an integer      b  true or false      e  an empty object
 *   [X]  an array of X      {*X}  a map from any key to X      {a:X,b:Y}  an object with these keys
 *
 * In an object every key may be missing, and one with null, "", 0, false, [] or {} is the same as
 * one that is missing: it is not copied. In arrays and maps such values stay. Pure.
 */
#pragma once

#include "common/base/err.h"

#include <jansson.h>

#define JSON_SHAPE_ITEMS_MAX 4096u /* in each array and each map */
#define JSON_PATH_MAX 256u	   /* bytes of a path in messages; longer ones are cut */

/* What happens to a key that the shape does not have: it is left out when this returns 0, and the
 * whole is refused when it returns -1 with err filled in. */
typedef int json_unknown_fn(void *ctx, const char *path, const json_t *value, struct err *err);

struct json_taker {
	enum err_code code;	  /* of errors about the JSON itself */
	json_unknown_fn *unknown; /* NULL: an unknown key is an error */
	void *ctx;
};

/* `path` is what v is called in messages. The caller owns the copy; null gives NULL. */
int json_shape_take(const struct json_taker *taker, const json_t *v, const char *shape,
	const char *path, json_t **ret, struct err *err) MUST_CHECK;

/* null, "", 0, false, [] or {}, or no value at all. */
bool json_is_zero(const json_t *v);

/* The value at "HostConfig.Memory", or NULL. */
json_t *json_at(const json_t *o, const char *path);

/* Puts v (owned by it from now on, also when it fails) at that path, making objects on the way. A
 * NULL v is what an allocation that failed gave. */
int json_put(json_t *o, const char *path, json_t *v, struct err *err) MUST_CHECK;

/* The string at key, or "". */
const char *json_text(const json_t *o, const char *key);

/* Does the array hold this string? */
bool json_has_text(const json_t *array, const char *s);

/* Sorts an array of strings and drops repeated ones; what is no array is left alone. */
int json_sort_texts(json_t *array, struct err *err) MUST_CHECK;
