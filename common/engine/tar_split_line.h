/*
 * One line of a tar-split file: a flat JSON object as Go's encoder writes it. A layer has a hundred
 * thousand of them, and a general parser takes longer for them than everything else that is done to
 * the layer's bytes. Pure.
 */
#pragma once

#include "common/engine/tar_split.h"

/* Parses the n bytes at `line`, writing over them: what it returns points into them. A file without
 * contents has the size 0. ERR_CORRUPT. */
int tar_split_line(char *line, size_t n, struct tar_split_part *ret, struct err *err) MUST_CHECK;
