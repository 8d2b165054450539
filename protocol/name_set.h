/*
 * A bounded set of short chunk names (digest_short): what a sender has sent in this session
 * already, so that the same chunk is neither asked about nor sent twice. When it is full it forgets
 * nothing and learns nothing more: then a repeated chunk is asked about again, which costs eight
 * bytes and no correctness.
 */
#pragma once

#include "common/base/base.h"

#define NAME_SET_MAX (1u << 20) /* entries; 8 bytes each, at most half full */

struct name_set {
	uint64_t *slots; /* 0: empty; the name 0 itself is never in the set */
	size_t cap, used;
};

void name_set_init(struct name_set *s);
void name_set_done(struct name_set *s);
bool name_set_has(const struct name_set *s, uint64_t name);

/* Adds the name if there is room (memory may have run out: that is no error either). */
void name_set_add(struct name_set *s, uint64_t name);
