/* Each test has a directory that stands for the home of one who uses docker. */
#include "common/base/file.h"
#include "common/engine/docker_context.h"
#include "common/engine/engine_choice.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <libgen.h>

#define PEM "-----BEGIN CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\n"

static void put(const char *path, const char *text)
{
	char *dir = strdup(path);
	struct err err;

	assert_non_null(dir);
	assert_ok(file_make_dir(dirname(dir), 0700, &err), &err);
	assert_ok(file_replace(path, 0600, text, strlen(text), &err), &err);
	free(dir);
}

static void put_in(void **state, const char *name, const char *text)
{
	char *path = file_join(*state, name);

	put(path, text);
	free(path);
}

static void put_context(void **state, const char *name, const char *host)
{
	char *path = docker_context_path(*state, name, NULL), *json;

	assert_true(
		asprintf(&json, "{\"Name\":\"%s\",\"Endpoints\":{\"docker\":{\"Host\":\"%s\"}}}",
			name, host) > 0);
	put(path, json);
	free(json);
	free(path);
}

static void put_context_pem(void **state, const char *name, const char *file, const char *text)
{
	char *path = docker_context_path(*state, name, file);

	put(path, text);
	free(path);
}

static struct engine_env env_of(void **state)
{
	return (struct engine_env){ .config_dir = *state, .docker_socket = "/" };
}

static void assert_chosen(
	const struct engine_env *env, const char *option, const char *shown, const char *why)
{
	struct engine_address a;
	struct err err;

	assert_ok(engine_choose_from(env, option, &a, &err), &err);
	assert_string_equal(a.shown, shown);
	assert_string_equal(a.why, why);
	engine_address_done(&a);
}

/* The words stand in the error, one after another, with "|" between them. */
static void assert_none(const struct engine_env *env, const char *option, const char *words)
{
	struct engine_address a;
	struct err err;
	char *copy = strdup(words), *rest = copy, *word, *at;

	assert_non_null(copy);
	assert_fails(engine_choose_from(env, option, &a, &err), &err, ERR_USAGE);
	at = err.text;
	while ((word = strsep(&rest, "|"))) {
		at = strstr(at, word);
		if (!at)
			fail_msg("%s", err.text);
	}
	free(copy);
}

/* --- precedence --- */

static void what_is_nearer_goes_first(void **state)
{
	struct engine_env env = env_of(state);

	put_context(state, "one", "tcp://one:1");
	put_context(state, "two", "tcp://two:2");
	assert_chosen(&env, NULL, "unix:///", "the default");
	put_in(state, "config.json", "{\"currentContext\":\"one\"}");
	assert_chosen(&env, NULL, "tcp://one:1", "context \"one\" (docker context use)");
	env.context = "two";
	assert_chosen(&env, NULL, "tcp://two:2", "context \"two\" (DOCKER_CONTEXT)");
	env.host = "unix:///three";
	assert_chosen(&env, NULL, "unix:///three", "DOCKER_HOST");
	assert_chosen(&env, "unix:///four", "unix:///four", "-H");
	assert_chosen(&env, "", "unix:///", "the default");
}

static void what_is_empty_is_not_set(void **state)
{
	struct engine_env env = env_of(state);

	env.host = env.context = env.cert_path = "";
	assert_chosen(&env, NULL, "unix:///", "the default");
}

static void the_context_called_default_is_none(void **state)
{
	struct engine_env env = env_of(state);

	put_context(state, "one", "tcp://one:1");
	put_context(state, "default", "tcp://default:1");
	put_in(state, "config.json", "{\"currentContext\":\"one\"}");
	env.context = "default";
	assert_chosen(&env, NULL, "unix:///", "the default");
	env.context = NULL;
	put_in(state, "config.json", "{\"currentContext\":\"default\"}");
	assert_chosen(&env, NULL, "unix:///", "the default");
}

