/*
 * Finds the "size" record in a PAX extended header that streams by. Records are
 * "LENGTH KEY=VALUE\n", LENGTH counting the whole record. Only for tar_scan.c; keeps no bytes.
 */
#pragma once

#include "common/base/base.h"

struct tar_pax {
	uint64_t len;	  /* of the record, as far as read */
	uint64_t taken;	  /* bytes of the record so far */
	unsigned at;	  /* where in the record: see tar_pax.c */
	unsigned matched; /* bytes of the key "size=" */
	uint64_t value;
	bool lost;     /* the rest is not understood */
	bool found;    /* a size record was read */
	uint64_t size; /* its value; the last one wins */
};

/* All zero at the start of a header's body. */
void tar_pax_feed(struct tar_pax *p, const uint8_t *bytes, size_t n);
