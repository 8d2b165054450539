/* Fields of a tar's header block. Pure. */
#pragma once

#include "common/base/base.h"

#define TAR_BLOCK 512u

#define TAR_SIZE_AT 124
#define TAR_SIZE_LEN 12
#define TAR_TYPE_AT 156

/* An octal number between blanks and NULs, or base-256 when the first bit is set; negative ones,
 * ones beyond 63 bits and anything else are false. */
bool tar_block_number(const uint8_t *field, size_t n, uint64_t *ret);

/* Is the header's checksum right, over unsigned or (as some old tars did) signed bytes? */
bool tar_block_sum_is_right(const uint8_t *block);

bool tar_block_is_zero(const uint8_t *block);
