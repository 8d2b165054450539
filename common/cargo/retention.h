/*
 * Which snapshots a policy keeps. Each host's, key's and kind's each name is looked at by itself,
 * by the time of receipt alone, in UTC (so there is no hour twice). A rule of N periods keeps the
 * last snapshot of each of the N latest periods that have one; what any rule keeps stays. Weeks
 * begin on Monday. Pure.
 */
#pragma once

#include "common/base/err.h"
#include "common/cargo/snapshot_info.h"

struct retention {
	uint64_t last, hourly, daily, weekly, monthly, yearly; /* 0: no such rule */
	uint64_t within_seconds; /* back from the newest of the same name; 0: no such rule */
};

/* No rule at all: it would keep nothing, so whoever asks for it is refused. */
bool retention_is_empty(const struct retention *r);

/* keep[i] for each of the list. */
int retention_apply(const struct retention *r, const struct snapshot_list *all, bool *keep,
	struct err *err) MUST_CHECK;
