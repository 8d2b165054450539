/*
 * What a record of a pack means to the index: its chunks, and the blobs and manifests that some of
 * them describe. Writing and replaying both go through here, so that an index made anew is the
 * index that was lost. One thread, that of the index. Formats: common/store/README.md.
 */
#pragma once

#include "common/store/index.h"

/* Does the record hold blob records or manifests? Then catalogue_add needs its raw bytes. */
bool catalogue_wants_raw(const struct segment *seg);

/* Indexes the record that lies at `offset` of the pack, all or nothing. `raw` are its uncompressed
 * bytes (NULL will do when they are not wanted). A blob record or manifest that cannot be read
 * counts as damage of the pack, its chunk is indexed all the same. */
int catalogue_add(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	const uint8_t *raw, struct err *err) MUST_CHECK;

/* Appends a manifest chunk's bytes: the envelope around the JSON text of an object. What is no
 * object, or no UTF-8, is ERR_PROTOCOL. */
int catalogue_manifest(const char *kind, const char *name, int64_t seconds, const char *json,
	struct buf *to, struct err *err) MUST_CHECK;
