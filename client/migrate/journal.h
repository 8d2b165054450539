/*
 * The agent's journal of migrations: CONFIG/migrations/<container's name>.json, replaced durably
 * before each step that it allows (cutover.h), and removed when it is over. Blocking; main thread.
 */
#pragma once

#include "client/migrate/cutover.h"
#include "common/base/text.h"
#include "common/cargo/container_request.h"

#define JOURNAL_FILE_MAX (256u << 10)
#define JOURNAL_ID_LEN 16

struct journal {
	char name[256];	    /* of the container, at the source */
	char container[65]; /* its ID there */
	char target[TEXT_NAME_MAX + 1];
	uint8_t id[JOURNAL_ID_LEN];
	enum cutover_stage stage;

	/* what the user chose */
	char new_name[256]; /* "": its own */
	bool flat;	    /* --mode flat */
	char maps[4096];    /* "/from=/to" of each --map, with newlines between */
	bool keep, no_start, overwrite, no_volumes, require_full, live, binds;
	uint32_t health_seconds;

	/* what is to be put back */
	bool taken_down, was_running;
	char policy[32]; /* the restart policy; "": none */
	int64_t policy_maximum;
	uint64_t down_ms; /* Unix time at which it was stopped; 0: it was not */
	char image[72];	  /* the commit at the source, "sha256:…"; "": none */
};

/* The directory, made. Caller frees. */
int journal_dir(char **ret, struct err *err) MUST_CHECK;

int journal_write(const char *dir, const struct journal *j, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: there is none. */
int journal_read(
	const char *dir, const char *name, struct journal *ret, struct err *err) MUST_CHECK;
int journal_remove(const char *dir, const char *name, struct err *err) MUST_CHECK;

/* One process at a time is at work on a container: ERR_REFUSED. close releases it. */
int journal_lock(const char *dir, const char *name, int *ret_fd, struct err *err) MUST_CHECK;

/* Where the scan of a tree remembers what it saw: CONFIG/trees/<what>. Caller frees. */
int journal_tree_cache(const char *what, char **ret, struct err *err) MUST_CHECK;
