#include "tests/unit/cargo/answers.h"

#include <string.h>

static const struct json_taker strict = { .code = ERR_PROTOCOL };

static int take(const char *text, const char *shape, json_t **ret, struct err *err)
{
	json_t *v = parsed(text);
	int r = json_shape_take(&strict, v, shape, "it", ret, err);

	json_decref(v);
	return r;
}

static void assert_taken(const char *text, const char *shape, const char *expected)
{
	struct err err = { 0 };
	json_t *v = NULL;

	assert_ok(take(text, shape, &v, &err), &err);
	assert_json(v, expected);
	json_decref(v);
}

static void assert_refused(const char *text, const char *shape, const char *message)
{
	struct err err = { 0 };
	json_t *v = NULL;

	assert_fails(take(text, shape, &v, &err), &err, ERR_PROTOCOL);
	assert_string_equal(err.text, message);
}

static void what_has_the_shape_is_copied(void **state)
{
	(void)state;
	assert_taken("\"x\"", "s", "\"x\"");
	assert_taken("7", "i", "7");
	assert_taken("true", "b", "true");
	assert_taken("[\"\",\"a\"]", "[s]", "[\"\",\"a\"]");
	assert_taken("{\"k\":\"\"}", "{*s}", "{\"k\":\"\"}");
	assert_taken("{\"A\":[{\"B\":[[\"c\"]]}]}", "{X:s,A:[{B:[[s]],D:i}]}",
		"{\"A\":[{\"B\":[[\"c\"]]}]}");
	assert_taken("{\"80/tcp\":{}}", "{*e}", "{\"80/tcp\":{}}");
}

static void what_says_nothing_in_an_object_is_left_out(void **state)
{
	(void)state;
	assert_taken("{\"a\":0,\"b\":false,\"c\":\"\",\"d\":[],\"e\":{},\"f\":null,\"g\":1}",
		"{a:i,b:b,c:s,d:[s],e:{*s},f:s,g:i}", "{\"g\":1}");
	assert_taken("{\"a\":{\"b\":{\"c\":null}}}", "{a:{b:{c:s}}}", "{}");
	assert_taken("{\"80/tcp\":null,\"81/tcp\":[]}", "{*[s]}", "{\"81/tcp\":[]}");
}

static void another_type_is_refused_with_its_place(void **state)
{
	(void)state;
	assert_refused("7", "s", "it is no string");
	assert_refused("7.5", "i", "it is no whole number");
	assert_refused("{\"a\":{\"b\":[1]}}", "{a:{b:[s]}}", "it.a.b[] is no string");
	assert_refused("[null]", "[s]", "it[] is null");
	assert_refused("[]", "{*s}", "it is no object");
	assert_refused("{}", "[s]", "it is no array");
	assert_refused("{\"p\":{\"x\":1}}", "{*e}", "it.p is no empty object");
	assert_refused("1", "b", "it is neither true nor false");
}

static void an_unknown_key_is_refused_with_its_place(void **state)
{
	(void)state;
	assert_refused("{\"a\":1}", "{ab:i,b:i}", "it.a is not known");
	assert_refused("{\"ab\":1}", "{a:i}", "it.ab is not known");
	assert_refused("[{\"a\":{\"x\\u001b\":1}}]", "[{a:{y:i}}]", "it[].a.x\\x1b is not known");
	assert_refused("{\"a\":null}", "{}", "it.a is not known");
}

#define SEEN_MAX 100

static int note(void *ctx, const char *path, const json_t *value, struct err *err)
{
	(void)value, (void)err;
	snprintf(ctx, SEEN_MAX, "%s", path);
	return 0;
}

static void an_unknown_key_may_be_left_out_instead(void **state)
{
	char seen[SEEN_MAX] = "";
	struct json_taker taker = { .code = ERR_ENGINE, .unknown = note, .ctx = seen };
	json_t *v = parsed("{\"a\":[{\"b\":1,\"new\":2}]}"), *copy = NULL;
	struct err err = { 0 };

	(void)state;
	assert_ok(json_shape_take(&taker, v, "{a:[{b:i}]}", "it", &copy, &err), &err);
	assert_json(copy, "{\"a\":[{\"b\":1}]}");
	assert_string_equal(seen, "it.a[].new");
	json_decref(copy);
	json_decref(v);
}

static void more_entries_than_the_limit_are_refused(void **state)
{
	json_t *v = json_array(), *copy = NULL;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < JSON_SHAPE_ITEMS_MAX; i++)
		json_array_append_new(v, json_string(""));
	assert_ok(json_shape_take(&strict, v, "[s]", "it", &copy, &err), &err);
	json_decref(copy);
	json_array_append_new(v, json_string(""));
	assert_fails(json_shape_take(&strict, v, "[s]", "it", &copy, &err), &err, ERR_LIMIT);
	json_decref(v);
}

static void texts_are_sorted_and_kept_once(void **state)
{
	json_t *v = parsed("[\"b\",\"a\",\"b\",\"\"]");
	struct err err = { 0 };

	(void)state;
	assert_ok(json_sort_texts(v, &err), &err);
	assert_json(v, "[\"\",\"a\",\"b\"]");
	json_decref(v);
}

static void a_value_is_put_and_found_at_its_path(void **state)
{
	json_t *o = json_object();
	struct err err = { 0 };

	(void)state;
	assert_ok(json_put(o, "a.b.c", json_integer(1), &err), &err);
	assert_ok(json_put(o, "a.d", json_integer(2), &err), &err);
	assert_json(o, "{\"a\":{\"b\":{\"c\":1},\"d\":2}}");
	assert_int_equal(json_integer_value(json_at(o, "a.b.c")), 1);
	assert_null(json_at(o, "a.x.c"));
	assert_fails(json_put(o, "x", NULL, &err), &err, ERR_NOMEM);
	json_decref(o);
}

RUN_TESTS(TEST(what_has_the_shape_is_copied), TEST(what_says_nothing_in_an_object_is_left_out),
	TEST(another_type_is_refused_with_its_place),
	TEST(an_unknown_key_is_refused_with_its_place),
	TEST(an_unknown_key_may_be_left_out_instead), TEST(more_entries_than_the_limit_are_refused),
	TEST(texts_are_sorted_and_kept_once), TEST(a_value_is_put_and_found_at_its_path))
