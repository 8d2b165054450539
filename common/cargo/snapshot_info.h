/* What a list says of a snapshot: all but what it is made of. The store fills it in, drayd and dray
 * show it. */
#pragma once

#include "common/chunk/digest.h"

#define SNAPSHOT_KIND_MAX 32u
#define SNAPSHOT_NAME_MAX 1024u
#define SNAPSHOT_HOST_MAX 255u
#define SNAPSHOT_SHORT_LEN 12u /* hexadecimal digits of an ID where people read it */

/* How the role of a blob begins that is a directory's tree. */
#define SNAPSHOT_ROLE_TREE "volume:"

struct snapshot_info {
	struct digest id;
	uint64_t time_ms; /* when the receiver got it, by the receiver's clock; since 1970 */
	char *host, *key, *name, *kind; /* owned; from outside: escape them before printing */
	uint64_t bytes_total;		/* of all its blobs */
	uint64_t bytes_new;		/* that the store grew by for it */
};

/* In order of time, then of ID. */
struct snapshot_list {
	struct snapshot_info *items;
	size_t n, cap;
};

void snapshot_info_done(struct snapshot_info *i);
void snapshot_list_done(struct snapshot_list *l);
