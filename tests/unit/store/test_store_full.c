/* A full disk: a small file system of its own. */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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
		int r = store_put(s, &sample.seg, buf_bytes(&sample.record), &err);
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

RUN_TESTS(TEST(a_full_disk_costs_nothing_that_was_put),
	TEST(a_disk_full_for_the_index_costs_nothing_either))
