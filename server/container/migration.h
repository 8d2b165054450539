/*
 * One container on its way to this engine, and its file in the journal: STATE/migrations/<id>.json,
 * replaced durably before each step and removed when nothing is left to be done or undone.
 * Blocking, quick.
 */
#pragma once

#include "common/cargo/container_order.h"
#include "common/chunk/digest.h"
#include "protocol/limits.h"
#include "protocol/migrate.h"

#define MIGRATION_ID_LEN 16
#define MIGRATION_FILE_MAX (2u << 20)
#define MIGRATIONS_MAX 256u /* of all keys */
#define MIGRATIONS_OF_KEY_MAX 64u
#define CONTAINER_ID_MAX 64

struct migration {
	struct migration *next;
	uint8_t id[MIGRATION_ID_LEN];
	char key[KEY_NAME_MAX + 1];
	enum migrate_stage stage; /* from OFFERED on */
	bool overwrite;
	bool preparing;	  /* a container is being made: one of its name that never ran is ours */
	bool started;	  /* it may have been up: what it wrote is not thrown away */
	uint64_t touched; /* Unix time */
	struct container_order order;
	char container[CONTAINER_ID_MAX + 1]; /* "" until it is made */
	char image[DIGEST_TEXT_LEN + 1];      /* that it is made of; "" until PREPARE */
	char tag[TAG_LEN_MAX + 1];	      /* the image's name that it is made of; "": none */
	bool tagged;			      /* which this migration gave it */
	json_t *volumes, *networks;	      /* names, made by this migration */
	json_t *binds;			      /* paths that it fills */
	json_t *report;			      /* the last one; NULL: none */

	/* not in the file: */
	bool busy; /* a call or a tree is at work on it */
};

/* A new one, OFFERED; takes the order over, also on failure. NULL: out of memory. */
struct migration *migration_new(
	const uint8_t id[MIGRATION_ID_LEN], const char *key, struct container_order *order);
void migration_free(struct migration *m); /* NULL is fine */

int migration_write(const char *dir, struct migration *m, struct err *err) MUST_CHECK;
int migration_remove(const char *dir, const struct migration *m, struct err *err) MUST_CHECK;

/* All that the directory has, in a list. Files that are none are counted in *ret_odd and left. A
 * missing directory has none. */
int migration_list(
	const char *dir, struct migration **ret, size_t *ret_odd, struct err *err) MUST_CHECK;

/* Is the name in such a list? */
bool migration_made(const json_t *list, const char *name);

/* Adds it; -1 without memory. */
int migration_will_make(json_t *list, const char *name, struct err *err) MUST_CHECK;
