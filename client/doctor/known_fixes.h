/* Versions of what dray works with that lack a fix worth knowing. Pure. */
#pragma once

#include "common/base/base.h"

enum product { PRODUCT_DOCKER, PRODUCT_RUNC };

struct known_fix {
	enum product product;
	const char *from;  /* the first version that needs it; NULL: every one */
	const char *below; /* the first that has it */
	const char *id;
	const char *what; /* goes wrong without it */
};

/* Below 0, 0 or above 0, as "20.10.24+dfsg1" and "1.3.0-rc.1" compare: number by number; a
 * pre-release comes before its release; what a distribution adds behind "+" or "~" counts nothing.
 */
int version_compare(const char *a, const char *b);

/* The next fix that this version lacks, behind `last` (NULL: the first one); NULL: none. A text
 * that is no version lacks none. */
const struct known_fix *known_fix_next(
	const struct known_fix *last, enum product product, const char *version);
