/*
 * The answer to POST /images/load: JSON objects, one a line. Engines report failures inside a 200,
 * so only these lines tell whether an image was loaded. Pure; one owner.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

#define LOAD_REPLY_LINE_MAX (64u << 10)

struct load_reply {
	struct buf line;
	bool failed, loaded;
	struct err err; /* the first failure */
};

void load_reply_init(struct load_reply *r);
void load_reply_done(struct load_reply *r);

/* The next bytes, cut anywhere. */
void load_reply_feed(struct load_reply *r, const void *bytes, size_t n);

/* The answer is whole: success if a line said that an image was loaded and none told a failure. */
int load_reply_end(struct load_reply *r, struct err *err) MUST_CHECK;
