/* What a chunk holds. Numbers are in segments, on the wire and on disk: see common/chunk/README.md.
 */
#pragma once

enum chunk_kind {
	CHUNK_DATA = 1,	    /* file contents (or any bytes of a blob that is no tar) */
	CHUNK_SKELETON = 2, /* a run of a blob's skeleton stream */
	CHUNK_RECIPE = 3,   /* recipe operations */
	CHUNK_LIST = 4,	    /* names of recipe chunks, in order */
	CHUNK_BLOB = 5,	    /* a blob record: digest, size, lists */
	CHUNK_MANIFEST = 6, /* JSON: what an artifact is made of */
};
