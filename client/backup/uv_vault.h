/*
 * What the commands about backups share: a loop, the signals, the line to the target, and the
 * engine beside the agent where one is needed. Main thread, which runs the loop.
 */
#pragma once

#include "client/client.h"
#include "client/migrate/uv_line.h"
#include "common/cargo/snapshot_info.h"
#include "common/engine/engine_container.h"

struct vault_options {
	struct target *target;
	const struct key_pair *key;
	bool with_engine;
	const char *engine; /* -H, or NULL */
	struct lanes_options lanes;
	int level;
	uint64_t retry_for_ms;
	uint32_t grants;   /* that are needed… */
	const char *needs; /* …and what is said without them */
	bool quiet;
};

struct vault {
	uv_loop_t loop;
	uv_signal_t signals[2];
	struct engine_address address;
	struct engine *engine; /* NULL: none */
	struct line *line;
	bool stopping; /* by a signal: what is begun is to end with ERR_INTERRUPTED */
	bool closing, quiet;
	const char *target;
};

/* Fills in target and key; ERR_USAGE: there is no such target. For client_close. */
int vault_target(const char *name, struct key_pair **ret_key, struct vault_options *to,
	struct err *err) MUST_CHECK;

/* What the options point to must last. On failure the vault is to be run and closed, too. */
int vault_open(struct vault *v, const struct vault_options *o, struct err *err) MUST_CHECK;

/* Everything is asked: the loop will end. */
void vault_leave(struct vault *v);

/* Runs the loop until vault_leave has been called and all has ended; frees. */
void vault_run(struct vault *v);

/* ERR_INTERRUPTED when a signal came. */
int vault_check(const struct vault *v, struct err *err) MUST_CHECK;

/* How this host calls itself in its snapshots. */
int vault_host(char ret[SNAPSHOT_HOST_MAX + 1], struct err *err) MUST_CHECK;
