#include "common/engine/docker_context.h"

#include "common/chunk/digest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Errors say the place, because people write these files by hand; not what stands there, which may
 * be a credential. */
static json_t *parse(const void *bytes, size_t n, struct err *err)
{
	json_error_t why;
	json_t *o = n ? json_loadb(bytes, n, 0, &why) : NULL;

	if (n == 0)
		err_set(err, ERR_USAGE, "it is empty");
	else if (!o)
		err_set(err, ERR_USAGE, "it is no JSON, at line %d, column %d", why.line,
			why.column);
	if (o && !json_is_object(o)) {
		err_set(err, ERR_USAGE, "it is no JSON object");
		json_decref(o);
		return NULL;
	}
	return o;
}

/* NULL is left where the key is not there; -1 when it is no string. */
static int take_string(const json_t *o, const char *key, char **ret, struct err *err)
{
	const json_t *v = json_object_get(o, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
		return err_set(err, ERR_USAGE, "%s is no string", key);
	*ret = strdup(json_string_value(v));
	return *ret ? 0 : err_nomem(err);
}

int docker_config_context(const void *bytes, size_t n, char **ret, struct err *err)
{
	json_t *o = parse(bytes, n, err);
	char *name = NULL;
	int r;

	if (!o)
		return -1;
	r = take_string(o, "currentContext", &name, err);
	json_decref(o);
	if (r != 0)
		return -1;
	if (name && !*name) {
		free(name);
		name = NULL;
	}
	*ret = name;
	return 0;
}

static int take_endpoint(const json_t *o, struct docker_context *ret, struct err *err)
{
	const json_t *endpoint = json_object_get(json_object_get(o, "Endpoints"), "docker");
	const json_t *skip = json_object_get(endpoint, "SkipTLSVerify");

	if (!json_is_object(endpoint))
		return err_set(err, ERR_USAGE, "it names no engine (Endpoints.docker)");
	if (skip && !json_is_boolean(skip))
		return err_set(err, ERR_USAGE, "SkipTLSVerify is neither true nor false");
	ret->skip_verify = json_is_true(skip);
	if (take_string(endpoint, "Host", &ret->host, err) != 0)
		return -1;
	if (!ret->host)
		ret->host = strdup("");
	return ret->host ? 0 : err_nomem(err);
}

int docker_context_parse(const void *bytes, size_t n, struct docker_context *ret, struct err *err)
{
	json_t *o = parse(bytes, n, err);
	int r;

	if (!o)
		return -1;
	r = take_endpoint(o, ret, err);
	json_decref(o);
	return r;
}

char *docker_context_path(const char *config_dir, const char *name, const char *file)
{
	struct digest d = digest_of(name, strlen(name));
	char hex[DIGEST_HEX_LEN + 1], *path;
	int n;

	digest_hex(&d, hex);
	if (file)
		n = asprintf(&path, "%s/contexts/tls/%s/docker/%s", config_dir, hex, file);
	else
		n = asprintf(&path, "%s/contexts/meta/%s/meta.json", config_dir, hex);
	return n < 0 ? NULL : path;
}
