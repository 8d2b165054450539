/*
 * A store domain: packs of segments, which are the log, and an SQLite index over them, which is a
 * cache that can be made again. Blocking. A `struct store` belongs to one thread; a `struct
 * store_reader` belongs to another one and reads packs only. Formats and crash rules:
 * common/store/README.md.
 */
#pragma once

#include "common/base/err.h"
#include "common/chunk/blob_record.h"
#include "common/chunk/segment.h"

struct store;

/* Where a chunk is. */
struct store_place {
	uint32_t pack;
	uint64_t record_offset; /* of the segment's record in the pack */
	uint32_t record_len;
	uint32_t offset, len; /* of the chunk in the segment's raw bytes */
	uint8_t kind;	      /* enum chunk_kind */
};

/* Opens or makes the domain in `dir` (mode 0700), takes its lock, cuts a torn tail off the last
 * pack and replays what the index has not seen. */
int store_open(const char *dir, struct store **ret, struct err *err) MUST_CHECK;

/* Closes without syncing what was not synced (a crash would do the same). NULL is fine. */
void store_close(struct store *s);

/* --- questions --- */

int store_find(struct store *s, const struct digest *name, struct store_place *ret, bool *ret_found,
	struct err *err) MUST_CHECK;

/* Is there a chunk whose digest_short is this? */
int store_has_short(struct store *s, uint64_t short_name, bool *ret, struct err *err) MUST_CHECK;

/* Is there this recipe chunk, and everything that it names? */
int store_has_tree(struct store *s, enum recipe_stream stream, const struct digest *recipe,
	bool *ret, struct err *err) MUST_CHECK;

/* --- writing --- */

/* Appends a record (checked by the caller: segment_open with verify_chunks) to the current pack.
 * Its chunks are found at once, but are durable only after store_sync. Names that are known already
 * keep their old place; a record without a new name is not written. Blob records and manifests are
 * refused (ERR_PROTOCOL): those the store makes itself. ERR_FULL leaves the store usable; after a
 * failed sync everything is refused (ERR_IO) until the store is opened again. */
int store_put(struct store *s, const struct segment *seg, const uint8_t *record,
	struct err *err) MUST_CHECK;

/* Makes one record out of one or more small chunks and puts it (lists, blob records, manifests). */
struct store_chunk {
	struct digest name;
	enum chunk_kind kind;
	const void *bytes;
	size_t len;
};
int store_put_chunks(
	struct store *s, const struct store_chunk *chunks, size_t n, struct err *err) MUST_CHECK;

/* Bytes put since the last sync. */
uint64_t store_unsynced(const struct store *s);

/* fdatasync of the pack (and of its directory when it is new), then commits the index rows. After
 * it everything put before survives a crash. */
int store_sync(struct store *s, struct err *err) MUST_CHECK;

/* --- blobs and manifests --- */

/* The complete, verified blob's record; *ret_found false when there is none, or when damage has
 * taken parts of it. Caller blob_record_done. */
int store_blob_find(struct store *s, const struct digest *digest, struct blob_record *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* Records a blob whose rebuilt bytes were verified: writes its lists and its record. names[stream]
 * are the names of the recipe chunks in order. Durable after the next store_sync. */
int store_blob_put(struct store *s, const struct digest *digest, uint64_t size,
	const struct digest *names[2], const size_t n_names[2], struct err *err) MUST_CHECK;

/* Adds a manifest (the text of a JSON object, else ERR_PROTOCOL) to the catalogue under kind
 * ("image", …) and name, with the time of now. What is longer is ERR_LIMIT. Durable after the next
 * store_sync. */
#define STORE_MANIFEST_MAX (256u << 10)
#define STORE_MANIFEST_KIND_MAX 32u
#define STORE_MANIFEST_NAME_MAX 1024u
int store_manifest_put(struct store *s, const char *kind, const char *name, const char *json,
	struct err *err) MUST_CHECK;

struct store_stats {
	uint64_t chunks, blobs, manifests, packs;
	uint64_t raw_bytes;    /* of all chunks */
	uint64_t stored_bytes; /* of all packs */
	uint64_t damaged;      /* stretches of packs that were passed over as unreadable */
};
int store_stats(struct store *s, struct store_stats *ret, struct err *err) MUST_CHECK;

/* --- reading from another thread --- */

struct store_reader;

/* `dir` is the domain's directory; keeps the last STORE_READER_SEGMENTS opened segments. */
#define STORE_READER_SEGMENTS 12
struct store_reader *store_reader_new(const char *dir, struct err *err);
void store_reader_free(struct store_reader *r);

/* The chunk's bytes in place, valid until the next call. A segment is checked against its hash when
 * it is read from disk, and its names were checked before it was put: damage is ERR_CORRUPT. */
int store_reader_chunk(struct store_reader *r, const struct digest *name,
	const struct store_place *at, const uint8_t **ret, struct err *err) MUST_CHECK;
