/*
 * What a key may do: bits in the receiver's table and in WELCOME, names on the command line and in
 * files. README.md section 11 says what each opens. Any thread.
 */
#pragma once

#include "common/base/err.h"

enum grant {
	GRANT_PUSH = 1,	    /* send images */
	GRANT_MIGRATE = 2,  /* create and start containers */
	GRANT_BACKUP = 4,   /* add snapshots */
	GRANT_RESTORE = 8,  /* read snapshots of the key's own things */
	GRANT_FORGET = 16,  /* remove snapshots of the key's own things */
	GRANT_BIND = 32,    /* containers with bind mounts */
	GRANT_DEVICE = 64,  /* containers with devices */
	GRANT_HOSTNS = 128, /* containers in the host's or in other containers' namespaces */
	GRANT_PRIVILEGED =
		256, /* privileged ones, unconfined ones, and far-reaching capabilities */
};

#define GRANTS_KNOWN 511u

/* The grants that this version knows how to hold a key to. */
#define GRANTS_ENFORCED                                                                            \
	((uint32_t)(GRANT_PUSH | GRANT_MIGRATE | GRANT_BACKUP | GRANT_RESTORE | GRANT_FORGET |     \
		    GRANT_BIND | GRANT_DEVICE | GRANT_HOSTNS | GRANT_PRIVILEGED))

/* What an invitation gives when it does not say. */
#define GRANTS_DEFAULT                                                                             \
	((uint32_t)(GRANT_PUSH | GRANT_MIGRATE | GRANT_BACKUP | GRANT_RESTORE) & GRANTS_ENFORCED)

/* Reads names with commas between them ("push,migrate"). Unknown, empty and repeated names are
 * ERR_USAGE, and so are those that this version does not enforce. */
int grants_parse(const char *list, uint32_t *ret, struct err *err) MUST_CHECK;

/* Writes the names in order of their bits with commas between them; bits without a name are left
 * out, none at all is "". Returns `ret`. */
#define GRANTS_TEXT_MAX 80
char *grants_print(uint32_t grants, char ret[GRANTS_TEXT_MAX]);
