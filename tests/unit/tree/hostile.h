/* Tars by hand, as a hostile peer would send them, and a restore that must refuse them. */
#pragma once

#include "tests/unit/chunk/samples.h"
#include "tests/unit/tree/tree_fixture.h"

/* The directory that is restored into lies in one that has a file that must stay as it is. */
struct hostile {
	char *top, *root;
	struct buf before; /* a list of all that is outside of the root */
	struct buf tar;
};

int hostile_setup(void **state);

/* Fails when something outside of the root is not as it was. */
int hostile_teardown(void **state);

/* Restores the tar as an update of the root. */
int hostile_restore(struct hostile *p, struct tree_report *ret, struct err *err);

/* Ends the tar; it must be taken, or refused with this code and text. Then it is empty. */
void hostile_is_taken(struct hostile *p);
void hostile_is_refused(struct hostile *p, enum err_code code, const char *why);

/* Fails when a file is left that has not got its name. */
void hostile_nothing_half(const struct hostile *p);

/* Entries: a directory; a link of a type; an extended header of these records, of which each gets
 * its length. */
void hostile_dir(struct hostile *p, const char *name);
void hostile_link(struct hostile *p, const char *name, char type, const char *target);
void hostile_pax(struct hostile *p, const char *const *records, size_t n);
