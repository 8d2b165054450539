#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/scanned.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void only_what_was_touched_is_read(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;
	char name[32];

	free(sample_dir(p->root, "d"));
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d/file %u", i);
		sample_file(p->root, name, name, i % 32);
		sample_write_at(sample_path(p->root, "%s", name), name, 8, i * 10);
	}
	scan_tree(p, &s);
	scanned_done(&s);
	sample_write_at(sample_path(p->root, "d/file 400"), "changed", 7, 2000);
	sample_file(p->root, "d/file 4000", "new", 3);
	assert_int_equal(unlink(sample_path(p->root, "d/file 3")), 0);
	assert_int_equal(
		rename(sample_path(p->root, "d/file 10"), sample_path(p->root, "d/zz")), 0);
	scan_tree(p, &s);
	/* The renamed one has a new time of change. */
	assert_int_equal(s.report.files_read, 3);
	assert_int_equal(s.report.bytes_read, 4008 + 3 + 108);
	scanned_is_right(p, &s);
	scanned_done(&s);
}

static void new_attributes_are_seen_though_their_file_is_not_changed(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;

	sample_file(p->root, "a", "x", 1);
	scan_tree(p, &s);
	scanned_done(&s);
	assert_int_equal(chmod(sample_path(p->root, "a"), 0600), 0);
	scan_tree(p, &s);
	scanned_is_right(p, &s);
	scanned_done(&s);
}

static void a_change_that_hides_behind_its_old_time_is_seen(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;
	struct stat st;

	sample_file(p->root, "a", "before", 6);
	assert_int_equal(stat(sample_path(p->root, "a"), &st), 0);
	scan_tree(p, &s);
	scanned_done(&s);
	usleep(20000);
	sample_write_at(sample_path(p->root, "a"), "behind", 6, 0);
	sample_mtime(sample_path(p->root, "a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	scan_tree(p, &s);
	assert_int_equal(s.report.files_read, 1);
	scanned_is_right(p, &s);
	scanned_done(&s);
}

static void a_file_that_changed_just_now_is_read_again(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;

	sample_file(p->root, "a", "fresh", 5);
	for (int i = 0; i < 2; i++) {
		scan_tree_with(p, p->cache, false, false, &s);
		assert_int_equal(s.report.files_read, 1);
		scanned_done(&s);
	}
	/* Also one whose time says that it will be changed next year. */
	sample_mtime(sample_path(p->root, "a"), INT64_C(3000000000), 0);
	for (int i = 0; i < 2; i++) {
		scan_tree(p, &s);
		assert_int_equal(s.report.files_read, 1);
		scanned_done(&s);
	}
}

static void a_damaged_cache_is_no_cache(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;
	struct stat st;
	uint8_t byte;
	int fd;

	scan_make_tree(p);
	scan_tree(p, &s);
	scanned_done(&s);
	assert_int_equal(stat(p->cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (off_t at = 0; at < st.st_size; at += at < 200 ? 7 : st.st_size / 7) {
		fd = open(p->cache, O_RDWR | O_CLOEXEC);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		scan_tree(p, &s);
		assert_true(s.report.cache_damaged);
		assert_int_equal(s.report.files_known, 0);
		scanned_done(&s);
	}
	for (off_t n = 0; n < st.st_size; n += st.st_size / 5 + 1) {
		assert_int_equal(truncate(p->cache, n), 0);
		scan_tree(p, &s);
		assert_true(s.report.cache_damaged);
		scanned_done(&s);
	}
	scan_tree(p, &s);
	assert_false(s.report.cache_damaged);
	assert_int_equal(s.report.files_read, 0);
	scanned_is_right(p, &s);
	scanned_done(&s);
}

static void the_cache_of_another_tree_is_no_cache(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;
	CLEANUP(cleanup_free) char *other = strdup(sample_path(p->top, "other"));

	sample_file(p->root, "a", "x", 1);
	scan_tree(p, &s);
	scanned_done(&s);
	sample_run((const char *const[]){ "cp", "-a", p->root, other, NULL });
	sample_run((const char *const[]){ "rm", "-r", p->root, NULL });
	assert_int_equal(rename(other, p->root), 0);
	scan_tree(p, &s);
	assert_true(s.report.cache_damaged);
	assert_int_equal(s.report.files_read, 1);
	scanned_done(&s);
}

static void reread_believes_nothing(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;

	sample_file(p->root, "a", "x", 1);
	scan_tree(p, &s);
	scanned_done(&s);
	scan_tree_with(p, p->cache, true, true, &s);
	assert_int_equal(s.report.files_read, 1);
	scanned_done(&s);
	scan_tree(p, &s);
	assert_int_equal(s.report.files_read, 0);
	scanned_done(&s);
}

static void a_cache_that_cannot_be_written_is_said_and_nothing_else(void **state)
{
	static struct scanned s;
	struct scan_place *p = *state;

	sample_file(p->root, "a", "x", 1);
	scan_tree_with(p, sample_path(p->top, "no such directory/cache"), false, true, &s);
	assert_true(s.report.cache_lost);
	scanned_is_right(p, &s);
	scanned_done(&s);
}

/* Bytes of the chunks of `s` that `before` has not. */
static uint64_t new_bytes(const struct scanned *s, const struct scanned *before)
{
	const struct batch *of;
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t c = 0; c < s->batches[i]->n_chunks; c++)
			if (!scanned_find(before, &s->batches[i]->chunks[c].name, &of))
				sum += s->batches[i]->chunks[c].len;
	return sum;
}

static void a_hundredth_of_a_big_file_costs_little_more_than_itself(void **state)
{
	const uint64_t piece = 1 << 20, size = UINT64_C(300) << 20;
	static struct scanned before, after;
	struct scan_place *p = *state;
	uint8_t *bytes = malloc(piece);
	uint64_t seed = 1;

	/* A piece of data, nine of holes: 30 MB of 300. */
	for (uint64_t at = 0; at < size; at += 10 * piece) {
		for (size_t i = 0; i < piece; i++) {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			bytes[i] = (uint8_t)(seed >> 56);
		}
		sample_write_at(sample_path(p->root, "disk"), bytes, piece, at);
	}
	sample_file(p->root, "other", bytes, 100000);
	scan_tree(p, &before);
	assert_true(before.report.bytes_read < 31 * piece);
	/* 3 MB of it, in three places. */
	memset(bytes, 7, piece);
	for (uint64_t at = 0; at < 30 * piece; at += 10 * piece)
		sample_write_at(sample_path(p->root, "disk"), bytes, piece, at);
	scan_tree(p, &after);
	assert_int_equal(after.report.files_read, 1);
	assert_int_equal(after.report.files_known, 1);
	scanned_is_right(p, &after);
	assert_in_range(new_bytes(&after, &before), 1, 3 * piece + 8 * CHUNK_MAX);
	scanned_done(&before);
	scanned_done(&after);
	free(bytes);
}

#define CASE(name) TEST_WITH(name, scanned_setup, scanned_teardown)

RUN_TESTS(CASE(only_what_was_touched_is_read),
	CASE(new_attributes_are_seen_though_their_file_is_not_changed),
	CASE(a_change_that_hides_behind_its_old_time_is_seen),
	CASE(a_file_that_changed_just_now_is_read_again), CASE(a_damaged_cache_is_no_cache),
	CASE(the_cache_of_another_tree_is_no_cache), CASE(reread_believes_nothing),
	CASE(a_cache_that_cannot_be_written_is_said_and_nothing_else),
	CASE(a_hundredth_of_a_big_file_costs_little_more_than_itself))
