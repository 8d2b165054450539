/*
 * The admin command `check`: reads the stores and says what is not what it was. Happy path: a
 * domain's check is made on the store's thread, goes on step by step between other calls, and is
 * let go of there. What is found damaged counts as missing afterwards: that is a success of the
 * check, and the command's failure (ERR_CORRUPT), so that a timer notices.
 */
#include "server/admin/admin_impl.h"

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/store/check.h"

#include <stdio.h>

#define PROBLEMS_MAX 100u /* lines a domain; the totals count the rest */

struct check {
	bool read_data, rebuild;

	/* the domain that is being looked at */
	struct store_check *check; /* the store's thread; NULL before the first step */
	bool rebuilt;
	uint64_t found; /* stretches that the new index had to pass over, and the old one had not */
	struct store_check_report one;
	uint64_t problems;
	uint64_t said_ms; /* when progress was said last */

	struct store_check_report all;
	size_t domains, damaged_domains;
};

static int take_check(struct admin_call *c, json_t *parameters, struct err *err)
{
	struct check *s = c->state;
	int read_data = 0, rebuild = 0;
	json_error_t why;

	if (json_unpack_ex(parameters, &why, JSON_STRICT, "{s?b, s?b}", "read-data", &read_data,
		    "rebuild-index", &rebuild) != 0)
		return err_set(err, ERR_USAGE, "check knows no such parameter: %s", why.text);
	s->read_data = read_data;
	s->rebuild = rebuild;
	return 0;
}

/* --- on the store's thread --- */

static void on_problem(void *ctx, const char *text)
{
	struct admin_call *c = ctx;
	struct check *s = c->state;

	if (s->problems++ >= PROBLEMS_MAX)
		return;
	if (c->json)
		admin_out_json(c, json_pack("{s:s, s:s, s:s}", "event", "problem", "domain",
					  admin_domain(c), "text", text));
	else
		admin_note(c, "%s: %s", admin_domain(c), text);
}

static void say_progress(struct admin_call *c)
{
	char done[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX];
	struct check *s = c->state;
	uint64_t now = clock_monotonic_ms();

	if (now - s->said_ms < ADMIN_PROGRESS_MS)
		return;
	s->said_ms = now;
	if (s->one.bytes_total > 0)
		admin_progress(c, "%s: %s of %s checked", admin_domain(c),
			text_size(done, s->one.bytes), text_size(total, s->one.bytes_total));
	else
		admin_progress(c, "%s: %llu segments and %llu blobs checked", admin_domain(c),
			(unsigned long long)s->one.segments, (unsigned long long)s->one.blobs);
}

/* The new index says of damaged stretches that they are known, and the check then does not. */
static int rebuild(struct admin_call *c, struct store *store, struct err *err)
{
	struct store_stats before = { 0 }, after;
	struct check *s = c->state;
	struct err ignored; /* a damaged index need not answer */
	char text[80];

	s->rebuilt = true;
	admin_progress(c, "%s: the index is made anew", admin_domain(c));
	(void)!store_stats(store, &before, &ignored);
	if (store_rebuild_index(store, err) != 0 || store_stats(store, &after, err) != 0)
		return -1;
	if (after.damaged <= before.damaged)
		return 0;
	s->found = after.damaged - before.damaged;
	s->one.damaged_segments = s->found;
	snprintf(text, sizeof(text), "%llu stretch%s of its packs cannot be read",
		(unsigned long long)s->found, s->found == 1 ? "" : "es");
	on_problem(c, text);
	return 0;
}

/* The index first: the check then looks at the new one. */
static int first_step(struct admin_call *c, struct store *store, struct err *err)
{
	struct check *s = c->state;

	if (!s->rebuilt) {
		s->one = (struct store_check_report){ 0 };
		s->problems = s->found = 0;
	}
	if (s->rebuild && !s->rebuilt)
		return rebuild(c, store, err);
	s->check = store_check_new(store, s->read_data, err);
	return s->check ? 0 : -1;
}

static int step_check(struct admin_call *c, struct store *store, bool *ret_done, struct err *err)
{
	struct check *s = c->state;
	int r;

	if (!s->check)
		return first_step(c, store, err);
	r = store_check_step(s->check, on_problem, c, ret_done, err);
	s->one = *store_check_report(s->check);
	s->one.damaged_segments += s->found;
	if (r == 0)
		say_progress(c);
	return r;
}

