/* What reading and writing a tree's cache share. Only for tree_cache*.c. */
#pragma once

#include "common/tree/tree_cache.h"

#define CACHE_MAGIC "dTC1"
#define CACHE_HEAD_LEN 20u /* magic, device and inode of the root */
#define ENTRY_HEAD_LEN 67u /* kind, length of the path, look, length of the body */
#define ENTRY_BODY_LEN_AT 59u
#define CHUNK_ROW_LEN 36u
#define ENTRY_FILE 1u
#define ENTRY_END 0u /* and behind it the SHA-256 of everything before this byte */

/* The SHA-256 of the file's first n bytes. */
int tree_cache_hash(int fd, uint64_t n, struct digest *ret, struct err *err) MUST_CHECK;
