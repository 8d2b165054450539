/* Bytes for the tests of this folder: random ones, and tars written by hand. */
#pragma once

#include "common/base/buf.h"

/* The same bytes for the same seed, on every machine. */
void samples_random(uint8_t *to, size_t n, uint64_t seed);

/* A ustar header block with a right checksum. */
void samples_header(struct buf *to, const char *name, char type, uint64_t size, uint64_t mtime);

/* As samples_header, after which the caller changed the block's field at `at`. */
void samples_patch(struct buf *to, size_t at, const void *bytes, size_t n);

/* Bytes and the zeros up to the next block. */
void samples_padded(struct buf *to, const void *bytes, size_t n);

/* Header, contents, padding. */
void samples_file(struct buf *to, const char *name, const void *bytes, size_t n, uint64_t mtime);

/* The two zero blocks. */
void samples_end(struct buf *to);
