/* A set of packs, by their numbers. One thread. */
#pragma once

#include "common/base/err.h"

struct pack_set {
	uint32_t *numbers; /* ascending */
	size_t n, cap;
	size_t last; /* where the last one was found */
};

/* A zeroed set is an empty one. */
void pack_set_done(struct pack_set *set);

bool pack_set_has(const struct pack_set *set, uint32_t number);

/* *ret_new (may be NULL): it was not in the set before. */
int pack_set_add(struct pack_set *set, uint32_t number, bool *ret_new, struct err *err) MUST_CHECK;
int pack_set_add_all(struct pack_set *set, const struct pack_set *more, struct err *err) MUST_CHECK;
