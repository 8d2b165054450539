/* A disk that fails: the linker puts this file's calls in the place of the system's. */
#include "common/store/check.h"
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fail_after = -1; /* this many succeed, then one fails; -1: all succeed */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	if (fail_after >= 0 && fail_after-- == 0) {
		errno = EIO;
		return -1;
	}
	return __real_fdatasync(fd);
}

static bool no_heads; /* the first bytes of packs can be neither read nor written */

ssize_t __real_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __real_pwrite64(int fd, const void *from, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at);

ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at)
{
	if (!no_heads || at > 0)
		return __real_pread64(fd, to, n, at);
	errno = EIO;
	return -1;
}

ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at)
{
	if (!no_heads || at > 0)
		return __real_pwrite64(fd, from, n, at);
	errno = EIO;
	return -1;
}

static void after_a_failed_sync_nothing_more_is_written(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	struct err err = { 0 };
	struct sample sample;
	sample_put(s, 1, 2, 100);
	assert_ok(store_sync(s, &err), &err);
	uint64_t durable = fixture_size(fixture_path(dir, FIXTURE_PACK1));
	sample_put(s, 2, 2, 100);
	fail_after = 0;
	assert_fails(store_sync(s, &err), &err, ERR_IO);
	/* What was not durable is no longer found, here and after reopening. */
	assert_int_equal(sample_count(s, 2, 2, 100), 0);
	assert_int_equal(fixture_size(fixture_path(dir, FIXTURE_PACK1)), durable);
	assert_int_equal(store_unsynced(s), 0);
	sample_check(s, r, 1, 2, 100);
	sample_make(&sample, 3, 2, 100);
	assert_fails(
		store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err), &err, ERR_IO);
	assert_fails(store_sync(s, &err), &err, ERR_IO);
	sample_done(&sample);
	store_close(s);
	s = fixture_open(dir);
	assert_int_equal(sample_count(s, 2, 2, 100), 0);
	sample_check(s, r, 1, 2, 100);
	sample_put(s, 2, 2, 100);
	assert_ok(store_sync(s, &err), &err);
	sample_check(s, r, 2, 2, 100);
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

static void a_sync_that_fails_at_opening_is_an_error(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	sample_put(s, 1, 2, 100);
	store_close(s); /* not synced: replayed, and made durable, at the next opening */
	fail_after = 0;
	assert_fails(store_open(dir, &s, &err), &err, ERR_IO);
	s = fixture_open(dir);
	assert_int_equal(sample_count(s, 1, 2, 100), 2);
	store_close(s);
	fixture_remove(dir);
}

static void a_full_pack_whose_sync_fails_stops_the_store(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct sample sample;
	uint64_t i = 0;
	sample_put(s, 100001, 1, 10);
	assert_ok(store_sync(s, &err), &err);
	while (fixture_stats(s).stored_bytes < 64u << 20)
		sample_put(s, 2 * i++ + 1, 1, SEGMENT_RAW_MAX);
	sample_make(&sample, 3, 2, 100);
	fail_after = 0;
	assert_fails(
		store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err), &err, ERR_IO);
	assert_int_equal(fixture_stats(s).chunks, 1);
	sample_done(&sample);
	store_close(s);
	s = fixture_open(dir);
	assert_int_equal(sample_count(s, 100001, 1, 10), 1);
	assert_int_equal(fixture_stats(s).chunks, 1);
	store_close(s);
	fixture_remove(dir);
}

static void on_problem(void *ctx, const char *text)
{
	(void)text;
	++*(unsigned *)ctx;
}

static void a_head_that_cannot_be_read_costs_nothing_else(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	unsigned problems = 0;
	bool done = false;
	sample_put(s, 1, 2, 100);
	assert_ok(store_sync(s, &err), &err);
	no_heads = true;
	assert_ok(store_rebuild_index(s, &err), &err);
	assert_int_equal(sample_count(s, 1, 2, 100), 2);
	assert_int_equal(fixture_stats(s).damaged, 1);
	struct store_check *c = store_check_new(s, true, &err);
	assert_non_null(c);
	while (!done)
		assert_ok(store_check_step(c, on_problem, &problems, &done, &err), &err);
	assert_int_equal(problems, 1);
	assert_int_equal(store_check_report(c)->damaged_segments, 0);
	store_check_free(c);
	store_close(s);
	unlink(fixture_path(dir, "index.db"));
	s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	sample_check(s, r, 1, 2, 100);
	sample_put(s, 2, 2, 100);
	assert_ok(store_sync(s, &err), &err);
	no_heads = false;
	sample_check(s, r, 2, 2, 100);
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

RUN_TESTS(TEST(a_head_that_cannot_be_read_costs_nothing_else),
	TEST(after_a_failed_sync_nothing_more_is_written),
	TEST(a_sync_that_fails_at_opening_is_an_error),
	TEST(a_full_pack_whose_sync_fails_stops_the_store))
