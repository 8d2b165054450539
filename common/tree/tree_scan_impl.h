/* What going through a tree (tree_scan.c), sending one file (tree_scan_file.c) and the two ways out
 * share. Tests set the clock here. */
#pragma once

#include "common/tree/tree_cache.h"
#include "common/tree/tree_head.h"
#include "common/tree/tree_links.h"
#include "common/tree/tree_names.h"
#include "common/tree/tree_scan.h"

#include <pthread.h>

#define TREE_ROOM (256u << 10)

/* A file whose last change is not older than the look at it may change again without looking
 * changed: the next look reads it. */
#define TREE_RACY_NS INT64_C(2000000000)

struct tree_scan {
	char *root_path, *cache_path;
	bool reread;
	const atomic_bool *stop;
	int64_t (*now)(void); /* nanoseconds since 1970 */
	int root;
	struct stat root_st;
	struct tree_report report;

	/* Of the walk: */
	struct tree_links *links;
	struct tree_names_used names_used;
	struct tree_xattrs xattrs;
	struct buf head;
	char path[TREE_PATH_MAX + 1];
	uint8_t room[TREE_ROOM];

	/* The ways out: to a splitter, or to `fn`. */
	struct splitter *splitter;
	tree_bytes_fn *fn;
	void *ctx;
	bool out_failed; /* whose error is not about a file */

	struct tree_cache *cache;	  /* NULL: nothing is known */
	struct tree_cache_writer *writer; /* NULL: nothing is kept */
	bool keeping;			  /* chunks are those of a file that is to be kept */

	/* Files that are read once more, by whatever thread: */
	pthread_mutex_t again_lock;
	int again_fd; /* the last one, or -1 */
	uint64_t again_place;
	struct tree_contents again;
	atomic_bool cache_wrong;
};

/* Gives bytes of the tar out. */
int tree_scan_give(struct tree_scan *t, const void *bytes, size_t n, struct err *err) MUST_CHECK;

int tree_scan_head(struct tree_scan *t, const struct tree_entry *e, struct err *err) MUST_CHECK;

/* Header, contents and padding of an open regular file; `look_at` is the time before it was looked
 * at. */
int tree_scan_file(struct tree_scan *t, int fd, struct tree_entry *e, int64_t look_at,
	struct err *err) MUST_CHECK;

/* The batch_reader. */
int tree_scan_again(
	void *ctx, const struct batch_chunk *c, uint8_t *ret, struct err *err) MUST_CHECK;

/* Goes through all of it. */
int tree_scan_walk(struct tree_scan *t, struct err *err) MUST_CHECK;
