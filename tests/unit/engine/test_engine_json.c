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
	engine_image_done(&image);
}

static void absent_layers_and_tags_are_none(void **state)
{
	struct engine_image image = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_ok(parse("{\"Id\":\"" ID "\",\"RepoTags\":null}", &image, &err), &err);
	assert_int_equal(image.n_tags, 0);
	assert_int_equal(image.n_diff_ids, 0);
	engine_image_done(&image);
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

static void of_podmans_reasons_only_the_one_that_matters_is_told(void **state)
{
	static const char text[] =
		"{\"message\":\"failed to load image: payload does not match any of the supported "
		"image formats:\\n * oci: parsing \\\"x\\\"\\n * oci-archive: happened during "
		"read\\n"
		" * docker-archive: no such file\"}";
	struct buf body;
	struct err err = { 0 };

	(void)state;
	buf_init(&body, 1000);
	buf_append(&body, text, strlen(text));
	assert_fails(engine_json_error(500, &body, &err), &err, ERR_ENGINE);
	assert_string_equal(err.text, "the engine says: happened during read");
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
	list = json_pack("[{s:s}]", "ImageID", &ID[strlen("sha256:")]);
	assert_ok(engine_json_uses_image(list, &id, &yes, &err), &err);
	assert_true(yes);
	json_decref(list);
}

/* --- sizes --- */

static int sizes_of(const char *history, size_t n, uint64_t *ret, struct err *err)
{
	json_t *o = json_loads(history, 0, NULL);
	int r;

	assert_non_null(o);
	r = engine_json_sizes(o, n, ret, err);
	json_decref(o);
	return r;
}

static void a_history_gives_the_sizes_from_the_lowest_up(void **state)
{
	uint64_t got[3];
	struct err err;

	(void)state;
	assert_ok(
		sizes_of("[{\"Size\":3},{\"Size\":0},{\"Size\":9000000000}]", 3, got, &err), &err);
	assert_true(got[0] == UINT64_C(9000000000));
	assert_int_equal(got[1], 0);
	assert_int_equal(got[2], 3);
	/* Steps without a layer between those with one. */
	assert_ok(sizes_of("[{\"Size\":0},{\"Size\":2},{\"Size\":0},{\"Size\":1}]", 2, got, &err),
		&err);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], 2);
}

/* Which of the steps without content are layers is not told: what is above a layer may be more than
 * is said then, never less. */
static void layers_without_content_make_none_above_them_larger(void **state)
{
	uint64_t got[3];
	struct err err;

	(void)state;
	assert_ok(sizes_of("[{\"Size\":7},{\"Size\":0},{\"Size\":0},{\"Size\":5}]", 3, got, &err),
		&err);
	assert_int_equal(got[0], 5);
	assert_int_equal(got[1], 7);
	assert_int_equal(got[2], 0);
}

static void a_history_of_other_layers_tells_nothing(void **state)
{
	uint64_t got[2] = { 9, 9 };
	struct err err;

	(void)state;
	assert_ok(sizes_of("[{\"Size\":1},{\"Size\":2},{\"Size\":3}]", 2, got, &err), &err);
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 0);
	assert_ok(sizes_of("[]", 2, got, &err), &err);
	assert_ok(sizes_of("[]", 0, got, &err), &err);
	assert_ok(sizes_of("[{\"Size\":1}]", 0, got, &err), &err);
}

static void a_history_of_wrong_types_is_refused(void **state)
{
	static const char *const bad[] = { "{}", "[7]", "[{}]", "[{\"Size\":\"1\"}]",
		"[{\"Size\":-1}]", "[{\"Size\":1.5}]" };
	uint64_t got[1];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fails(sizes_of(bad[i], 1, got, &err), &err, ERR_ENGINE);
}

static int steps_of(const char *text, struct engine_step **ret, size_t *ret_n, struct err *err)
{
	json_t *o = json_loads(text, 0, NULL);
	int r;

	assert_non_null(o);
	r = engine_json_history(o, ret, ret_n, err);
	json_decref(o);
	return r;
}

