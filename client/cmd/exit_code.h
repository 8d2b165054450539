/* The exit code of a command that did several things, each of which has one of its own. Pure. */
#pragma once

#include "common/base/base.h"

#define EXIT_PARTLY 3
#define EXIT_INTERRUPTED 130

/* All the same: that; some 0 and some not: partly done; different failures: 1. Whatever was
 * interrupted makes the whole so. `n` at least 1. */
int exit_code_merge(const int *codes, size_t n);
