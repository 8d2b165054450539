/* A full disk: a small file system of its own. */
#include "common/store/check.h"
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct shape {
	const char *options; /* of the file system */
	off_t ballast;	     /* bytes that are freed later */
	size_t n, len;	     /* of a record's chunks */
};

static void make_ballast(const char *path, off_t size)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, size), 0);
	close(fd);
}

/* Puts records until the disk is full; returns how many went in or were there. */
static uint64_t fill(struct store *s, const struct shape *shape)
{
	for (uint64_t i = 0;; i++) {
		struct sample sample;
		struct err err = { 0 };
		sample_make(&sample, 2 * i + 1, shape->n, shape->len);
		int r = store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err);
		sample_done(&sample);
		if (r != 0) {
			assert_int_equal(err.code, ERR_FULL);
			return i;
		}
	}
}

static void check_first(const char *domain, struct store *s, uint64_t n, const struct shape *shape)
{
	struct store_reader *r = fixture_reader(domain);
	for (uint64_t i = 0; i < n; i++)
		sample_check(s, r, 2 * i + 1, shape->n, shape->len);
	store_reader_free(r);
}

/* Room again: everything is there, and there is more to come. */
static void go_on(const char *domain, struct store *s, uint64_t n, const struct shape *shape)
{
	struct err err = { 0 };
	sample_put(s, 100000, 1, 3000);
	assert_ok(store_sync(s, &err), &err);
	for (int opening = 0; opening < 2; opening++) {
		check_first(domain, s, n, shape);
		assert_int_equal(sample_count(s, 100000, 1, 3000), 1);
		assert_int_equal(fixture_stats(s).chunks, n * shape->n + 1);
		assert_int_equal(fixture_stats(s).damaged, 0);
		assert_int_equal(fixture_stats(s).stored_bytes,
			fixture_size(fixture_path(domain, FIXTURE_PACK1)));
		store_close(s);
		s = fixture_open(domain);
	}
	store_close(s);
}

static void with_small_disk(
	const struct shape *shape, void (*run)(const char *, const char *, const struct shape *))
{
	char *dir = fixture_dir();
	if (mount("tmpfs", dir, "tmpfs", 0, shape->options) != 0) {
		print_message("# SKIP: cannot mount a tmpfs: %s\n", strerror(errno));
		fixture_remove(dir);
		skip();
	}
	char *domain = strdup(fixture_path(dir, "domain")),
	     *ballast = strdup(fixture_path(dir, "ballast"));
	make_ballast(ballast, shape->ballast);
	run(domain, ballast, shape);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	free(domain);
	free(ballast);
	fixture_remove(dir);
}

static void fill_pack(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct store *s = fixture_open(domain);
	uint64_t n = fill(s, shape);
	assert_true(n > 5);
	check_first(domain, s, n, shape);
	assert_int_equal(
		fixture_size(fixture_path(domain, FIXTURE_PACK1)), fixture_stats(s).stored_bytes);
	/* The index has no room to commit to: that is said, and nothing is lost by it. */
	assert_fails(store_sync(s, &err), &err, ERR_FULL);
	assert_int_equal(fill(s, shape), n); /* those are known, and nothing new fits */
	unlink(ballast);
	go_on(domain, s, n, shape);
}

static void a_full_disk_costs_nothing_that_was_put(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=2m", 400000, 10, 3000 }, fill_pack);
}

/* Many small chunks: the index outgrows its cache, spills, and SQLite drops the transaction. */
static void fill_index(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct store *s = fixture_open(domain);
	uint64_t n = fill(s, shape);
	assert_true(n > 5);
	assert_fails(store_sync(s, &err), &err, ERR_FULL);
	unlink(ballast);
	go_on(domain, s, n, shape);
}

static void a_disk_full_for_the_index_costs_nothing_either(void **state)
{
	(void)state;
	with_small_disk(
		&(struct shape){ "size=64m", 48 << 20, SEGMENT_CHUNKS_MAX, 16 }, fill_index);
}

/* --- giving up on a full disk --- */

static const struct store_limits small_packs = { .cache_max = 64 << 20 };

