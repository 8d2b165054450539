/*
 * Docker's account of what a layer's tar is made of (tar-split.json.gz): lines of JSON, each with
 * bytes of the tar (headers, padding) or with the name and the size of the file whose contents come
 * next. Read in order they give the tar back, byte for byte. Memory is bounded by the longest line.
 * Blocking; one thread.
 */
#pragma once

#include "common/base/err.h"

/* Engines cut at 1 MiB, which is a third more in base64; headers with all their records are
 * smaller. */
#define TAR_SPLIT_LINE_MAX (8u << 20)

enum tar_split_kind { TAR_SPLIT_END, TAR_SPLIT_BYTES, TAR_SPLIT_FILE };

/* Pointers are valid until the next one is asked for. */
struct tar_split_part {
	enum tar_split_kind kind;
	const uint8_t *bytes; /* BYTES */
	const char *name; /* FILE: in the layer's directory, as the tar has it: any bytes but NUL */
	uint64_t size;	  /* of the bytes, or of the file's contents; never 0 for a file */
};

struct tar_split;

/* Reads the descriptor from where it stands; it stays the caller's. NULL with `err` on failure. */
struct tar_split *tar_split_new(int fd, struct err *err);
void tar_split_free(struct tar_split *t); /* NULL is fine */

/* Damage and whatever is not known here are ERR_CORRUPT, too long a line is ERR_LIMIT. */
int tar_split_next(struct tar_split *t, struct tar_split_part *ret, struct err *err) MUST_CHECK;
