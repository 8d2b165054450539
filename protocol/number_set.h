/*
 * Which numbers of a sequence came, when they come in any order: all up to a base, and some of the
 * next NUMBER_SET_AHEAD. Segments come so, over lanes. Pure.
 */
#pragma once

#include "common/base/base.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define NUMBER_SET_AHEAD SEGMENTS_AHEAD_MAX

struct number_set {
	uint64_t base; /* every number from 1 to it came */
	uint64_t bits[NUMBER_SET_AHEAD / 64];
};

/* False when the number is too far ahead; the set is as before then. One that came before changes
 * nothing. */
bool number_set_add(struct number_set *s, uint64_t number) MUST_CHECK;

bool number_set_has(const struct number_set *s, uint64_t number);
