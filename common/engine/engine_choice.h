/*
 * Which engine: chosen as docker does. -H, else DOCKER_HOST, else the context that DOCKER_CONTEXT
 * or, without it, `docker context use` names, else Docker's own socket. One thing is dray's own:
 * where there is no such socket, Podman's is taken. Blocking; reads small files.
 */
#pragma once

#include "common/engine/engine_address.h"

#define ENGINE_PEM_MAX (256u << 10) /* bytes of a file with keys or certificates */

/* The row of -H in a command's table of options; `to` is a const char **. */
#define ENGINE_OPTION_ROW(to)                                                                      \
	{                                                                                          \
		"host", 'H', OPTION_TEXT, to, "ENGINE",                                            \
			"the engine (default: as docker does; unix:// or tcp://)"                  \
	}

/* What docker looks at. Text that is not set is NULL or "". */
struct engine_env {
	const char *host;	/* DOCKER_HOST */
	const char *context;	/* DOCKER_CONTEXT */
	const char *config_dir; /* DOCKER_CONFIG, else ~/.docker; NULL: there is none */
	const char *cert_path;	/* DOCKER_CERT_PATH; else the directory above */
	bool tls_verify, tls;	/* DOCKER_TLS_VERIFY, DOCKER_TLS: set to anything */
	const char *docker_socket;
	const char *podman_socket;
};

/* `option` is what -H was given, or NULL. What is wrong in a file or an address is ERR_USAGE with
 * the file's name. `ret` is for engine_address_done. */
int engine_choose_from(const struct engine_env *env, const char *option, struct engine_address *ret,
	struct err *err) MUST_CHECK;

/* As this process's environment and user have it. */
int engine_choose(const char *option, struct engine_address *ret, struct err *err) MUST_CHECK;
