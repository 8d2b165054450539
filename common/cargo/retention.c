#include "common/cargo/retention.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_PER_HOUR UINT64_C(3600000)
#define MS_PER_DAY (24 * MS_PER_HOUR)

enum period { BY_ONE, BY_HOUR, BY_DAY, BY_WEEK, BY_MONTH, BY_YEAR, PERIODS };

bool retention_is_empty(const struct retention *r)
{
	return r->last == 0 && r->hourly == 0 && r->daily == 0 && r->weekly == 0 &&
	       r->monthly == 0 && r->yearly == 0 && r->within_seconds == 0;
}

/* --- the same thing's snapshots, the newest first --- */

static int same_thing(const struct snapshot_info *a, const struct snapshot_info *b)
{
	int r = strcmp(a->host, b->host);
	if (r == 0)
		r = strcmp(a->key, b->key);
	if (r == 0)
		r = strcmp(a->kind, b->kind);
	return r != 0 ? r : strcmp(a->name, b->name);
}

static int compare(const void *left, const void *right)
{
	const struct snapshot_info *const *a = left, *const *b = right;
	int r = same_thing(*a, *b);
	if (r != 0)
		return r;
	if ((*a)->time_ms != (*b)->time_ms)
		return (*a)->time_ms > (*b)->time_ms ? -1 : 1;
	return -memcmp((*a)->id.bytes, (*b)->id.bytes, DIGEST_LEN);
}

/* --- periods --- */

/* Numbers the period that the time lies in. */
static uint64_t number_of(enum period period, uint64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm = { 0 };
	switch (period) {
	case BY_HOUR:
		return time_ms / MS_PER_HOUR;
	case BY_DAY:
		return time_ms / MS_PER_DAY;
	case BY_WEEK: /* 1970 began on a Thursday */
		return (time_ms / MS_PER_DAY + 3) / 7;
	case BY_MONTH:
		gmtime_r(&seconds, &tm);
		return (uint64_t)(tm.tm_year * 12 + tm.tm_mon);
	case BY_YEAR:
		gmtime_r(&seconds, &tm);
		return (uint64_t)tm.tm_year;
	case BY_ONE:
	case PERIODS:
	default:
		return 0;
	}
}

/* What the rules still keep of one thing. */
struct counters {
	uint64_t left[PERIODS], last[PERIODS];
	bool any; /* one was seen, whose time is `newest` */
	uint64_t newest;
};

static void begin(struct counters *c, const struct retention *r)
{
	*c = (struct counters){ .left = { [BY_ONE] = r->last,
					[BY_HOUR] = r->hourly,
					[BY_DAY] = r->daily,
					[BY_WEEK] = r->weekly,
					[BY_MONTH] = r->monthly,
					[BY_YEAR] = r->yearly } };
}

static bool take(struct counters *c, const struct retention *r, uint64_t time_ms)
{
	if (!c->any)
		c->newest = time_ms;
	uint64_t within_ms = min_u64(r->within_seconds, UINT64_MAX / 1000) * 1000;
	bool kept = within_ms > 0 && c->newest - time_ms <= within_ms;
	for (int p = 0; p < PERIODS; p++) {
		uint64_t number = number_of((enum period)p, time_ms);
		bool fresh = p == BY_ONE || !c->any || number != c->last[p];
		c->last[p] = number;
		if (!fresh || c->left[p] == 0)
			continue;
		c->left[p]--;
		kept = true;
	}
	c->any = true;
	return kept;
}

int retention_apply(
	const struct retention *r, const struct snapshot_list *all, bool *keep, struct err *err)
{
	const struct snapshot_info **order CLEANUP(cleanup_free) = calloc(
		all->n + 1, sizeof(struct snapshot_info *));
	struct counters c;
	if (!order)
		return err_nomem(err);
	for (size_t i = 0; i < all->n; i++)
		order[i] = &all->items[i];
	if (all->n > 0)
		qsort(order, all->n, sizeof *order, compare);
	for (size_t i = 0; i < all->n; i++) {
		if (i == 0 || same_thing(order[i], order[i - 1]) != 0)
			begin(&c, r);
		keep[order[i] - all->items] = take(&c, r, order[i]->time_ms);
	}
	return 0;
}
