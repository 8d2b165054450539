/*
 * Snapshots: what a backup made, named by the SHA-256 of its manifest chunk. The manifest says what
 * it is made of and, by a small root for each blob, every chunk that it needs; all these stay until
 * it is forgotten, and prune finds them without reading a recipe. The store's thread. Format and
 * rules: common/store/README.md, "Snapshots".
 */
#pragma once

#include "common/cargo/snapshot_info.h"
#include "common/store/store.h"

#define SNAPSHOT_BLOBS_MAX 1024u
#define SNAPSHOT_ROLE_MAX 128u
#define SNAPSHOT_ARTIFACT_MAX STORE_MANIFEST_MAX
#define SNAPSHOT_FORGET_MAX 4096u /* in one call */

/* --- writing --- */

struct snapshot_part {
	struct digest blob;
	const char *role; /* what it is to the artifact: "config", "layer", "volume:/data"; yours */
};

struct snapshot_new {
	const char *kind; /* "image", "container", "volume" */
	const char *name, *host;
	const char *key;      /* the name of the key that sent it */
	const char *artifact; /* the text of a JSON object, kept unchanged */
	const struct snapshot_part *parts;
	size_t n_parts;
	uint64_t bytes_new; /* as store_pin_new_bytes of the job says */
};

/* Bytes that the store grew by for the job, since it was begun: records that were new, as stored.
 * Of several jobs that could have sent a record the first one has them. */
uint64_t store_pin_new_bytes(const struct store_pin *pin);

struct snapshot_writer;

/* Copies what it is given. ERR_LIMIT, ERR_PROTOCOL (no JSON object, no UTF-8), ERR_NOT_FOUND: a
 * blob is not complete here. From now on all blobs are pinned, until the writer is freed. The store
 * must not be closed before that. */
int snapshot_writer_new(struct store *s, const struct snapshot_new *what,
	struct snapshot_writer **ret, struct err *err) MUST_CHECK;
void snapshot_writer_free(struct snapshot_writer *w); /* NULL is fine */

/* Goes on for about 50 ms. *ret_done: the snapshot is there and durable, and *ret_id its name. */
int snapshot_writer_step(struct snapshot_writer *w, struct digest *ret_id, bool *ret_done,
	struct err *err) MUST_CHECK;

/* --- listing and reading --- */

/* NULL and 0: whatever. */
struct snapshot_filter {
	const char *host, *key, *kind, *name;
	uint64_t from_ms, to_ms; /* both included; to_ms 0: no end */
};

/* The oldest first. Caller snapshot_list_done. */
int store_snapshots(struct store *s, const struct snapshot_filter *filter,
	struct snapshot_list *ret, struct err *err) MUST_CHECK;

struct snapshot_blob {
	struct digest digest;
	char *role;	      /* owned */
	uint64_t size;	      /* of the blob's bytes */
	struct digest record; /* name of the chunk with its blob record */
};

struct snapshot {
	struct snapshot_info info;
	struct snapshot_blob *blobs; /* in the order of its parts */
	size_t n_blobs;
	char *artifact; /* JSON text */
};
void snapshot_done(struct snapshot *s);

/* *ret_found false: there is none of that ID. ERR_CORRUPT: its manifest was damaged. Its blobs are
 * pinned by `pin` (NULL: none), so that they can be read. Caller snapshot_done. */
int store_snapshot_read(struct store *s, const struct digest *id, struct store_pin *pin,
	struct snapshot *ret, bool *ret_found, struct err *err) MUST_CHECK;

/* --- forgetting --- */

/* Forgets these, durably; those that are not there are passed over. What only they needed is given
 * up by the next prune. At most SNAPSHOT_FORGET_MAX. */
int store_snapshot_forget(
	struct store *s, const struct digest *ids, size_t n, struct err *err) MUST_CHECK;