static void an_address_that_is_wrong_says_where_it_came_from(void **state)
{
	struct engine_env env = env_of(state);

	assert_none(&env, "ssh://web01", "-H: |ssh://web01|run dray on that host");
	env.host = "nonsense://";
	assert_none(&env, NULL, "DOCKER_HOST: |nonsense://|not supported");
	env.host = NULL;
	env.context = "far";
	put_context(state, "far", "ssh://web01");
	assert_none(
		&env, NULL, "context \"far\" (DOCKER_CONTEXT): |ssh://web01|run dray on that host");
}

/* --- Podman --- */

static void podmans_socket_is_taken_where_there_is_no_docker(void **state)
{
	struct engine_env env = env_of(state);
	struct engine_address a;
	struct err err;

	env.docker_socket = "/nonexistent/docker.sock";
	env.podman_socket = "/nonexistent/podman.sock";
	assert_chosen(&env, NULL, "unix:///nonexistent/docker.sock", "the default");
	env.podman_socket = *state;
	assert_ok(engine_choose_from(&env, NULL, &a, &err), &err);
	assert_true(a.podmans);
	assert_string_equal(a.socket, *state);
	engine_address_done(&a);
	env.docker_socket = "/";
	assert_chosen(&env, NULL, "unix:///", "the default");
	env.docker_socket = "/nonexistent/docker.sock";
	assert_chosen(&env, "unix:///x", "unix:///x", "-H");
}

/* --- contexts --- */

static void a_context_that_is_not_there_is_an_error(void **state)
{
	struct engine_env env = env_of(state);

	put_in(state, "config.json", "{\"currentContext\":\"g\\u001bone\"}");
	assert_none(&env, NULL,
		"context \"g\\x1bone\" (docker context use): |does not exist|docker context ls");
	env.context = "gone";
	assert_none(
		&env, NULL, "context \"gone\" (DOCKER_CONTEXT): |does not exist|docker context ls");
	env.config_dir = NULL;
	assert_none(&env, NULL, "context \"gone\"|HOME");
	env.context = NULL;
	assert_chosen(&env, NULL, "unix:///", "the default");
}

static void a_broken_file_says_which_and_where(void **state)
{
	struct engine_env env = env_of(state);

	put_in(state, "config.json", "{\n\n,}");
	assert_none(&env, NULL, "/config.json: |line 3|-H");
	assert_chosen(&env, "unix:///x", "unix:///x", "-H");
	env.context = "bad";
	put_context(state, "bad", "\"x");
	assert_none(&env, NULL, "context \"bad\"|/meta.json: |line 1");
}

static void files_that_are_too_large_are_refused(void **state)
{
	struct engine_env env = env_of(state);
	char *big = malloc(DOCKER_CONFIG_MAX + 2);
	char *path = docker_context_path(*state, "big", NULL);

	assert_non_null(big);
	memset(big, ' ', DOCKER_CONFIG_MAX + 1);
	big[DOCKER_CONFIG_MAX + 1] = '\0';
	put(path, big);
	put_in(state, "config.json", big);
	assert_none(&env, NULL, "config.json|larger than");
	env.context = "big";
	assert_none(&env, NULL, "meta.json|larger than");
	env.context = NULL;
	env.host = "tcp://x";
	env.tls = true;
	put_in(state, "ca.pem", big);
	assert_none(&env, NULL, "ca.pem|larger than");
	memset(big, 'n', 300);
	big[300] = '\0';
	env.host = NULL;
	env.context = big;
	assert_none(&env, NULL, "long name");
	free(path);
	free(big);
}