static void a_history_gives_its_steps_from_the_first_on(void **state)
{
	struct engine_step *steps;
	struct err err;
	size_t n;

	(void)state;
	assert_ok(steps_of("[{\"Size\":7,\"Created\":1704067200,\"CreatedBy\":\"RUN x\"},"
			   "{\"Size\":0,\"Created\":-62135596800},"
			   "{\"Size\":5,\"CreatedBy\":\"\",\"Comment\":\"Imported\"}]",
			  &steps, &n, &err),
		&err);
	assert_int_equal(n, 3);
	assert_string_equal(steps[0].command, "Imported");
	assert_int_equal(steps[0].size, 5);
	assert_string_equal(steps[1].command, "");
	assert_int_equal(steps[1].created, 0);
	assert_string_equal(steps[2].command, "RUN x");
	assert_int_equal(steps[2].created, 1704067200);
	engine_json_history_done(steps, n);
	assert_ok(steps_of("[]", &steps, &n, &err), &err);
	assert_int_equal(n, 0);
	engine_json_history_done(steps, n);
}

static void steps_of_wrong_types_are_refused(void **state)
{
	static const char *const bad[] = { "{}", "[7]", "[{}]", "[{\"Size\":1},{\"Size\":-1}]" };
	struct engine_step *steps;
	struct err err;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fails(steps_of(bad[i], &steps, &n, &err), &err, ERR_ENGINE);
}

static void parse_facts(const char *version, const char *info, struct engine_info *ret)
{
	json_t *v = json_loads(version, 0, NULL), *i = json_loads(info, 0, NULL);
	struct err err;

	*ret = (struct engine_info){ 0 };
	assert_ok(engine_json_version(v, ret, &err), &err);
	assert_ok(engine_json_info(i, ret, &err), &err);
	json_decref(v);
	json_decref(i);
}

static void facts_tell_the_kind_of_store_and_the_parts(void **state)
{
	struct engine_info info;

	(void)state;
	parse_facts("{\"Version\":\"28.5.2\",\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.24\","
		    "\"Os\":\"linux\",\"Arch\":\"amd64\",\"Components\":[{\"Name\":\"containerd\","
		    "\"Version\":\"2.1.4\"},{\"Name\":\"runc\",\"Version\":\"1.3.3\"},{},7]}",
		"{\"Driver\":\"overlayfs\",\"DockerRootDir\":\"/d\",\"DriverStatus\":[[\"a\"],7,"
		"[\"driver-type\",\"io.containerd.snapshotter.v1\"]]}",
		&info);
	assert_true(info.containerd_store && !info.podman);
	assert_string_equal(info.min_api_version, "1.24");
	assert_string_equal(info.runc, "1.3.3");
	assert_string_equal(info.containerd, "2.1.4");
	parse_facts("{\"Version\":\"4.3.1\",\"ApiVersion\":\"1.41\",\"Os\":\"linux\","
		    "\"Arch\":\"amd64\",\"Components\":[{\"Name\":\"Podman Engine\"}]}",
		"{\"Driver\":\"overlay\",\"DockerRootDir\":\"/d\",\"DriverStatus\":null}", &info);
	assert_true(info.podman && !info.containerd_store);
	assert_string_equal(info.runc, "");
}

RUN_TESTS(TEST(a_history_gives_its_steps_from_the_first_on), TEST(steps_of_wrong_types_are_refused),
	TEST(facts_tell_the_kind_of_store_and_the_parts),
	TEST(a_history_gives_the_sizes_from_the_lowest_up),
	TEST(layers_without_content_make_none_above_them_larger),
	TEST(a_history_of_other_layers_tells_nothing), TEST(a_history_of_wrong_types_is_refused),
	TEST(an_inspect_answer_gives_id_layers_and_tags), TEST(absent_layers_and_tags_are_none),
	TEST(wrong_types_are_refused), TEST(an_error_body_gives_its_message_escaped),
	TEST(of_podmans_reasons_only_the_one_that_matters_is_told),
	TEST(path_arguments_are_encoded), TEST(a_container_uses_the_image_of_its_id_only))