/* Writes to the file until there is no block left. */
static void take_rest(const char *path)
{
	static const char page[4096];
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	while (write(fd, page, sizeof page) == (ssize_t)sizeof page)
		continue;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

/* Not one byte is left, not even for the index: what is given up makes the room. */
static void prune_full(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct store_pruned gone = { 0 };
	struct digest owner = digest_of("job", 3);
	struct store_pin *pin;
	struct store *s = fixture_open(domain);
	store_set_limits(s, &small_packs);
	assert_ok(store_pin_begin(s, &owner, &pin, &err), &err);
	struct sample first;
	sample_make(&first, 100001, 1, 3000);
	assert_ok(store_put(s, &first.seg, buf_bytes(&first.record), pin, &err), &err);
	assert_ok(store_sync(s, &err), &err);
	uint64_t n = fill(s, shape);
	assert_fails(store_sync(s, &err), &err, ERR_FULL);
	take_rest(ballast);
	uint64_t before = store_bytes(s);
	assert_ok(store_prune(s, false, &gone, &err), &err);
	assert_true(gone.packs > 0);
	assert_int_equal(gone.bytes + gone.kept_bytes, before);
	assert_true(gone.kept_bytes >= 3000);
	assert_int_equal(sample_count(s, 100001, 1, 3000), 1); /* the job's pack */
	/* All of it can be put again, and what is there is what is on the disk. */
	for (uint64_t i = 0; i < n / 2; i++)
		sample_put(s, 2 * i + 1, shape->n, shape->len);
	assert_ok(store_sync(s, &err), &err);
	store_pin_end(s, pin, false);
	struct store_stats stats = fixture_stats(s);
	assert_int_equal(stats.damaged, 0);
	check_first(domain, s, n / 2, shape);
	store_close(s);
	s = fixture_open(domain);
	check_first(domain, s, n / 2, shape);
	assert_int_equal(fixture_stats(s).stored_bytes, stats.stored_bytes);
	assert_int_equal(sample_count(s, 100001, 1, 3000), 1);
	store_close(s);
	sample_done(&first);
}

/* After a start there is no log yet that could be written over: the first file has to go first. */
static void prune_without_a_log(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct store_pruned gone = { 0 };
	struct store *s = fixture_open(domain);
	store_set_limits(s, &small_packs);
	for (uint64_t i = 0; i < 20; i++)
		sample_put(s, 2 * i + 1, shape->n, shape->len);
	assert_ok(store_sync(s, &err), &err);
	store_close(s);
	take_rest(ballast);
	s = fixture_open(domain);
	check_first(domain, s, 20, shape);
	assert_ok(store_prune(s, false, &gone, &err), &err);
	assert_int_equal(store_bytes(s), 0);
	assert_int_equal(fixture_stats(s).chunks, 0);
	for (uint64_t i = 0; i < 5; i++)
		sample_put(s, 2 * i + 1, shape->n, shape->len);
	assert_ok(store_sync(s, &err), &err);
	store_close(s);
	s = fixture_open(domain);
	check_first(domain, s, 5, shape);
	store_close(s);
}

/* A job that has ended keeps nothing, even if there is no room to write that down, and one who
 * reads what is given up does not keep its space. */
static void prune_after_a_job(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct store_pruned gone = { 0 };
	struct digest owner = digest_of("job", 3);
	struct store_pin *pin;
	struct store *s = fixture_open(domain);
	struct store_reader *r = fixture_reader(domain);
	store_set_limits(s, &small_packs);
	assert_ok(store_pin_begin(s, &owner, &pin, &err), &err);
	for (uint64_t i = 0; i < 20; i++) {
		struct sample sample;
		sample_make(&sample, 2 * i + 1, shape->n, shape->len);
		assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err);
		sample_done(&sample);
	}
	assert_ok(store_sync(s, &err), &err);
	for (uint64_t i = 0; i < 20; i++)
		sample_check(s, r, 2 * i + 1, shape->n, shape->len);
	store_close(s);
	take_rest(ballast);
	s = fixture_open(domain);
	assert_ok(store_pin_begin(s, &owner, &pin, &err), &err);
	store_pin_end(s, pin, true);
	assert_ok(store_prune(s, false, &gone, &err), &err);
	assert_int_equal(gone.kept_bytes, 0);
	assert_int_equal(store_bytes(s), 0);
	store_reader_free(r);
	store_close(s);
}

