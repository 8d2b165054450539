/* What every command of dray begins with: where its files are, and who this host is. Main thread.
 */
#pragma once

#include "client/targets.h"
#include "common/engine/engine_choice.h"

/* DRAY_CONFIG_DIR, else /etc/dray for root, else ~/.config/dray. Caller frees. */
int client_config_path(char **ret, struct err *err) MUST_CHECK;

/* The same, made when it is not there. */
int client_config_dir(char **ret, struct err *err) MUST_CHECK;

/* This host's key pair; made at first use. For client_close. */
int client_key(struct key_pair **ret, struct err *err) MUST_CHECK;

/* This host's key pair and a target that it is paired with. */
int client_open(const char *target, struct key_pair **ret_key, struct target **ret_target,
	struct err *err) MUST_CHECK;

/* The engine that -H (or NULL) and docker's settings name; says what should be known of the choice.
 * For engine_address_done. */
int client_engine(const char *option, struct engine_address *ret, struct err *err) MUST_CHECK;

/* Wipes both; NULL is fine. */
void client_close(struct key_pair *key, struct target *target);
