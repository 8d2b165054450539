/* A target's form in its file: one JSON object. It holds a secret: what is parsed and printed here
 * is wiped when it is freed. Main thread. */
#pragma once

#include "client/targets.h"
#include "common/base/buf.h"

#define TARGET_JSON_MAX 8192u

/* Reads everything but the name. Unknown, missing and doubled fields are ERR_CORRUPT: a field that
 * this version does not know may be one that must not be ignored. */
int target_json_parse(const void *bytes, size_t n, struct target *ret, struct err *err) MUST_CHECK;

/* Appends to `to`, whose memory the caller wipes. */
int target_json_print(const struct target *t, struct buf *to, struct err *err) MUST_CHECK;
