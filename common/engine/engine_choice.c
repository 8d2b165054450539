/*
 * Happy path: what names the engine -> its address -> for TLS, the files. Failure modes: an address
 * that dray cannot speak to; a context that is not there, or that is not understood; certificates
 * that are missing. Each is told with the file's name, and nothing else is tried instead: it would
 * be another engine than the one that was meant.
 */
#include "common/engine/engine_choice.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/engine/docker_context.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_SHOWN_MAX 100
#define DEFAULT_CONTEXT "default"
#define DEFAULT_TLS_HOST "tcp://127.0.0.1:2376"

static bool is_set(const char *s)
{
	return s && *s;
}

static void cleanup_context(struct docker_context *c)
{
	free(c->host);
}

/* --- certificates --- */

/* A PEM file into `ret`, whose memory never moves: a key would leave copies of itself. *ret_there
 * is false, and `ret` empty, when there is none. */
static int read_pem(const char *path, struct buf *ret, bool *ret_there, struct err *err)
{
	struct err why;

	buf_init(ret, ENGINE_PEM_MAX);
	*ret_there = false;
	if (!path || !buf_reserve(ret, ENGINE_PEM_MAX))
		return err_nomem(err);
	if (file_read(path, ret, &why) != 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		return err_set(err, ERR_USAGE, "%s", why.text);
	}
	if (!memmem(buf_bytes(ret), buf_len(ret), "-----BEGIN ", 11))
		return err_set(err, ERR_USAGE, "%s holds nothing in PEM (-----BEGIN ...)", path);
	*ret_there = true;
	return 0;
}

/* Else the library would ask for its password, at the terminal. */
static int check_key(const char *path, const struct buf *key, struct err *err)
{
	if (!memmem(buf_bytes(key), buf_len(key), "ENCRYPTED", 9))
		return 0;
	return err_set(err, ERR_USAGE,
		"%s is encrypted: like docker, dray takes only a key that is not", path);
}

struct pem_paths {
	char *ca, *cert, *key;
};

static void cleanup_paths(struct pem_paths *p)
{
	free(p->ca);
	free(p->cert);
	free(p->key);
}

/* *ret_any: one of the files is there. */
static int read_pems(
	const struct pem_paths *p, struct engine_address *a, bool *ret_any, struct err *err)
{
	bool ca, cert, key;

	if (read_pem(p->ca, &a->ca, &ca, err) != 0 ||
		read_pem(p->cert, &a->cert, &cert, err) != 0 ||
		read_pem(p->key, &a->key, &key, err) != 0)
		return -1;
	if (cert != key)
		return err_set(err, ERR_USAGE, "%s is there, but %s is not",
			cert ? p->cert : p->key, cert ? p->key : p->cert);
	*ret_any = ca || cert;
	return key ? check_key(p->key, &a->key, err) : 0;
}

/* --- addresses that are given as such: TLS is what the environment says --- */

static int read_env_pems(const struct engine_env *env, struct engine_address *a, struct err *err)
{
	const char *dir = is_set(env->cert_path) ? env->cert_path : env->config_dir;
	CLEANUP(cleanup_paths) struct pem_paths p = { 0 };
	bool any;

	if (!dir)
		return err_set(err, ERR_USAGE,
			"TLS is asked for, but neither DOCKER_CERT_PATH nor HOME is set");
	p = (struct pem_paths){ .ca = file_join(dir, "ca.pem"),
		.cert = file_join(dir, "cert.pem"),
		.key = file_join(dir, "key.pem") };
	if (read_pems(&p, a, &any, err) != 0)
		return -1;
	if (env->tls_verify && buf_len(&a->ca) == 0)
		return err_set(err, ERR_USAGE,
			"DOCKER_TLS_VERIFY is set, but %s is not there (DOCKER_CERT_PATH names its "
			"directory)",
			p.ca);
	a->tls = true;
	a->verify = env->tls_verify;
	return 0;
}

