#include "client/client.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "link/own_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int client_config_path(char **ret, struct err *err)
{
	const char *given = getenv("DRAY_CONFIG_DIR"), *home = getenv("HOME");
	char *dir;

	if (given && given[0])
		dir = strdup(given);
	else if (geteuid() == 0)
		dir = strdup("/etc/dray");
	else if (home && home[0])
		dir = file_join(home, ".config/dray");
	else
		return err_set(err, ERR_USAGE, "neither HOME nor DRAY_CONFIG_DIR is set");
	if (!dir)
		return err_nomem(err);
	*ret = dir;
	return 0;
}

int client_config_dir(char **ret, struct err *err)
{
	char *dir;

	if (client_config_path(&dir, err) != 0)
		return -1;
	if (file_make_dir(dir, 0700, err) != 0) {
		free(dir);
		return -1;
	}
	*ret = dir;
	return 0;
}

int client_key(struct key_pair **ret, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	CLEANUP(cleanup_free) char *path = NULL;

	if (client_config_dir(&dir, err) != 0)
		return -1;
	path = file_join(dir, "key");
	return path ? own_key_open(path, ret, err) : err_nomem(err);
}

int client_open(
	const char *target, struct key_pair **ret_key, struct target **ret_target, struct err *err)
{
	struct target *t;

	if (targets_load(target, &t, err) != 0)
		return -1;
	if (client_key(ret_key, err) != 0) {
		target_free(t);
		return -1;
	}
	*ret_target = t;
	return 0;
}

int client_engine(const char *option, struct engine_address *ret, struct err *err)
{
	if (engine_choose(option, ret, err) != 0)
		return -1;
	if (ret->podmans)
		log_info("there is no Docker here (" ENGINE_SOCKET "): taking Podman's %s",
			ret->shown);
	if (engine_address_is_open(ret))
		log_warn("%s is without TLS: whoever can reach it, or change what passes, has the "
			 "engine",
			ret->shown);
	return 0;
}

void client_close(struct key_pair *key, struct target *target)
{
	own_key_free(key);
	target_free(target);
}
