#include "common/engine/docker_context.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static int current(const char *json, char **ret, struct err *err)
{
	*ret = NULL;
	return docker_config_context(json, strlen(json), ret, err);
}

static int context(const char *json, struct docker_context *ret, struct err *err)
{
	*ret = (struct docker_context){ 0 };
	return docker_context_parse(json, strlen(json), ret, err);
}

static void assert_host(const char *json, const char *host, bool skip_verify)
{
	struct docker_context c;
	struct err err;

	assert_ok(context(json, &c, &err), &err);
	assert_string_equal(c.host, host);
	assert_int_equal(c.skip_verify, skip_verify);
	free(c.host);
}

static void assert_bad(int r, const struct err *err, const char *why)
{
	assert_fails(r, err, ERR_USAGE);
	if (!strstr(err->text, why))
		fail_msg("%s", err->text);
}

static void the_current_context_is_found_among_all_else(void **state)
{
	struct err err;
	char *name;

	(void)state;
	assert_ok(
		current("{\"auths\":{\"x\":{\"auth\":\"c2VjcmV0\"}},\"currentContext\":\"web 01\"}",
			&name, &err),
		&err);
	assert_string_equal(name, "web 01");
	free(name);
}

static void without_one_there_is_none(void **state)
{
	static const char *const none[] = { "{}", "{\"currentContext\":\"\"}",
		"{\"currentContext\":null}" };
	struct err err;
	char *name;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_ok(current(none[i], &name, &err), &err);
		assert_null(name);
	}
}

static void a_broken_config_says_where_and_not_what(void **state)
{
	struct err err;
	char *name;

	(void)state;
	assert_bad(current("{\n\"auth\": \"c2VjcmV0\"\n\"x\"}", &name, &err), &err,
		"line 3, column 3");
	assert_null(strstr(err.text, "c2VjcmV0"));
	assert_bad(current("", &name, &err), &err, "empty");
	assert_bad(current("[]", &name, &err), &err, "no JSON object");
	assert_bad(current("{\"currentContext\":1}", &name, &err), &err, "currentContext");
	assert_bad(current("{\"currentContext\":\"a\\u0000b\"}", &name, &err), &err, "no JSON");
}

static void a_context_names_an_engine(void **state)
{
	(void)state;
	assert_host("{\"Name\":\"w\",\"Metadata\":{},\"Endpoints\":{\"docker\":{\"Host\":"
		    "\"tcp://w:2376\",\"SkipTLSVerify\":false}}}",
		"tcp://w:2376", false);
	assert_host("{\"Endpoints\":{\"docker\":{\"Host\":\"unix:///x\",\"SkipTLSVerify\":true}}}",
		"unix:///x", true);
	assert_host("{\"Endpoints\":{\"docker\":{}}}", "", false);
}

static void a_broken_context_says_what_it_lacks(void **state)
{
	struct docker_context c;
	struct err err;

	(void)state;
	assert_bad(context("{\"Endpoints\":{}}", &c, &err), &err, "Endpoints.docker");
	assert_bad(context("{\"Endpoints\":7}", &c, &err), &err, "Endpoints.docker");
	assert_bad(context("{}", &c, &err), &err, "Endpoints.docker");
	assert_bad(context("{\"Endpoints\":{\"docker\":{\"Host\":7}}}", &c, &err), &err, "Host");
	assert_bad(context("{\"Endpoints\":{\"docker\":{\"SkipTLSVerify\":\"no\"}}}", &c, &err),
		&err, "SkipTLSVerify");
	assert_bad(context("{\"Endpoints\":", &c, &err), &err, "line 1");
	assert_bad(context("", &c, &err), &err, "empty");
	assert_null(c.host);
}

/* The names of directories are what docker computes. */
static void files_are_where_docker_puts_them(void **state)
{
	char *path = docker_context_path("/d", "web01", NULL);

	(void)state;
	assert_string_equal(path,
		"/d/contexts/meta/"
		"1f94fe445ba97e785acb7ea6f44b8fcb451ba5ddfa72c603380bd96c9158ed0d/meta.json");
	free(path);
	path = docker_context_path("/d", "../../x", "ca.pem");
	assert_string_equal(path,
		"/d/contexts/tls/"
		"9cdf6a50100a862e14286c7a334296daf7da8b45d48e20302424ca729b62a31a/docker/ca.pem");
	free(path);
}

RUN_TESTS(TEST(the_current_context_is_found_among_all_else), TEST(without_one_there_is_none),
	TEST(a_broken_config_says_where_and_not_what), TEST(a_context_names_an_engine),
	TEST(a_broken_context_says_what_it_lacks), TEST(files_are_where_docker_puts_them))
