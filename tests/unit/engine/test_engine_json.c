#include "common/engine/engine_call.h"
#include "common/engine/engine_json.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define ID "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static int parse(const char *text, struct engine_image *ret, struct err *err)
{
	json_t *o = json_loads(text, 0, NULL);
	int r;

	assert_non_null(o);
	r = engine_json_image(o, ret, err);
	json_decref(o);
	return r;
}

static void an_inspect_answer_gives_id_layers_and_tags(void **state)
{
	struct engine_image image = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_ok(parse("{\"Id\":\"" ID "\",\"RepoTags\":[\"a:1\",\"<none>:<none>\",\"b:2\"],"
			"\"Size\":7,\"RootFS\":{\"Layers\":[\"" ID "\"]}}",
			  &image, &err),
		&err);
	assert_int_equal(image.n_tags, 2);
	assert_string_equal(image.tags[1], "b:2");
	assert_int_equal(image.n_diff_ids, 1);
	assert_int_equal(image.size, 7);
	engine_json_image_done(&image);
}

static void absent_layers_and_tags_are_none(void **state)
{
	struct engine_image image = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_ok(parse("{\"Id\":\"" ID "\",\"RepoTags\":null}", &image, &err), &err);
	assert_int_equal(image.n_tags, 0);
	assert_int_equal(image.n_diff_ids, 0);
	engine_json_image_done(&image);
}

static void wrong_types_are_refused(void **state)
{
	static const char *const bad[] = { "{}", "{\"Id\":7}", "{\"Id\":\"abc\"}",
		"{\"Id\":\"" ID "\",\"RepoTags\":{}}", "{\"Id\":\"" ID "\",\"RepoTags\":[7]}",
		"{\"Id\":\"" ID "\",\"RootFS\":{\"Layers\":7}}",
		"{\"Id\":\"" ID "\",\"RootFS\":{\"Layers\":[\"x\"]}}", "[]" };
	struct engine_image image;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fails(parse(bad[i], &image, &err), &err, ERR_ENGINE);
}

static void an_error_body_gives_its_message_escaped(void **state)
{
	struct buf body;
	struct err err = { 0 };
	const char text[] = "{\"message\":\"No such image: \\u001bx\"}";

	(void)state;
	buf_init(&body, 1000);
	assert_fails(engine_json_error(500, &body, &err), &err, ERR_ENGINE);
	buf_append(&body, text, strlen(text));
	assert_fails(engine_json_error(404, &body, &err), &err, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "No such image: \\x1bx"));
	buf_done(&body);
}

static void path_arguments_are_encoded(void **state)
{
	char *path = engine_path("/images/%s/tag?repo=%s", "a/b:1?x=../%", "r&\xc3\xa9 ~-_.");

	(void)state;
	assert_string_equal(path, "/images/a%2Fb%3A1%3Fx%3D..%2F%25/tag?repo=r%26%C3%A9%20~-_.");
	free(path);
}

static void a_container_uses_the_image_of_its_id_only(void **state)
{
	json_t *list = json_loads(
		"[{\"ImageID\":\"sha256:00\"},{\"ImageID\":\"" ID "\"}]", 0, NULL);
	struct digest id, other = digest_of("x", 1);
	struct err err = { 0 };
	bool yes;

	(void)state;
	assert_ok(digest_parse(ID, &id, &err), &err);
	assert_ok(engine_json_uses_image(list, &id, &yes, &err), &err);
	assert_true(yes);
	assert_ok(engine_json_uses_image(list, &other, &yes, &err), &err);
	assert_false(yes);
	json_decref(list);
}

RUN_TESTS(TEST(an_inspect_answer_gives_id_layers_and_tags), TEST(absent_layers_and_tags_are_none),
	TEST(wrong_types_are_refused), TEST(an_error_body_gives_its_message_escaped),
	TEST(path_arguments_are_encoded), TEST(a_container_uses_the_image_of_its_id_only))
