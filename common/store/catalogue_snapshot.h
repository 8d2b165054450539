/* The manifests of snapshots and of tombstones: JSON made, read, and put into the index. Formats:
 * common/store/README.md, "Snapshots". */
#pragma once

#include "common/base/buf.h"
#include "common/store/index_snapshot.h"
#include "common/store/snapshot.h"

#include <jansson.h>

/* What the manifest of a snapshot says; `roots` is as long as `blobs`. */
struct snapshot_record {
	struct snapshot snapshot;
	struct need_root *roots;
	uint64_t nonce; /* so that two of the same moment are two, also when one was forgotten */
};
void snapshot_record_done(struct snapshot_record *r);

/* Appends the manifest. ERR_PROTOCOL: a text is no UTF-8. */
int snapshot_record_put(
	struct buf *to, const struct snapshot_record *r, struct err *err) MUST_CHECK;

/* The chunk's bytes; its name is the ID. ERR_CORRUPT: it is none. */
int snapshot_record_parse(
	const void *bytes, size_t n, struct snapshot_record *ret, struct err *err) MUST_CHECK;

/* Appends a tombstone. */
int tombstone_put(struct buf *to, const struct digest *ids, size_t n, uint64_t time_ms,
	struct err *err) MUST_CHECK;

/* *ret_mine: the manifest is a snapshot's or a tombstone; *ret_good: it could be read, and is in
 * the index now. `json` is the chunk's, `bytes` too. */
int catalogue_add_snapshot(struct index *ix, const struct digest *name, const json_t *json,
	const void *bytes, size_t n, bool *ret_mine, bool *ret_good, struct err *err) MUST_CHECK;