static void a_contexts_certificates_are_its_own(void **state)
{
	struct engine_env env = env_of(state);
	struct engine_address a;
	struct err err;

	env.tls_verify = true; /* is not for contexts */
	env.context = "one";
	put_context(state, "one", "tcp://one");
	assert_ok(engine_choose_from(&env, NULL, &a, &err), &err);
	assert_false(a.tls);
	engine_address_done(&a);
	put_context_pem(state, "one", "ca.pem", PEM "1");
	assert_ok(engine_choose_from(&env, NULL, &a, &err), &err);
	assert_true(a.tls && a.verify);
	assert_string_equal(a.shown, "tcp://one:2375");
	assert_int_equal(buf_len(&a.ca), strlen(PEM "1"));
	assert_memory_equal(buf_bytes(&a.ca), PEM "1", strlen(PEM "1"));
	assert_int_equal(buf_len(&a.cert), 0);
	engine_address_done(&a);
}

static void a_context_may_skip_the_check(void **state)
{
	struct engine_env env = env_of(state);
	char *path = docker_context_path(*state, "lax", NULL);
	struct engine_address a;
	struct err err;

	env.context = "lax";
	put(path, "{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://x\",\"SkipTLSVerify\":true}}}");
	free(path);
	assert_ok(engine_choose_from(&env, NULL, &a, &err), &err);
	assert_true(a.tls && !a.verify);
	engine_address_done(&a);
}

/* --- TLS by the environment --- */

static void tls_takes_the_files_that_docker_takes(void **state)
{
	struct engine_env env = env_of(state);
	struct engine_address a;
	struct err err;
	char *certs;

	put_in(state, "certs/ca.pem", PEM);
	put_in(state, "certs/cert.pem", PEM "c");
	put_in(state, "certs/key.pem", KEY "k");
	env.host = "tcp://x:2376";
	env.tls_verify = true;
	assert_none(&env, NULL, "DOCKER_TLS_VERIFY|/ca.pem is not there");
	certs = file_join(*state, "certs");
	env.cert_path = certs;
	assert_ok(engine_choose_from(&env, NULL, &a, &err), &err);
	assert_true(a.tls && a.verify);
	assert_memory_equal(buf_bytes(&a.cert), PEM "c", strlen(PEM "c"));
	assert_memory_equal(buf_bytes(&a.key), KEY "k", strlen(KEY "k"));
	engine_address_done(&a);
	env.tls_verify = false;
	env.tls = true;
	assert_ok(engine_choose_from(&env, NULL, &a, &err), &err);
	assert_true(a.tls && !a.verify);
	engine_address_done(&a);
	env.host = NULL;
	assert_chosen(&env, NULL, "tcp://127.0.0.1:2376", "DOCKER_TLS");
	env.host = "unix:///x"; /* has no TLS, whatever is asked */
	env.tls_verify = true;
	env.cert_path = NULL;
	assert_chosen(&env, NULL, "unix:///x", "DOCKER_HOST");
	free(certs);
}

static void certificates_that_cannot_serve_are_told_before_anything_else(void **state)
{
	struct engine_env env = env_of(state);

	env.host = "tcp://x:2376";
	env.tls = true;
	put_in(state, "cert.pem", PEM);
	assert_none(&env, NULL, "/cert.pem is there, but |/key.pem is not");
	put_in(state, "key.pem", "secret");
	assert_none(&env, NULL, "/key.pem holds nothing in PEM");
	put_in(state, "key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
	assert_none(&env, NULL, "/key.pem is encrypted");
	env.config_dir = NULL;
	assert_none(&env, NULL, "HOME");
}

#define HERE(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(HERE(what_is_nearer_goes_first), HERE(what_is_empty_is_not_set),
	HERE(the_context_called_default_is_none),
	HERE(an_address_that_is_wrong_says_where_it_came_from),
	HERE(podmans_socket_is_taken_where_there_is_no_docker),
	HERE(a_context_that_is_not_there_is_an_error), HERE(a_broken_file_says_which_and_where),
	HERE(files_that_are_too_large_are_refused), HERE(a_contexts_certificates_are_its_own),
	HERE(a_context_may_skip_the_check), HERE(tls_takes_the_files_that_docker_takes),
	HERE(certificates_that_cannot_serve_are_told_before_anything_else))
