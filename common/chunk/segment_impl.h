/* What building, opening and parsing a segment record share. Only for segment*.c. */
#pragma once

#include "common/chunk/segment.h"

#define SEGMENT_MAGIC "dSG1"
#define SEGMENT_WINDOW_LOG 20 /* zstd's window never exceeds SEGMENT_RAW_MAX */

enum segment_codec { CODEC_NONE = 0, CODEC_ZSTD = 1 };

/* Bytes of head, rows and checksum. */
static inline size_t segment_head_len(uint32_t n_rows)
{
	return SEGMENT_HEAD_LEN + (size_t)n_rows * SEGMENT_ROW_LEN + SEGMENT_SUM_LEN;
}

/* The checksum over head and rows. */
void segment_sum(const uint8_t *head, size_t n, uint8_t ret[SEGMENT_SUM_LEN]);
