/* Scans with a cache, and what they give. */
#pragma once

#include "tests/unit/tree/tree_fixture.h"

#define SCANNED_BATCHES_MAX 4096

struct scanned {
	struct tree_scan *scan;
	struct batch *batches[SCANNED_BATCHES_MAX];
	size_t n;
	struct digest digest;
	uint64_t size;
	struct tree_report report;
};

/* A tree and the place of its cache. The teardown fails when a scan left more than that. */
struct scan_place {
	char *top, *root, *cache;
};

int scanned_setup(void **state);
int scanned_teardown(void **state);

/* As sample_tree_make, but nothing is changed in the future only. */
void scan_make_tree(const struct scan_place *p);

/* `later`: long after everything in the tree was written. For scanned_done. */
void scan_tree_with(const struct scan_place *p, const char *cache, bool reread, bool later,
	struct scanned *ret);

/* With the cache, later. */
void scan_tree(const struct scan_place *p, struct scanned *ret);
void scanned_done(struct scanned *s);

/* Fails unless it is the same as a scan without a cache gives. */
void scanned_is_right(const struct scan_place *p, const struct scanned *s);

/* The chunk of this name, and the batch that has it; NULL: none. */
const struct batch_chunk *scanned_find(
	const struct scanned *s, const struct digest *name, const struct batch **ret);
