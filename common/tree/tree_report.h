/* What became of a tree: counts, and what could not be carried as it was. For the fidelity report.
 */
#pragma once

#include "common/base/base.h"

enum tree_note_kind {
	TREE_SOCKET,	    /* a socket was left out */
	TREE_OTHER_FS,	    /* what another file system has below a mount point was left out */
	TREE_LINK_APART,    /* too many files with several names: sent as a file of its own */
	TREE_CHANGED,	    /* a file changed, or went, while it was read */
	TREE_XATTR_TOO_BIG, /* extended attributes that no tar can carry were left out */
	TREE_XATTR_REFUSED, /* the target's file system or kernel did not take an attribute */
	TREE_OWNER_REFUSED, /* not permitted to give files away */
	TREE_MODE_REFUSED,  /* not permitted to set a mode */
	TREE_DEVICE,	    /* a device was not made: not allowed, or not permitted */
	TREE_NOTE_KINDS
};

#define TREE_EXAMPLE_MAX 200

struct tree_note {
	uint64_t n;
	char example[TREE_EXAMPLE_MAX]; /* path of the first, escaped */
};

struct tree_report {
	uint64_t entries; /* of the tar, the root included */
	uint64_t bytes;	  /* of the tar */
	/* Of a scan: */
	uint64_t files_read, bytes_read;   /* contents that were read */
	uint64_t files_known, bytes_known; /* contents that were not: the cache knew them */
	bool cache_lost;		   /* the new one could not be written */
	bool cache_damaged;		   /* there was one, and it was not used */
	/* Of a restore: */
	uint64_t files_written, bytes_written;
	uint64_t files_left; /* were the same already */
	uint64_t deleted;    /* files, directories and all else that the stream did not have */
	struct tree_note notes[TREE_NOTE_KINDS];
};

/* Counts one; `path` is below the root ("" is the root itself). */
void tree_note(struct tree_report *r, enum tree_note_kind kind, const char *path);

/* A sentence about notes[kind] for people ("2 sockets were left out, the first one run/a").
 * Its n must not be 0. */
#define TREE_SENTENCE_MAX 320
char *tree_note_text(
	const struct tree_report *r, enum tree_note_kind kind, char ret[TREE_SENTENCE_MAX]);
