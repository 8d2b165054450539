#include "common/base/file.h"
#include "common/base/file_new.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A path in the test's directory; valid until the next but three calls. */
static const char *in(void **state, const char *name)
{
	static char paths[4][200];
	static size_t turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", (const char *)*state, name);
	return path;
}

static size_t count_files(void **state)
{
	DIR *dir = opendir(*state);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

static void what_is_written_is_read_back(void **state)
{
	struct err err = { 0 };
	struct stat st;
	struct buf b;

	buf_init(&b, 100);
	buf_append(&b, "old", 3);
	assert_ok(file_replace(in(state, "f"), 0640, "hello", 5, &err), &err);
	assert_ok(file_read(in(state, "f"), &b, &err), &err);
	assert_int_equal(buf_len(&b), 5);
	assert_memory_equal(buf_bytes(&b), "hello", 5);
	assert_int_equal(stat(in(state, "f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_ok(file_replace(in(state, "f"), 0600, NULL, 0, &err), &err);
	assert_ok(file_read(in(state, "f"), &b, &err), &err);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(count_files(state), 1);
	buf_done(&b);
}

static void a_file_may_be_as_large_as_the_buffer_and_no_larger(void **state)
{
	struct err err = { 0 };
	struct buf b;
	char *big = calloc(1, 40000);

	assert_non_null(big);
	buf_init(&b, 39999);
	assert_ok(file_replace(in(state, "f"), 0600, big, 39999, &err), &err);
	assert_ok(file_read(in(state, "f"), &b, &err), &err);
	assert_int_equal(buf_len(&b), 39999);
	assert_ok(file_replace(in(state, "f"), 0600, big, 40000, &err), &err);
	assert_fails(file_read(in(state, "f"), &b, &err), &err, ERR_LIMIT);
	assert_int_equal(buf_len(&b), 0);
	buf_done(&b);
	free(big);
}

static void a_missing_file_is_told_apart(void **state)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 10);
	assert_fails(file_read(in(state, "none"), &b, &err), &err, ERR_NOT_FOUND);
	assert_fails(file_read(*state, &b, &err), &err, ERR_IO);
	assert_fails(file_check_private(in(state, "none"), &err), &err, ERR_NOT_FOUND);
	assert_ok(file_remove(in(state, "none"), &err), &err);
	buf_done(&b);
}

static void a_failed_replacement_leaves_the_old_file_and_no_temporary(void **state)
{
	struct err err = { 0 };

	assert_ok(file_make_dir(in(state, "f"), 0700, &err), &err);
	assert_fails(file_replace(in(state, "f"), 0600, "new", 3, &err), &err, ERR_IO);
	assert_int_equal(count_files(state), 1);
	assert_fails(file_replace(in(state, "no/f"), 0600, "new", 3, &err), &err, ERR_IO);
}

static void what_a_killed_replacement_left_is_dropped(void **state)
{
	struct err err = { 0 };
	struct stat st;

	assert_ok(file_replace(in(state, "kept"), 0600, "x", 1, &err), &err);
	assert_ok(file_replace(in(state, "kept.tmp.abcdef"), 0600, "x", 1, &err), &err);
	file_drop_temporaries(*state);
	file_drop_temporaries(in(state, "missing"));
	assert_int_equal(stat(in(state, "kept"), &st), 0);
	assert_int_equal(stat(in(state, "kept.tmp.abcdef"), &st), -1);
}

static void removing_removes(void **state)
{
	struct err err = { 0 };

	assert_ok(file_replace(in(state, "f"), 0600, "x", 1, &err), &err);
	assert_ok(file_remove(in(state, "f"), &err), &err);
	assert_int_equal(count_files(state), 0);
}

static void directories_are_made_with_their_parents(void **state)
{
	struct err err = { 0 };
	struct stat st;

	assert_ok(file_make_dir(in(state, "a//b/c/"), 0700, &err), &err);
	assert_int_equal(stat(in(state, "a/b/c"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(file_make_dir(in(state, "a/b/c"), 0755, &err), &err);
	assert_int_equal(stat(in(state, "a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(file_replace(in(state, "plain"), 0600, "x", 1, &err), &err);
	assert_fails(file_make_dir(in(state, "plain"), 0700, &err), &err, ERR_IO);
	assert_fails(file_make_dir(in(state, "plain/under"), 0700, &err), &err, ERR_IO);
}

static void bytes_land_at_their_offset_and_short_files_are_corrupt(void **state)
{
	struct err err = { 0 };
	char got[4] = "";
	int fd = open(in(state, "f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_ok(file_write_at(fd, "abcd", 4, 6, &err), &err);
	assert_ok(file_read_at(fd, got, 4, 6, &err), &err);
	assert_memory_equal(got, "abcd", 4);
	assert_ok(file_read_at(fd, got, 0, 99, &err), &err);
	assert_fails(file_read_at(fd, got, 4, 7, &err), &err, ERR_CORRUPT);
	assert_fails(file_read_at(fd, got, 4, UINT64_MAX, &err), &err, ERR_CORRUPT);
	assert_fails(file_write_at(fd, got, 4, INT64_MAX, &err), &err, ERR_LIMIT);
	close(fd);
}

static void a_lock_is_held_by_one_and_freed_by_closing(void **state)
{
	struct err err = { 0 };
	int first, second = -7;

	assert_ok(file_lock(in(state, "lock"), &first, &err), &err);
	assert_fails(file_lock(in(state, "lock"), &second, &err), &err, ERR_REFUSED);
	assert_int_equal(second, -7);
	close(first);
	assert_ok(file_lock(in(state, "lock"), &second, &err), &err);
	close(second);
}

static void a_secret_that_others_may_touch_is_refused(void **state)
{
	static const mode_t wrong[] = { 0640, 0604, 0620, 0601, 0610, 0666 };
	const char *path = in(state, "secret");
	struct err err = { 0 };

	assert_ok(file_replace(path, 0600, "s", 1, &err), &err);
	assert_ok(file_check_private(path, &err), &err);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(chmod(path, wrong[i]), 0);
		assert_fails(file_check_private(path, &err), &err, ERR_REFUSED);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_ok(file_check_private(path, &err), &err);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		assert_fails(file_check_private(path, &err), &err, ERR_REFUSED);
	}
}

static void paths_are_joined_with_one_slash(void **state)
{
	char *path = file_join("a", "b");

	(void)state;
	assert_string_equal(path, "a/b");
	free(path);
	path = file_join("/", "b");
	assert_string_equal(path, "/b");
	free(path);
}

static void a_file_that_is_not_kept_leaves_nothing_and_one_that_is_there_stays(void **state)
{
	struct err err = { 0 };
	struct file_new f;

	assert_ok(file_replace(in(state, "f"), 0600, "old", 3, &err), &err);
	assert_ok(file_new_open(&f, in(state, "f"), &err), &err);
	assert_int_equal(file_new_keep(&f, false, true, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(count_files(state), 2);
	file_new_drop(&f);
	file_new_drop(&f);
	assert_int_equal(count_files(state), 1);
	assert_ok(file_new_open(&f, in(state, "g"), &err), &err);
	assert_ok(file_new_keep(&f, false, true, &err), &err);
	file_new_drop(&f);
	assert_int_equal(count_files(state), 2);
}

#define IN_DIR(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(IN_DIR(what_is_written_is_read_back),
	IN_DIR(a_file_may_be_as_large_as_the_buffer_and_no_larger),
	IN_DIR(a_missing_file_is_told_apart),
	IN_DIR(a_file_that_is_not_kept_leaves_nothing_and_one_that_is_there_stays),
	IN_DIR(a_failed_replacement_leaves_the_old_file_and_no_temporary),
	IN_DIR(what_a_killed_replacement_left_is_dropped), IN_DIR(removing_removes),
	IN_DIR(directories_are_made_with_their_parents),
	IN_DIR(bytes_land_at_their_offset_and_short_files_are_corrupt),
	IN_DIR(a_lock_is_held_by_one_and_freed_by_closing),
	IN_DIR(a_secret_that_others_may_touch_is_refused), TEST(paths_are_joined_with_one_slash))
