/* The depot keeps all domains within one limit, with real stores. */
#include "server/depot/uv_pin.h"
#include "tests/unit/store/store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Four records of 1 MiB that does not shrink fill a pack of the smallest size. */
enum { RECORDS = 4, CHUNKS = 16, LEN = 65536, PACK_BYTES = 4 << 20 };
#define CACHE ((uint64_t)4 * PACK_BYTES + PACK_BYTES / 2) /* four packs, whoever's */

static atomic_bool
	fail_sync; /* the next fdatasync fails: the linker puts this file's in its place */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	if (!atomic_exchange(&fail_sync, false))
		return __real_fdatasync(fd);
	errno = EIO;
	return -1;
}

struct world {
	char *dir;
	uv_loop_t loop;
	struct depot *depot;
	struct err err;
};

static void start(struct world *w)
{
	uv_loop_init(&w->loop);
	assert_ok(depot_start(&w->loop, w->dir, CACHE, &w->depot, &w->err), &w->err);
}

static void stop(struct world *w)
{
	depot_stop(w->depot, NULL, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->dir = fixture_quick_dir();
	start(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	stop(w);
	fixture_remove(w->dir);
	free(w);
	return 0;
}

/* --- calls --- */

struct fill {
	struct depot_call call;
	const struct uv_pin *pin;
	uint64_t pack; /* a number that stands for its records */
	size_t found;
};

static uint64_t record_of(uint64_t pack, unsigned i)
{
	return 2 * (100 * pack + i) + 1;
}

static int run_fill(struct depot_call *c, struct store *s, struct err *err)
{
	struct fill *f = (struct fill *)c;
	for (unsigned i = 0; i < RECORDS; i++) {
		struct sample sample;
		sample_make(&sample, record_of(f->pack, i), CHUNKS, LEN);
		int r = store_put(
			s, &sample.seg, buf_bytes(&sample.record), uv_pin_of(f->pin), err);
		sample_done(&sample);
		if (r != 0)
			return -1;
	}
	usleep(2000); /* times of use are told apart by milliseconds */
	return store_sync(s, err);
}

static int run_count(struct depot_call *c, struct store *s, struct err *err)
{
	struct fill *f = (struct fill *)c;
	(void)err;
	f->found = 0;
	for (unsigned i = 0; i < RECORDS; i++)
		f->found += sample_count(s, record_of(f->pack, i), CHUNKS, LEN);
	return 0;
}

static void fill(struct world *w, const char *domain, const struct uv_pin *pin, uint64_t pack)
{
	struct fill f = { .call = { .run = run_fill }, .pin = pin, .pack = pack };
	assert_ok(depot_call_wait(depot_domain(w->depot, domain), &f.call, &w->err), &w->err);
}

static bool has(struct world *w, const char *domain, uint64_t pack)
{
	struct fill f = { .call = { .run = run_count }, .pack = pack };
	assert_ok(depot_call_wait(depot_domain(w->depot, domain), &f.call, &w->err), &w->err);
	assert_true(f.found == 0 || f.found == RECORDS * CHUNKS);
	return f.found > 0;
}

/* --- tests --- */

static void the_longest_unused_pack_of_all_domains_goes_first(void **state)
{
	struct world *w = *state;
	fill(w, "b", NULL, 1);
	fill(w, "a", NULL, 2);
	fill(w, "b", NULL, 3);
	fill(w, "a", NULL, 4);
	fill(w, "a", NULL, 5);
	assert_false(has(w, "b", 1));
	assert_true(has(w, "a", 2) && has(w, "b", 3) && has(w, "a", 4));
	/* Pack 3 is the one that b still writes to. */
	fill(w, "a", NULL, 6);
	fill(w, "a", NULL, 7);
	assert_false(has(w, "a", 2) || has(w, "a", 4));
	assert_true(has(w, "b", 3) && has(w, "a", 5) && has(w, "a", 6) && has(w, "a", 7));
}

static void a_domain_not_used_since_the_start_gives_its_old_packs_too(void **state)
{
	struct world *w = *state;
	fill(w, "old", NULL, 1);
	fill(w, "old", NULL, 2);
	stop(w);
	start(w);
	for (uint64_t pack = 3; pack <= 5; pack++)
		fill(w, "new", NULL, pack);
	assert_true(has(w, "new", 3));
	assert_false(has(w, "old", 1));
	assert_true(has(w, "old", 2));
}

static void what_a_job_pinned_is_kept_and_others_give(void **state)
{
	struct world *w = *state;
	struct digest image = digest_of("image", 5);
	struct uv_pin *pin = uv_pin_begin(depot_domain(w->depot, "a"), "key", &image);
	assert_non_null(pin);
	fill(w, "a", pin, 1);
	fill(w, "a", NULL, 2);
	for (uint64_t pack = 3; pack <= 8; pack++)
		fill(w, "b", NULL, pack);
	assert_true(has(w, "a", 1));
	assert_false(has(w, "b", 3) || has(w, "b", 4));
	uv_pin_end(pin, true);
	usleep(2000);
	for (uint64_t pack = 9; pack <= 13; pack++)
		fill(w, "b", NULL, pack);
	assert_false(has(w, "a", 1));
}

static void a_pin_taken_over_after_a_restart_lasts_to_the_end_of_its_job(void **state)
{
	struct world *w = *state;
	struct digest image = digest_of("image", 5);
	struct uv_pin *pin = uv_pin_begin(depot_domain(w->depot, "a"), "key", &image);
	fill(w, "a", pin, 1);
	uv_pin_end(pin, false);
	stop(w);
	start(w);
	for (uint64_t pack = 2; pack <= 7; pack++)
		fill(w, "a", NULL, pack);
	assert_true(has(w, "a", 1));
	pin = uv_pin_begin(depot_domain(w->depot, "a"), "key", &image);
	uv_pin_end(pin, true);
	for (uint64_t pack = 8; pack <= 13; pack++)
		fill(w, "a", NULL, pack);
	assert_false(has(w, "a", 1));
}

static void without_a_size_it_is_a_tenth_of_the_file_system_and_a_twentieth_stays_free(void **state)
{
	struct world *w = *state;
	struct depot *other;
	assert_ok(depot_start(&w->loop, w->dir, 0, &other, &w->err), &w->err);
	const struct store_limits *given = depot_limits(w->depot), *limits = depot_limits(other);
	assert_int_equal(given->cache_max, CACHE);
	assert_int_equal(limits->floor_free, given->floor_free);
	assert_true(limits->floor_free > 0);
	if (limits->floor_free < UINT64_C(5000) * 1000 * 1000)
		assert_int_equal(limits->cache_max, limits->floor_free * 2);
	else
		assert_int_equal(limits->cache_max, UINT64_C(10000) * 1000 * 1000);
	depot_stop(other, NULL, NULL);
}

static void break_store(struct world *w, const char *domain, uint64_t pack)
{
	struct fill f = { .call = { .run = run_fill }, .pack = pack };
	atomic_store(&fail_sync, true);
	assert_fails(
		depot_call_wait(depot_domain(w->depot, domain), &f.call, &w->err), &w->err, ERR_IO);
	assert_false(atomic_load(&fail_sync));
}

static void a_broken_domain_is_passed_over_and_opened_again_after_its_jobs(void **state)
{
	struct world *w = *state;
	struct digest image = digest_of("image", 5);
	fill(w, "a", NULL, 1);
	fill(w, "a", NULL, 2);
	struct uv_pin *pin = uv_pin_begin(depot_domain(w->depot, "a"), "key", &image);
	break_store(w, "a", 3);
	for (uint64_t pack = 4; pack <= 7; pack++)
		fill(w, pack % 2 ? "b" : "c", NULL, pack);
	assert_true(has(w, "a", 1)); /* the longest unused one, but it cannot go */
	assert_false(has(w, "c", 4) || has(w, "b", 5));
	assert_true(has(w, "c", 6) && has(w, "b", 7));
	uv_pin_end(pin, true);
	fill(w, "a", NULL, 9);
	assert_true(has(w, "a", 9));
	assert_false(has(w, "a", 1));
}

static size_t open_packs(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	size_t n = 0;
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char target[512];
		ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);
		if (len < 0)
			continue;
		target[len] = 0;
		n += strstr(target, ".pack") != NULL;
	}
	closedir(dir);
	return n;
}