static void on_a_full_disk_prune_still_makes_room(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=24m", 4096, 200, 3000 }, prune_full);
	with_small_disk(&(struct shape){ "size=24m", 4096, SEGMENT_CHUNKS_MAX, 64 }, prune_full);
	with_small_disk(&(struct shape){ "size=24m", 4096, 200, 3000 }, prune_without_a_log);
	with_small_disk(&(struct shape){ "size=24m", 4096, 200, 3000 }, prune_after_a_job);
}

/* With a floor the disk never gets as full as that, and old packs make room for new ones. */
static void keep_the_floor(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct statvfs fs;
	struct store *s = fixture_open(domain);
	const uint64_t floor_free = 6 << 20;
	store_set_limits(s, &(struct store_limits){ 64 << 20, floor_free });
	for (uint64_t i = 0; i < 100; i++) {
		sample_put(s, 2 * i + 1, shape->n, shape->len);
		assert_int_equal(statvfs(ballast, &fs), 0);
		/* The index may take a little of it. */
		assert_true(fs.f_bavail * fs.f_frsize > floor_free - (1 << 20));
	}
	assert_ok(store_sync(s, &err), &err);
	assert_int_equal(sample_count(s, 1, shape->n, shape->len), 0);
	assert_int_equal(sample_count(s, 2 * 99 + 1, shape->n, shape->len), shape->n);
	store_close(s);
}

static void old_packs_make_room_above_the_floor(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=24m", 4096, 200, 3000 }, keep_the_floor);
}

/* Others take the last block while records wait for their sync: the rows of these are lost, room is
 * made, and what is acknowledged then is in the index, too. */
static void fill_by_others(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct store *s = fixture_open(domain);
	store_set_limits(s, &small_packs);
	for (uint64_t i = 0; i < 20; i++)
		sample_put(s, 2 * i + 1, shape->n, shape->len);
	assert_ok(store_sync(s, &err), &err);
	store_close(s);
	s = fixture_open(domain);
	store_set_limits(s, &(struct store_limits){ 64 << 20, 1 << 20 });
	for (uint64_t i = 20; i < 23; i++)
		sample_put(s, 2 * i + 1, shape->n, shape->len);
	take_rest(ballast);
	for (uint64_t i = 23; i < 25; i++)
		sample_put(s, 2 * i + 1, shape->n, shape->len);
	assert_ok(store_sync(s, &err), &err);
	assert_int_equal(sample_count(s, 1, shape->n, shape->len), 0); /* made the room */
	for (int opening = 0; opening < 2; opening++) {
		struct store_reader *r = fixture_reader(domain);
		for (uint64_t i = 20; i < 25; i++)
			sample_check(s, r, 2 * i + 1, shape->n, shape->len);
		store_reader_free(r);
		store_close(s);
		s = fixture_open(domain);
	}
	store_close(s);
}

static void what_is_acknowledged_after_others_filled_the_disk_is_found(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=40m", 4096, 16, 65536 }, fill_by_others);
}

static void no_problem(void *ctx, const char *text)
{
	(void)ctx;
	fail_msg("%s", text);
}

/* A pack whose rows are lost is no pack with bytes that are none. */
static void check_what_lost_its_rows(
	const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct digest owner = digest_of("job", 3);
	struct store_pin *pin;
	uint64_t gone = 1;
	bool done = false;
	struct store *s = fixture_open(domain);
	store_set_limits(s, &small_packs);
	assert_ok(store_pin_begin(s, &owner, &pin, &err), &err);
	for (uint64_t i = 0; i < 6; i++) { /* the last two open the second pack */
		struct sample sample;
		sample_make(&sample, 2 * i + 1, shape->n, shape->len);
		assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), pin, &err), &err);
		sample_done(&sample);
		if (i == 0)
			assert_ok(store_sync(s, &err), &err);
	}
	take_rest(ballast);
	assert_ok(store_give_up_oldest(s, &gone, &err), &err);
	assert_int_equal(gone, 0); /* but the rows had to go for it */
	unlink(ballast);
	struct store_check *c = store_check_new(s, true, &err);
	assert_non_null(c);
	while (!done)
		assert_ok(store_check_step(c, no_problem, NULL, &done, &err), &err);
	store_check_free(c);
	assert_ok(store_sync(s, &err), &err);
	check_first(domain, s, 6, shape);
	store_pin_end(s, pin, true);
	store_close(s);
}

