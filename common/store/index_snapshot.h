/* The index's rows of snapshots, and what prune and the check ask for to find what they need. The
 * index's thread. */
#pragma once

#include "common/cargo/snapshot_info.h"
#include "common/store/index.h"
#include "common/store/need_list.h"

/* --- rows: what lies between index_record_begin and _keep --- */

/* Nothing is added when the snapshot was forgotten. In a replay all packs are then held, for which
 * of them it needs is not known. */
int index_add_snapshot(
	struct index *ix, const struct snapshot_info *info, struct err *err) MUST_CHECK;
int index_add_root(struct index *ix, const struct digest *snapshot, const struct digest *blob,
	const struct need_root *root, struct err *err) MUST_CHECK;

/* `chunk` is what says so. */
int index_add_tombstone(struct index *ix, const struct digest *snapshot, const struct digest *chunk,
	struct err *err) MUST_CHECK;

/* Records that come now are read from packs, not written. */
void index_set_replaying(struct index *ix, bool replaying);

/* --- doubt: chunks of snapshots may come to lie in any pack --- */

int index_in_doubt(struct index *ix, bool *ret, struct err *err) MUST_CHECK;

/* True: all packs are held, and those to come. */
int index_set_doubt(struct index *ix, bool doubt, struct err *err) MUST_CHECK;

/* --- questions --- */

/* Adds those received in this time to the list, the oldest first. */
int index_snapshots(struct index *ix, uint64_t from_ms, uint64_t to_ms, struct snapshot_list *ret,
	struct err *err) MUST_CHECK;
int index_any_snapshot(struct index *ix, bool *ret, struct err *err) MUST_CHECK;
int index_find_snapshot(struct index *ix, const struct digest *id, struct snapshot_info *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* What a snapshot needs: one root for each blob. `fn` asks the index nothing. */
typedef int index_root_fn(
	void *ctx, const struct digest *blob, const struct need_root *root, struct err *err);
int index_each_root(struct index *ix, const struct digest *snapshot, index_root_fn *fn, void *ctx,
	struct err *err) MUST_CHECK;

/* Of a blob that a snapshot has. */
int index_root_of(struct index *ix, const struct digest *blob, struct need_root *ret,
	bool *ret_found, struct err *err) MUST_CHECK;

/* The chunks that hold tombstones. */
int index_each_tombstone(struct index *ix,
	int (*fn)(void *ctx, const struct digest *chunk, struct err *err), void *ctx,
	struct err *err) MUST_CHECK;

/* Where a chunk is: its segment's number, its row there, and its length. */
struct index_mark {
	uint64_t segment;
	uint32_t row, len;
};
int index_mark(struct index *ix, const struct digest *name, struct index_mark *ret, bool *ret_found,
	struct err *err) MUST_CHECK;

/* Segments behind this one in the order of their numbers, which are never given twice while the
 * index lives; some of them, *ret_n 0: there are no more. */
#define INDEX_SEGMENTS_AT_ONCE 4096
struct index_segment {
	uint64_t id;
	uint64_t offset; /* of index_segments_of only */
	uint32_t pack, length, chunks, raw;
};
int index_segments(struct index *ix, uint64_t after, struct index_segment *ret, size_t *ret_n,
	struct err *err) MUST_CHECK;

/* Those of a pack, by offset. Caller frees. */
int index_segments_of(struct index *ix, uint32_t pack, struct index_segment **ret, size_t *ret_n,
	struct err *err) MUST_CHECK;
