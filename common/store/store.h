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
struct store_pin;

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

/* Of a store that need not be open: the bytes of its packs, and when the oldest was last written,
 * in ms since 1970. A directory that is no store has none. */
int store_measure(
	const char *dir, uint64_t *ret_bytes, uint64_t *ret_oldest_ms, struct err *err) MUST_CHECK;

/* Closes without syncing what was not synced (a crash would do the same). NULL is fine. */
void store_close(struct store *s);

/* Did a sync fail? Then nothing more is written until the store is opened again. */
bool store_broken(const struct store *s);

/* Is there what closing would end: a check, the pin of a job that runs or whose end is not durable
 * yet (of a broken store: it cannot be), records that are not synced? */
bool store_in_use(const struct store *s);

/* --- questions: `pin` (NULL: none) keeps what a "yes" rests on, see store_pin_begin --- */

int store_find(struct store *s, const struct digest *name, struct store_pin *pin,
	struct store_place *ret, bool *ret_found, struct err *err) MUST_CHECK;

/* Is there a chunk whose digest_short is this? */
int store_has_short(struct store *s, uint64_t short_name, struct store_pin *pin, bool *ret,
	struct err *err) MUST_CHECK;

/* Is there this recipe chunk, and everything that it names? */
int store_has_tree(struct store *s, enum recipe_stream stream, const struct digest *recipe,
	struct store_pin *pin, bool *ret, struct err *err) MUST_CHECK;

/* --- writing --- */

/* Appends a record (checked by the caller: segment_open with verify_chunks) to the current pack.
 * Its chunks are found at once, but are durable only after store_sync. Names that are known already
 * keep their old place; a record without a new name is not written. Blob records and manifests are
 * refused (ERR_PROTOCOL): those the store makes itself. ERR_FULL leaves the store usable; after a
 * failed sync everything is refused (ERR_IO) until the store is opened again. */
int store_put(struct store *s, const struct segment *seg, const uint8_t *record,
	struct store_pin *pin, struct err *err) MUST_CHECK;

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
int store_blob_find(struct store *s, const struct digest *digest, struct store_pin *pin,
	struct blob_record *ret, bool *ret_found, struct err *err) MUST_CHECK;

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
	uint64_t chunks, blobs, manifests, snapshots, packs;
	uint64_t raw_bytes;    /* of all chunks */
	uint64_t stored_bytes; /* of all packs */
	uint64_t damaged;      /* stretches of packs that were passed over as unreadable */
	uint64_t pinned_bytes; /* of packs that a job keeps */
};
int store_stats(struct store *s, struct store_stats *ret, struct err *err) MUST_CHECK;

/* --- keeping and giving up --- */

/*
 * A store may be a cache: above `cache_max` bytes of packs, or below `floor_free` free bytes of its
 * file system, whole packs are given up, the longest unused first, never one that is pinned or
 * that a snapshot needs. What then still does not fit is ERR_FULL with the numbers, and the store
 * stays usable. UINT64_MAX and 0: no such limit.
 */
struct store_limits {
	uint64_t cache_max;
	uint64_t floor_free;
	bool keep_all; /* a backup machine: nothing goes but by a prune */
};
void store_set_limits(struct store *s, const struct store_limits *limits);

/* For one who keeps several stores within one limit: the bytes of all packs, when the pack that
 * would be given up next was last used (ms since 1970; *ret_any false: none may go), and giving it
 * up (*ret_bytes 0: none). */
uint64_t store_bytes(const struct store *s);
int store_oldest(struct store *s, bool *ret_any, uint64_t *ret_used_ms, struct err *err) MUST_CHECK;
int store_give_up_oldest(struct store *s, uint64_t *ret_bytes, struct err *err) MUST_CHECK;

/*
 * A pin keeps what it was told of from being given up. `owner` names the job, the same for the same
 * job run again (the hash of key and image): it takes over what that job had pinned before. Every
 * question above with a pin adds the packs that its "yes" rests on; store_put adds the pack that
 * was written. Pins are rows of the index and are committed by store_sync: what was acknowledged
 * stays pinned when the program crashes (a power loss may take the last ones), STORE_PIN_SECONDS at
 * most.
 */
#define STORE_PIN_SECONDS (24u * 3600u)
int store_pin_begin(struct store *s, const struct digest *owner, struct store_pin **ret,
	struct err *err) MUST_CHECK;

/* `finished`: what it pinned may go at once; else it stays pinned for STORE_PIN_SECONDS. */
void store_pin_end(struct store *s, struct store_pin *pin, bool finished);

/* Gives up what is neither pinned nor needed by a snapshot, at one go (prune.h: step by step);
 * `dry_run` only counts. */
struct store_pruned {
	uint64_t packs, bytes; /* packs given up, and bytes that the store has fewer */
	uint64_t rewritten;    /* packs of which what is needed was written anew */
	uint64_t kept_bytes;   /* what is left */
	uint64_t marked;       /* snapshots looked at */
	uint64_t missing;      /* chunks that snapshots need and that are not there */
};
int store_prune(
	struct store *s, bool dry_run, struct store_pruned *ret, struct err *err) MUST_CHECK;

/* --- damage --- */

/* `fn` gets a line for people for everything that is found damaged, by whatever call. */
typedef void store_problem_fn(void *ctx, const char *text);
void store_on_damage(struct store *s, store_problem_fn *fn, void *ctx);

/* A read found the record at this place damaged (ERR_CORRUPT): reads its whole pack, and takes
 * every record that is not what it was out of the index. Its chunks then count as missing and can
 * be put again. *ret_dropped: records taken out. */
int store_drop_damaged(struct store *s, const struct store_place *at, uint64_t *ret_dropped,
	struct err *err) MUST_CHECK;

/* The pack behind this one (0: the first) that the pin keeps; 0 when there is none. For the NULL
 * pin, too. */
uint32_t store_pin_next(const struct store_pin *pin, uint32_t after);

/* The blob's rebuilt bytes were not what its record says: it is not known any more. */
int store_drop_blob(struct store *s, const struct digest *digest, struct err *err) MUST_CHECK;

/* Deletes the index and makes it anew from the packs. */
int store_rebuild_index(struct store *s, struct err *err) MUST_CHECK;

/* --- reading from another thread --- */

struct store_reader;

/* `dir` is the domain's directory; keeps the last STORE_READER_SEGMENTS opened segments. */
#define STORE_READER_SEGMENTS 12
struct store_reader *store_reader_new(const char *dir, struct err *err);
void store_reader_free(struct store_reader *r);

/* Looks there before it reads. The cache must outlive the reader. */
struct raw_cache;
void store_reader_share(struct store_reader *r, struct raw_cache *cache);

/* The chunk's bytes in place, valid until the next call. A segment is checked against its hash when
 * it is read from disk, and its names were checked before it was put: damage is ERR_CORRUPT. */
int store_reader_chunk(struct store_reader *r, const struct digest *name,
	const struct store_place *at, const uint8_t **ret, struct err *err) MUST_CHECK;