static void a_check_makes_lost_rows_again_first(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=24m", 4096, 16, 65536 }, check_what_lost_its_rows);
}

/* What takes damage out fills the disk, and SQLite throws away what others had put before. */
static void drop_on_full(const char *domain, const char *ballast, const struct shape *shape)
{
	enum { SYNCED = 5, ALL = 30 };
	struct err err = { 0 };
	struct store_place at = { .pack = 1 };
	uint64_t dropped;
	struct store *s = fixture_open(domain);
	for (uint64_t i = 0; i < ALL; i++) {
		sample_put(s, 2 * i + 1, shape->n, shape->len);
		if (i == SYNCED - 1)
			assert_ok(store_sync(s, &err), &err);
	}
	fixture_flip(fixture_path(domain, FIXTURE_PACK1), 1000, 1); /* in the first record */
	take_rest(ballast);
	assert_fails(store_drop_damaged(s, &at, &dropped, &err), &err, ERR_FULL);
	unlink(ballast);
	sample_put(s, 100000, 1, 3000);
	assert_ok(store_sync(s, &err), &err);
	for (int opening = 0; opening < 2; opening++) {
		struct store_reader *r = fixture_reader(domain);
		for (uint64_t i = 1; i < ALL; i++)
			sample_check(s, r, 2 * i + 1, shape->n, shape->len);
		store_reader_free(r);
		store_close(s);
		s = fixture_open(domain);
	}
	store_close(s);
}

static void a_repair_that_fills_the_disk_costs_nothing_that_was_put(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=128m", 4096, SEGMENT_CHUNKS_MAX, 16 }, drop_on_full);
}

/* --- no inodes --- */

static size_t take_inodes(const char *ballast)
{
	char name[300];
	for (size_t n = 0;; n++) {
		snprintf(name, sizeof name, "%s-%zu", ballast, n);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0) {
			assert_int_equal(errno, ENOSPC);
			return n;
		}
		close(fd);
	}
}

static void give_inodes(const char *ballast, size_t n)
{
	char name[300];
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s-%zu", ballast, i);
		assert_int_equal(unlink(name), 0);
	}
}

static void use_no_inodes(const char *domain, const char *ballast, const struct shape *shape)
{
	struct err err = { 0 };
	struct sample sample;
	struct store *s = NULL;
	size_t n = take_inodes(ballast);
	/* The directory. */
	assert_fails(store_open(domain, &s, &err), &err, ERR_FULL);
	give_inodes(ballast, n);
	s = fixture_open(domain);
	/* The first pack. */
	n = take_inodes(ballast);
	sample_make(&sample, 1, shape->n, shape->len);
	assert_fails(
		store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err), &err, ERR_FULL);
	give_inodes(ballast, n);
	assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err), &err);
	sample_done(&sample);
	assert_ok(store_sync(s, &err), &err);
	store_close(s);
	/* The index's log. */
	n = take_inodes(ballast);
	assert_fails(store_open(domain, &s, &err), &err, ERR_FULL);
	give_inodes(ballast, n);
	s = fixture_open(domain);
	check_first(domain, s, 1, shape);
	store_close(s);
}

static void without_inodes_nothing_is_lost(void **state)
{
	(void)state;
	with_small_disk(&(struct shape){ "size=24m,nr_inodes=40", 4096, 10, 3000 }, use_no_inodes);
}

RUN_TESTS(TEST(a_full_disk_costs_nothing_that_was_put),
	TEST(a_disk_full_for_the_index_costs_nothing_either),
	TEST(on_a_full_disk_prune_still_makes_room), TEST(old_packs_make_room_above_the_floor),
	TEST(what_is_acknowledged_after_others_filled_the_disk_is_found),
	TEST(a_check_makes_lost_rows_again_first),
	TEST(a_repair_that_fills_the_disk_costs_nothing_that_was_put),
	TEST(without_inodes_nothing_is_lost))
