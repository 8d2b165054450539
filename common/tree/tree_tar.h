/*
 * Takes a tar apart as it streams by: strict, because it comes from a peer and programs differ in
 * what they make of a doubtful one. Known are ustar and PAX headers of files, links, directories,
 * devices and pipes, GNU 1.0 sparse files, and nothing else. (libarchive reads far more, lets
 * doubtful headers pass, and wants to fetch the bytes itself.) Pure; bounded by tree_limits.h.
 */
#pragma once

#include "common/tree/tree_xattr.h"

#include <sys/stat.h>

enum tree_type {
	TREE_FILE = '0',
	TREE_HARD_LINK = '1',
	TREE_SYMLINK = '2',
	TREE_CHAR = '3',
	TREE_BLOCK = '4',
	TREE_DIR = '5',
	TREE_FIFO = '6',
};

/* Valid during the call that gives it. */
struct tree_tar_entry {
	enum tree_type type;
	char path[TREE_PATH_MAX + 1]; /* below the root; "" is the root. Each name of it is sound */
	char link[TREE_PATH_MAX + 1]; /* of a hard link: a path like the above; of a symbolic one */
	mode_t mode;		      /* permissions only */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	unsigned major, minor;
	uint64_t size; /* of the file */
	bool sparse;
	bool acl_lost; /* it had an ACL in a form that is not read */
	struct tree_xattrs xattrs;
};

struct tree_tar_ops {
	int (*entry)(void *ctx, const struct tree_tar_entry *e, struct err *err);
	/* Bytes of the file [at, at + n); what is passed over are holes. */
	int (*bytes)(void *ctx, const struct tree_tar_entry *e, uint64_t at, const uint8_t *bytes,
		size_t n, struct err *err);
	/* The entry has no more bytes. */
	int (*end)(void *ctx, const struct tree_tar_entry *e, struct err *err);
};

struct tree_tar;

/* NULL when out of memory. */
struct tree_tar *tree_tar_new(const struct tree_tar_ops *ops, void *ctx);
void tree_tar_free(struct tree_tar *t);

/* ERR_PROTOCOL or ERR_LIMIT for what it does not take. */
int tree_tar_feed(struct tree_tar *t, const void *bytes, size_t n, struct err *err) MUST_CHECK;

/* ERR_CORRUPT when the tar's end has not come. */
int tree_tar_end(struct tree_tar *t, struct err *err) MUST_CHECK;
