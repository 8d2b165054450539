/*
 * What Docker's own client keeps in its directory (DOCKER_CONFIG, ~/.docker): which context is the
 * current one, and which engine a context names. Pure: bytes in. Any thread.
 */
#pragma once

#include "common/base/err.h"

#define DOCKER_CONFIG_MAX (1u << 20)	/* bytes of config.json, which has credentials, too */
#define DOCKER_CONTEXT_MAX (256u << 10) /* bytes of a context's meta.json */
#define DOCKER_CONTEXT_NAME_MAX 255u

/* Of config.json: the current context's name as a new string, NULL where none is set. */
int docker_config_context(const void *bytes, size_t n, char **ret, struct err *err) MUST_CHECK;

/* A context's engine. */
struct docker_context {
	char *host; /* as for -H; "": the default. Caller frees */
	bool skip_verify;
};

/* Of a context's meta.json. */
int docker_context_parse(
	const void *bytes, size_t n, struct docker_context *ret, struct err *err) MUST_CHECK;

/* The path of a context's file in the directory of Docker's client: its meta.json (`file` NULL), or
 * one of those that TLS takes ("ca.pem"). A new string; NULL when out of memory. */
char *docker_context_path(const char *config_dir, const char *name, const char *file);