/* --- what came out --- */

static bool is_damaged(const struct store_check_report *r)
{
	return r->damaged_segments > 0 || r->damaged_chunks > 0 || r->damaged_blobs > 0 ||
	       r->damaged_snapshots > 0;
}

static json_t *report_json(const struct store_check_report *r)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "packs",
		admin_number(r->packs), "segments", admin_number(r->segments), "chunks",
		admin_number(r->chunks), "blobs", admin_number(r->blobs), "bytes",
		admin_number(r->bytes), "damaged_segments", admin_number(r->damaged_segments),
		"damaged_chunks", admin_number(r->damaged_chunks), "damaged_blobs",
		admin_number(r->damaged_blobs), "snapshots", admin_number(r->snapshots),
		"damaged_snapshots", admin_number(r->damaged_snapshots));
}

static void report_text(struct admin_call *c, const char *name, const struct store_check_report *r)
{
	char bytes[TEXT_SIZE_MAX];

	admin_out(c,
		"%s: packs %llu, segments %llu, chunks %llu, blobs %llu, snapshots %llu, %s read: "
		"%s",
		name, (unsigned long long)r->packs, (unsigned long long)r->segments,
		(unsigned long long)r->chunks, (unsigned long long)r->blobs,
		(unsigned long long)r->snapshots, text_size(bytes, r->bytes),
		is_damaged(r) ? "damaged" : "no damage");
	if (is_damaged(r))
		admin_out(c, "%s: damaged: segments %llu, chunks %llu, blobs %llu, snapshots %llu",
			name, (unsigned long long)r->damaged_segments,
			(unsigned long long)r->damaged_chunks, (unsigned long long)r->damaged_blobs,
			(unsigned long long)r->damaged_snapshots);
}

static void add(struct store_check_report *all, const struct store_check_report *one)
{
	all->packs += one->packs;
	all->segments += one->segments;
	all->chunks += one->chunks;
	all->blobs += one->blobs;
	all->bytes += one->bytes;
	all->damaged_segments += one->damaged_segments;
	all->damaged_chunks += one->damaged_chunks;
	all->damaged_blobs += one->damaged_blobs;
	all->snapshots += one->snapshots;
	all->damaged_snapshots += one->damaged_snapshots;
}

/* What was found before the check failed counts, too: it counts as missing already. */
static void let_go(struct admin_call *c)
{
	struct check *s = c->state;

	store_check_free(s->check);
	s->check = NULL;
	s->rebuilt = false;
	s->damaged_domains += is_damaged(&s->one);
	add(&s->all, &s->one);
}

static void tell_check(struct admin_call *c)
{
	struct check *s = c->state;
	bool damaged = is_damaged(&s->one);

	s->domains++;
	if (!c->json && s->problems > PROBLEMS_MAX)
		admin_note(c, "%s: and %llu more", admin_domain(c),
			(unsigned long long)(s->problems - PROBLEMS_MAX));
	if (c->json)
		admin_out_domain(c, !damaged, report_json(&s->one));
	else
		report_text(c, admin_domain(c), &s->one);
}

static int end_check(struct admin_call *c, struct err *err)
{
	struct check *s = c->state;

	if (!c->json && s->domains != 1)
		report_text(c, "in all", &s->all);
	if (!is_damaged(&s->all))
		return 0;
	return err_set(err, ERR_CORRUPT,
		"damage in %zu of %zu domains: %llu chunk%s as missing from now on, the next push "
		"sends what it needs again",
		s->damaged_domains, c->n_domains, (unsigned long long)s->all.damaged_chunks,
		s->all.damaged_chunks == 1 ? " counts" : "s count");
}

static json_t *check_totals(struct admin_call *c)
{
	struct check *s = c->state;
	json_t *all = report_json(&s->all);
	json_t *more = json_pack("{s:I, s:I, s:b, s:b}", "domains", admin_number(s->domains),
		"damaged_domains", admin_number(s->damaged_domains), "read_data", s->read_data,
		"rebuilt_index", s->rebuild);

	return admin_merge(all, more);
}

const struct admin_row admin_row_check = { .name = "check",
	.alone = true,
	.changes = true,
	.state_len = sizeof(struct check),
	.take = take_check,
	.step = step_check,
	.let_go = let_go,
	.tell = tell_check,
	.end = end_check,
	.totals = check_totals };