static int take_given(const struct engine_env *env, const char *host, const char *why,
	struct engine_address *a, struct err *err)
{
	if (engine_address_parse(host, a, err) != 0)
		return err_wrap(err, "%s", why);
	snprintf(a->why, sizeof(a->why), "%s", why);
	if (a->socket || !(env->tls_verify || env->tls))
		return 0;
	return read_env_pems(env, a, err);
}

/* --- the default --- */

/* A socket that is there but not to be reached is Docker's all the same. */
static bool is_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static int take_socket(const char *path, const char *why, struct engine_address *a, struct err *err)
{
	CLEANUP(cleanup_free) char *host = NULL;

	if (asprintf(&host, "unix://%s", path) < 0) {
		host = NULL;
		return err_nomem(err);
	}
	if (engine_address_parse(host, a, err) != 0)
		return -1;
	snprintf(a->why, sizeof(a->why), "%s", why);
	return 0;
}

static int take_default(const struct engine_env *env, struct engine_address *a, struct err *err)
{
	if (env->tls_verify || env->tls)
		return take_given(env, DEFAULT_TLS_HOST,
			env->tls_verify ? "DOCKER_TLS_VERIFY" : "DOCKER_TLS", a, err);
	if (!is_missing(env->docker_socket) || !is_set(env->podman_socket) ||
		access(env->podman_socket, F_OK) != 0)
		return take_socket(env->docker_socket, "the default", a, err);
	if (take_socket(env->podman_socket, "Podman's, as there is no Docker here", a, err) != 0)
		return -1;
	a->podmans = true;
	return 0;
}

/* --- contexts --- */

static int read_current(const struct engine_env *env, char **ret, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(buf_done) struct buf file;
	struct err why;

	*ret = NULL;
	buf_init(&file, DOCKER_CONFIG_MAX);
	if (!env->config_dir)
		return 0;
	path = file_join(env->config_dir, "config.json");
	if (!path)
		return err_nomem(err);
	if (file_read(path, &file, &why) == 0) {
		if (docker_config_context(buf_bytes(&file), buf_len(&file), ret, &why) == 0)
			return 0;
		err_wrap(&why, "%s", path);
	} else if (why.code == ERR_NOT_FOUND) {
		return 0;
	}
	return err_set(err, ERR_USAGE,
		"%s (which engine is the current one stands there; -H names one)", why.text);
}

static int read_context(
	const struct engine_env *env, const char *name, struct docker_context *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *path = docker_context_path(env->config_dir, name, NULL);
	CLEANUP(buf_done) struct buf file;
	struct err why;

	buf_init(&file, DOCKER_CONTEXT_MAX);
	if (!path)
		return err_nomem(err);
	if (file_read(path, &file, &why) != 0)
		return err_set(err, ERR_USAGE, "%s%s", why.text,
			why.code == ERR_NOT_FOUND ? " (docker context ls lists those that do)"
						  : "");
	if (docker_context_parse(buf_bytes(&file), buf_len(&file), ret, err) == 0)
		return 0;
	return err_wrap(err, "%s", path);
}

/* A context has certificates of its own; where it has any, it is TLS. */
static int read_context_pems(const struct engine_env *env, const char *name, bool skip_verify,
	struct engine_address *a, struct err *err)
{
	CLEANUP(cleanup_paths)
	struct pem_paths p = { .ca = docker_context_path(env->config_dir, name, "ca.pem"),
		.cert = docker_context_path(env->config_dir, name, "cert.pem"),
		.key = docker_context_path(env->config_dir, name, "key.pem") };
	bool any;

	if (read_pems(&p, a, &any, err) != 0)
		return -1;
	a->tls = any || skip_verify;
	a->verify = !skip_verify;
	return 0;
}

