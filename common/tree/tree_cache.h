/*
 * What the last look at a tree found: for each file, in the order of the walk, what it was (inode,
 * size, times) and the chunks of its contents. Read in step with the walk and written anew beside
 * it. A cache that is damaged, of another version or another tree counts as empty. Format:
 * README.md.
 */
#pragma once

#include "common/chunk/digest.h"
#include "common/chunk/limits.h"
#include "common/tree/tree_contents.h"
#include "common/tree/tree_limits.h"

/* What a file was. Files of which all of this is equal have the same contents. */
struct tree_look {
	uint64_t ino, size;
	int64_t mtime, ctime; /* seconds */
	uint32_t mtime_ns, ctime_ns;
	uint64_t layout, stored; /* as tree_contents */
};

struct tree_look tree_look_of(const struct stat *st, const struct tree_contents *c);
bool tree_look_equal(const struct tree_look *a, const struct tree_look *b);

struct tree_chunk {
	struct digest name;
	uint32_t len;
};

/* --- reading --- */

struct tree_cache;

/* *ret NULL: there is none that can be used; *ret_damaged says whether there was one. `root`: of
 * the tree's root. */
int tree_cache_open(const char *path, const struct stat *root, struct tree_cache **ret,
	bool *ret_damaged, struct err *err) MUST_CHECK;
void tree_cache_free(struct tree_cache *c);

/* Is there an entry for this path with this look? The paths must come in the order of the walk.
 * *ret_place: of the entry, for tree_cache_file. */
int tree_cache_find(struct tree_cache *c, const char *path, const struct tree_look *look,
	bool *ret_found, uint64_t *ret_place, struct err *err) MUST_CHECK;

/* Of the entry that was found: its bytes, when they are at most INLINE_FILE_MAX (look->stored),
 * otherwise its next chunk: *ret_more false at the end. */
int tree_cache_inline(struct tree_cache *c, uint8_t *ret, size_t n, struct err *err) MUST_CHECK;
int tree_cache_chunk(
	struct tree_cache *c, struct tree_chunk *ret, bool *ret_more, struct err *err) MUST_CHECK;

/* Path and look of the entry at a place. Any thread. */
int tree_cache_file(const struct tree_cache *c, uint64_t place, char path[TREE_PATH_MAX + 1],
	struct tree_look *ret, struct err *err) MUST_CHECK;

/* --- writing --- */

struct tree_cache_writer;

/* Makes the new file beside the old one. */
int tree_cache_writer_open(const char *path, const struct stat *root,
	struct tree_cache_writer **ret, struct err *err) MUST_CHECK;

/* A file begins; then its bytes or its chunks; then it is kept or dropped. A failed write counts
 * when the cache is to be kept. */
void tree_cache_begin(struct tree_cache_writer *w, const char *path, const struct tree_look *look);
void tree_cache_put_inline(struct tree_cache_writer *w, const uint8_t *bytes, size_t n);
void tree_cache_put_chunk(struct tree_cache_writer *w, const struct tree_chunk *chunk);
void tree_cache_end(struct tree_cache_writer *w, bool keep);

/* Replaces the old cache. It is not synced: one that a crash tore does not hash to its end. */
int tree_cache_keep(struct tree_cache_writer *w, struct err *err) MUST_CHECK;

/* Frees it, and removes what was not kept. */
void tree_cache_writer_free(struct tree_cache_writer *w);
