/* Content-defined cuts (FastCDC with normalised chunking, 4/16/64 KiB). The gear table is part of
 * the format: common/chunk/README.md. Any thread. */
#pragma once

#include "common/base/base.h"

/* Incremental state of one chunk in the making; all zero at a chunk's start. */
struct fastcdc {
	uint64_t hash;
	uint32_t len; /* bytes of the chunk so far */
};

/* Takes up to n bytes into the current chunk; returns how many, and sets *ret_cut when the chunk
 * ends after them (the state is then ready for the next chunk). */
size_t fastcdc_next(struct fastcdc *f, const uint8_t *bytes, size_t n, bool *ret_cut);