static int run_little(struct depot_call *c, struct store *s, struct err *err)
{
	sample_put(s, ((struct fill *)c)->pack, 1, 100);
	return store_sync(s, err);
}

static int run_has_little(struct depot_call *c, struct store *s, struct err *err)
{
	(void)err;
	((struct fill *)c)->found = sample_count(s, ((struct fill *)c)->pack, 1, 100);
	return 0;
}

static void few_stores_that_nobody_uses_stay_open(void **state)
{
	enum { DOMAINS = 40 };
	struct world *w = *state;
	struct digest image = digest_of("image", 5);
	struct uv_pin *pin = uv_pin_begin(depot_domain(w->depot, "d0"), "key", &image);
	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < DOMAINS; i++) {
			struct fill f = { .call = { .run = round ? run_has_little : run_little },
				.pack = i };
			char name[16];
			snprintf(name, sizeof name, "d%u", i);
			assert_ok(depot_call_wait(depot_domain(w->depot, name), &f.call, &w->err),
				&w->err);
			assert_int_equal(f.found, round);
			assert_true(open_packs() <= 2 * (8 + 1));
		}
	uv_pin_end(pin, true);
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static void it_stops_when_the_last_one_who_holds_it_lets_go(void **state)
{
	struct world *w = *state;
	struct depot_domain *domain = depot_domain(w->depot, "a");
	bool closed = false;
	depot_hold(domain);
	depot_stop(w->depot, on_closed, &closed);
	for (int i = 0; i < 10; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_false(closed);
	fill(w, "a", NULL, 1); /* its thread may still post */
	depot_let_go(domain);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_true(closed);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	start(w);
	assert_true(has(w, "a", 1));
}

#define WITH(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(WITH(the_longest_unused_pack_of_all_domains_goes_first),
	WITH(a_domain_not_used_since_the_start_gives_its_old_packs_too),
	WITH(what_a_job_pinned_is_kept_and_others_give),
	WITH(a_pin_taken_over_after_a_restart_lasts_to_the_end_of_its_job),
	WITH(a_broken_domain_is_passed_over_and_opened_again_after_its_jobs),
	WITH(few_stores_that_nobody_uses_stay_open),
	WITH(it_stops_when_the_last_one_who_holds_it_lets_go),
	WITH(without_a_size_it_is_a_tenth_of_the_file_system_and_a_twentieth_stays_free))
