/* What a policy keeps, against cases worked out by hand. */
#include "common/cargo/retention.h"

#include "common/cargo/snapshot_name.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMES_MAX 16

/* One host, one name: the times in any order; expected: a digit for each, 1 kept. */
static const struct {
	const char *what;
	struct retention keep;
	const char *times[TIMES_MAX];
	const char *expected;
} cases[] = {
	{ "the last two", { .last = 2 }, { "2026-01-01", "2026-01-03", "2026-01-02" }, "011" },
	{ "several in one hour: the last one counts", { .hourly = 2 },
		{ "2026-01-01T10:00", "2026-01-01T10:30", "2026-01-01T10:59:59",
			"2026-01-01T11:00" },
		"0011" },
	{ "an hour without one is passed over", { .hourly = 2 },
		{ "2026-01-01T01:00", "2026-01-01T09:00", "2026-01-02T09:00" }, "011" },
	{ "days", { .daily = 3 },
		{ "2026-01-01T23:59", "2026-01-02T00:00", "2026-01-02T12:00", "2026-01-03T00:00",
			"2026-01-09T00:00" },
		"00111" },
	{ "a leap day is a day", { .daily = 2 },
		{ "2024-02-28T12:00", "2024-02-29T00:00", "2024-02-29T23:59:59", "2024-03-01" },
		"0011" },
	{ "weeks begin on Monday", { .weekly = 2 },
		{ "2026-01-04T12:00", "2026-01-05T00:00", "2026-01-11T23:59:59",
			"2026-01-12T00:00" },
		"0011" },
	{ "a week over New Year is one", { .weekly = 1 },
		{ "2025-12-29", "2025-12-31", "2026-01-01", "2026-01-04" }, "0001" },
	{ "months, and February of a leap year", { .monthly = 3 },
		{ "2023-12-31", "2024-01-31", "2024-02-28", "2024-02-29", "2024-03-01" }, "01011" },
	{ "years", { .yearly = 2 },
		{ "2024-12-31T23:59:59", "2025-01-01", "2025-06-01", "2026-01-01" }, "0011" },
	{ "more years than there are", { .yearly = 9 },
		{ "2024-01-01", "2024-07-01", "2026-01-01" }, "011" },
	{ "within, from the newest back, to the very millisecond", { .within_seconds = 86400 },
		{ "2026-01-01T11:59:59", "2026-01-01T12:00:00", "2026-01-02T12:00:00" }, "011" },
	{ "what any rule keeps stays", { .last = 1, .daily = 2, .yearly = 2 },
		{ "2025-03-01", "2025-08-01", "2026-01-01T01:00", "2026-01-02T01:00",
			"2026-01-02T02:00" },
		"01101" },
	{ "nothing asked, nothing kept", { 0 }, { "2026-01-01" }, "0" },
};

static void add(struct snapshot_list *l, const char *host, const char *name, const char *time)
{
	struct snapshot_info *i = &l->items[l->n++];
	uint64_t until;
	*i = (struct snapshot_info){ .host = strdup(host),
		.key = strdup("k"),
		.name = strdup(name),
		.kind = strdup("volume") };
	i->id.bytes[0] = (uint8_t)l->n;
	assert_true(snapshot_time_parse(time, &i->time_ms, &until));
}

static void the_table_holds(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct snapshot_list l = { .items = calloc(TIMES_MAX, sizeof(*l.items)) };
		bool keep[TIMES_MAX];
		char got[TIMES_MAX + 1] = "";
		struct err err;
		for (size_t i = 0; cases[c].times[i]; i++)
			add(&l, "h", "n", cases[c].times[i]);
		assert_ok(retention_apply(&cases[c].keep, &l, keep, &err), &err);
		for (size_t i = 0; i < l.n; i++)
			got[i] = keep[i] ? '1' : '0';
		if (strcmp(got, cases[c].expected) != 0)
			fail_msg("%s: %s, not %s", cases[c].what, got, cases[c].expected);
		snapshot_list_done(&l);
	}
}

static void each_host_and_name_is_looked_at_by_itself(void **state)
{
	(void)state;
	struct snapshot_list l = { .items = calloc(TIMES_MAX, sizeof(*l.items)) };
	const struct retention last = { .last = 1 };
	bool keep[TIMES_MAX];
	struct err err;
	add(&l, "a", "x", "2026-01-01");
	add(&l, "a", "x", "2026-01-02");
	add(&l, "a", "y", "2020-01-01");
	add(&l, "b", "x", "2019-01-01");
	assert_ok(retention_apply(&last, &l, keep, &err), &err);
	assert_false(keep[0]);
	assert_true(keep[1] && keep[2] && keep[3]);
	assert_false(retention_is_empty(&last));
	assert_true(retention_is_empty(&(struct retention){ 0 }));
	snapshot_list_done(&l);
}

RUN_TESTS(TEST(the_table_holds), TEST(each_host_and_name_is_looked_at_by_itself))
