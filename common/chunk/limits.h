/* Sizes of the chunk formats. They are part of the formats: see common/chunk/README.md. */
#pragma once

#define CHUNK_MIN 4096u /* FastCDC never cuts earlier, except at a file's end */
#define CHUNK_AVG 16384u
#define CHUNK_MAX 65536u    /* largest data or skeleton chunk */
#define INLINE_FILE_MAX 64u /* files up to this many bytes stay in the skeleton */

#define RECIPE_OPS_MIN 16u  /* a recipe chunk is cut by content after this many operations... */
#define RECIPE_OPS_MAX 512u /* ...and always after this many, */
#define RECIPE_SPAN_MAX (4u << 20)     /* or when it covers this many bytes of its stream */
#define RECIPE_SKELETON_MAX (1u << 20) /* bytes that one skeleton operation takes */
#define RECIPE_CHUNK_MAX                                                                           \
	(64u << 10) /* encoded bytes of one recipe chunk; no encoder gets near it */

#define LIST_NAMES_MAX 1024u /* names in one list chunk */
#define BLOB_LISTS_MAX 8192u /* list chunks that a blob record may name, both streams together */
#define BLOB_SIZE_MAX (UINT64_C(1) << 43) /* 8 TiB */

#define SEGMENT_RAW_MAX (1u << 20) /* bytes of all chunks of a segment, uncompressed */
#define SEGMENT_CHUNKS_MAX 8192u
#define SEGMENT_HEAD_LEN 48u
#define SEGMENT_ROW_LEN 36u
#define SEGMENT_SUM_LEN 8u
#define SEGMENT_RECORD_MAX                                                                         \
	(SEGMENT_HEAD_LEN + SEGMENT_CHUNKS_MAX * SEGMENT_ROW_LEN + SEGMENT_SUM_LEN +               \
		SEGMENT_RAW_MAX)
