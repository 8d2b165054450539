/*
 * Segments: up to 1 MiB of chunks in one zstd frame, with the list of chunks, a hash of the stored
 * bytes and a checksum of the head. The record built here is what a SEGMENT message carries and
 * what lands in a pack, byte for byte. Format: common/chunk/README.md, "Segments". Contexts are not
 * thread safe; use one a thread.
 */
#pragma once

#include "common/base/buf.h"
#include "common/chunk/digest.h"
#include "common/chunk/kind.h"
#include "common/chunk/limits.h"

struct segment_row {
	struct digest name;
	uint8_t kind; /* enum chunk_kind */
	uint32_t len;
	uint32_t offset; /* in the segment's raw bytes: the sum of the lengths before it */
};

/* The parsed head of a record; rows are owned by it. */
struct segment {
	uint32_t raw_len, stored_len;
	uint32_t record_len; /* of the whole record */
	bool compressed;
	struct digest stored_digest;
	struct segment_row *rows;
	uint32_t n_rows;
};

void segment_done(struct segment *s);

/* Length of head, rows and checksum, from the first SEGMENT_HEAD_LEN bytes of a record; and the
 * whole record's length. ERR_CORRUPT when the bytes cannot be a record. */
int segment_measure(const uint8_t head[SEGMENT_HEAD_LEN], size_t *ret_head_len,
	size_t *ret_record_len, struct err *err) MUST_CHECK;

/* Parses and checks the head (magic, limits, sums of lengths, checksum). `n` is at least the head's
 * length; the stored bytes are not looked at. ERR_CORRUPT when wrong. */
int segment_parse(const void *record, size_t n, struct segment *ret, struct err *err) MUST_CHECK;

/* Checks the stored bytes against their hash without decompressing. `record` is whole. */
int segment_check_stored(
	const struct segment *s, const uint8_t *record, struct err *err) MUST_CHECK;

/* --- building --- */

struct segment_builder;

struct segment_builder *segment_builder_new(void); /* NULL when out of memory */
void segment_builder_free(struct segment_builder *b);

/* True when a chunk of this length still fits. An empty builder takes any chunk up to
 * SEGMENT_RAW_MAX. */
bool segment_builder_fits(const struct segment_builder *b, size_t len);
bool segment_builder_empty(const struct segment_builder *b);

/* Bytes of the chunks in it. */
size_t segment_builder_len(const struct segment_builder *b);

/* Copies the chunk in. It must fit. */
int segment_builder_add(struct segment_builder *b, const struct digest *name, enum chunk_kind kind,
	const void *bytes, size_t len, struct err *err) MUST_CHECK;

/* Appends the finished record to `to` and empties the builder, which must not be empty. `level` is
 * zstd's (0: do not compress); bytes that do not shrink are stored as they are. `to` must have room
 * for the record as if it did not shrink; ERR_NOMEM when it has not. */
int segment_builder_seal(
	struct segment_builder *b, int level, struct buf *to, struct err *err) MUST_CHECK;

/* --- opening --- */

struct segment_opener;

struct segment_opener *segment_opener_new(void); /* NULL when out of memory */
void segment_opener_free(struct segment_opener *o);

/* Decompresses into `raw` (SEGMENT_RAW_MAX bytes of room, s->raw_len are written), checking the
 * stored hash first. `verify_chunks`: also hash every chunk and compare with its name. ERR_CORRUPT
 * if wrong. */
int segment_open(struct segment_opener *o, const struct segment *s, const uint8_t *record,
	bool verify_chunks, uint8_t *raw, struct err *err) MUST_CHECK;