static int find_context(
	const struct engine_env *env, const char *name, struct engine_address *a, struct err *err)
{
	CLEANUP(cleanup_context) struct docker_context c = { 0 };

	if (!env->config_dir)
		return err_set(err, ERR_USAGE, "neither DOCKER_CONFIG nor HOME is set");
	if (strlen(name) > DOCKER_CONTEXT_NAME_MAX)
		return err_set(err, ERR_USAGE, "no context has such a long name");
	if (read_context(env, name, &c, err) != 0)
		return -1;
	if (!*c.host)
		return take_socket(env->docker_socket, "", a, err);
	if (engine_address_parse(c.host, a, err) != 0)
		return -1;
	return a->socket ? 0 : read_context_pems(env, name, c.skip_verify, a, err);
}

static int take_context(const struct engine_env *env, const char *name, const char *by,
	struct engine_address *a, struct err *err)
{
	char shown[NAME_SHOWN_MAX];

	text_escape(shown, sizeof(shown), name, strlen(name));
	if (find_context(env, name, a, err) != 0)
		return err_wrap(err, "context \"%s\" (%s)", shown, by);
	snprintf(a->why, sizeof(a->why), "context \"%s\" (%s)", shown, by);
	return 0;
}

/* --- the choice --- */

static bool names_one(const char *context)
{
	return is_set(context) && strcmp(context, DEFAULT_CONTEXT) != 0;
}

/* The context that is called "default" is the choice without contexts. */
static int choose(
	const struct engine_env *env, const char *option, struct engine_address *a, struct err *err)
{
	CLEANUP(cleanup_free) char *current = NULL;

	if (option)
		return *option ? take_given(env, option, "-H", a, err) : take_default(env, a, err);
	if (is_set(env->host))
		return take_given(env, env->host, "DOCKER_HOST", a, err);
	if (names_one(env->context))
		return take_context(env, env->context, "DOCKER_CONTEXT", a, err);
	if (is_set(env->context))
		return take_default(env, a, err);
	if (read_current(env, &current, err) != 0)
		return -1;
	if (names_one(current))
		return take_context(env, current, "docker context use", a, err);
	return take_default(env, a, err);
}

int engine_choose_from(const struct engine_env *env, const char *option, struct engine_address *ret,
	struct err *err)
{
	struct engine_address a = { 0 };

	if (choose(env, option, &a, err) != 0) {
		engine_address_done(&a);
		return -1;
	}
	*ret = a;
	return 0;
}

/* --- this process --- */

static const char *home_of_user(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (is_set(home))
		return home;
	user = getpwuid(geteuid()); /* a service has no HOME */
	return user ? user->pw_dir : NULL;
}

int engine_choose(const char *option, struct engine_address *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *config_dir = NULL;
	const char *given = getenv("DOCKER_CONFIG"), *home = home_of_user();
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	CLEANUP(cleanup_free) char *own_socket = NULL;
	struct engine_env env = { .host = getenv("DOCKER_HOST"),
		.context = getenv("DOCKER_CONTEXT"),
		.cert_path = getenv("DOCKER_CERT_PATH"),
		.tls_verify = is_set(getenv("DOCKER_TLS_VERIFY")),
		.tls = is_set(getenv("DOCKER_TLS")),
		.docker_socket = ENGINE_SOCKET };

	if (is_set(given) || is_set(home)) {
		config_dir = is_set(given) ? strdup(given) : file_join(home, ".docker");
		if (!config_dir)
			return err_nomem(err);
	}
	if (geteuid() == 0) {
		own_socket = strdup("/run/podman/podman.sock");
	} else if (is_set(runtime)) {
		own_socket = file_join(runtime, "podman/podman.sock");
	} else if (asprintf(&own_socket, "/run/user/%u/podman/podman.sock", geteuid()) < 0) {
		own_socket = NULL;
	}
	if (!own_socket)
		return err_nomem(err);
	env.config_dir = config_dir;
	env.podman_socket = own_socket;
	return engine_choose_from(&env, option, ret, err);
}
