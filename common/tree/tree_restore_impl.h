/* What taking a tar's entries (tree_restore.c), making things (tree_put.c), files (tree_put_file.c)
 * and removing (tree_remove.c) share. */
#pragma once

#include "common/tree/tree_names.h"
#include "common/tree/tree_path.h"
#include "common/tree/tree_restore.h"
#include "common/tree/tree_tar.h"

#define TREE_TEMPORARY_MAX 32
#define TREE_ROOM (256u << 10)

/* Not into what is mounted below the root, either. */
#define TREE_RESOLVE (TREE_BENEATH | RESOLVE_NO_XDEV)

/* What a thing gets besides its contents. */
struct tree_attrs {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	struct tree_xattrs xattrs;
};

/* A directory that entries come into. */
struct tree_level {
	int fd;
	size_t path_len; /* of r->path */
	bool told;	 /* `attrs` is what it gets when it is left */
	struct tree_attrs attrs;
	char last[TREE_NAME_MAX + 1]; /* the last name that came */
	struct tree_names old;	      /* what was in it before */
	size_t next_old;	      /* the first one that did not get its turn */
};

/* The regular file that is being restored. */
struct tree_file {
	int fd;				    /* the new one, or -1 */
	char temporary[TREE_TEMPORARY_MAX]; /* its name for now; "" when there is none */
	int old;			    /* the one that may have the same bytes, or -1 */
	uint64_t same;			    /* bytes of it that were compared */
};

struct tree_restore {
	char *root_path;
	struct tree_restore_config c;
	struct tree_report report;
	struct tree_tar *tar;
	struct tree_level *levels[TREE_DEPTH_MAX + 1];
	size_t n_levels;
	size_t attr_bytes;	      /* of all levels' extended attributes */
	char path[TREE_PATH_MAX + 1]; /* of the last level */
	const char *name;	      /* of the entry under way, in its directory */
	bool exists;		      /* in the directory, from before: `old_st` */
	struct stat old_st;
	struct tree_file file;
	struct tree_names_used names_used;
	uint64_t bytes; /* contents so far */
	uint64_t last_temporary;
	uint8_t room[TREE_ROOM], old_room[TREE_ROOM];
};

static inline struct tree_level *tree_top(const struct tree_restore *r)
{
	return r->levels[r->n_levels - 1];
}

/* A name that nothing in the directory has, as good as certainly. */
void tree_name_temporary(struct tree_restore *r, char ret[TREE_TEMPORARY_MAX]);

/* What the entry is to have; its extended attributes stay the entry's. */
struct tree_attrs tree_attrs_of(const struct tree_tar_entry *e);

/* Owner, mode, attributes and times, of a descriptor of any kind. Refusals are notes. */
int tree_set_attrs(struct tree_restore *r, int fd, const struct tree_attrs *a, bool symlink,
	const char *path, struct err *err) MUST_CHECK;

/* The new thing under its temporary name becomes `name`, whatever had that name. */
int tree_take_name(struct tree_restore *r, const char *temporary, struct err *err) MUST_CHECK;

/* Everything but directories and regular files. */
int tree_put(struct tree_restore *r, const struct tree_tar_entry *e, struct err *err) MUST_CHECK;

/* --- a regular file: begun, given bytes, ended --- */

int tree_put_file(
	struct tree_restore *r, const struct tree_tar_entry *e, struct err *err) MUST_CHECK;
int tree_put_bytes(struct tree_restore *r, uint64_t at, const uint8_t *bytes, size_t n,
	struct err *err) MUST_CHECK;
int tree_put_file_end(
	struct tree_restore *r, const struct tree_tar_entry *e, struct err *err) MUST_CHECK;
void tree_put_file_drop(struct tree_restore *r);

/* Removes a name and everything below it; one that is not there is fine. Counts. */
int tree_remove(struct tree_restore *r, int dir, const char *name, struct err *err) MUST_CHECK;
