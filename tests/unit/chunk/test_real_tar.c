/* Tars written by the system's tar, in each of its formats. */
#include "common/chunk/limits.h"
#include "common/chunk/tar_scan.h"
#include "tests/support/test.h"
#include "tests/unit/chunk/kept.h"
#include "tests/unit/chunk/samples.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The files, in the order in which tar writes them. */
static const size_t sizes[] = { 0, 1, 64, 65, 511, 512, 513, 30000, 200000 };

static uint8_t contents[200000];
static char dir[] = "/tmp/dray-tar-XXXXXX";

static void fill(size_t i)
{
	samples_random(contents, sizes[i], i);
}

static void put_file(const char *name, const void *bytes, size_t n)
{
	FILE *f = fopen(name, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int run(const char *const *argv)
{
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char **)argv, environ) != 0 ||
		waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* A directory with those files, some of whose names do not fit a header's 100 bytes, and links. */
static int make_tree(void **state)
{
	char name[160];

	(void)state;
	if (!mkdtemp(dir) || chdir(dir) != 0 || mkdir("t", 0755) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(name, sizeof(name), "t/%zu-%0*d", i, i % 2 ? 5 : 60, 0);
		if (i % 2 == 0) {
			if (mkdir(name, 0755) != 0)
				return -1;
			snprintf(name, sizeof(name), "t/%zu-%060d/%060d", i, 0, 0);
		}
		fill(i);
		put_file(name, contents, sizes[i]);
		if (i == 5 && link(name, "t/5-hard") != 0)
			return -1;
	}
	if (symlink("somewhere", "t/5-symbolic") != 0)
		return -1;
	return mkdir("t/6-directory", 0755);
}

static int remove_tree(void **state)
{
	const char *argv[] = { "rm", "-rf", dir, NULL };

	(void)state;
	return chdir("/") == 0 ? run(argv) : -1;
}

static void read_file(const char *name, struct buf *to)
{
	FILE *f = fopen(name, "rb");
	size_t max = 4u << 20;

	assert_non_null(f);
	buf_init(to, max);
	buf_commit(to, fread(buf_reserve(to, max), 1, max, f));
	fclose(f);
}

static void run_tar(const char *format, const char *sparse, struct buf *to)
{
	const char *argv[] = { "tar", "--sort=name", format, "-cf", "out.tar", "t", sparse, NULL };

	assert_int_equal(run(argv), 0);
	read_file("out.tar", to);
}

static const char *const formats[] = { "--format=ustar", "--format=pax", "--format=gnu",
	"--format=oldgnu" };

/* The borders of the next file's contents; false at the end of the tar. */
static bool next_file(struct tar_scan *t, const struct buf *tar, size_t *at, size_t *ret_from)
{
	bool started = false;

	while (*at < buf_len(tar)) {
		enum tar_part part;
		bool ends;
		size_t k = tar_scan_next(t, buf_bytes(tar) + *at, buf_len(tar) - *at, &part, &ends);

		if (part == TAR_FILE && !started) {
			started = true;
			*ret_from = *at;
		}
		*at += k;
		if (ends)
			return true;
	}
	return false;
}

static void the_contents_of_every_file_are_found_in_every_format(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
		struct buf tar CLEANUP(buf_done);
		struct tar_scan *t = tar_scan_new();
		size_t at = 0, from = 0;

		run_tar(formats[f], NULL, &tar);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			if (sizes[i] <= INLINE_FILE_MAX)
				continue;
			assert_true(next_file(t, &tar, &at, &from));
			assert_int_equal(at - from, sizes[i]);
			fill(i);
			assert_memory_equal(buf_bytes(&tar) + from, contents, sizes[i]);
		}
		assert_false(next_file(t, &tar, &at, &from));
		tar_scan_free(t);
	}
}

static void every_format_is_rebuilt_and_shares_the_files(void **state)
{
	struct kept first CLEANUP(kept_done), k CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done);

	(void)state;
	run_tar(formats[0], NULL, &tar);
	kept_split(&first, true, buf_bytes(&tar), buf_len(&tar), 4096);
	kept_assert_rebuilds(&first, buf_bytes(&tar), buf_len(&tar));
	for (size_t f = 1; f < 3; f++) {
		buf_done(&tar);
		run_tar(formats[f], NULL, &tar);
		kept_split(&k, true, buf_bytes(&tar), buf_len(&tar), 4096);
		kept_assert_rebuilds(&k, buf_bytes(&tar), buf_len(&tar));
		assert_int_equal(kept_new_bytes(&k, &first, STREAM_MAIN), 0);
		kept_done(&k);
	}
}

#define SPARSE_AFTER 7 /* index in sizes of the file that comes before it */

/* A file of twelve pieces of 4 KiB between holes: more than fit into a GNU header. */
static void put_sparse_file(void)
{
	int fd = open("t/7-sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	samples_random(contents, 4096, 77);
	for (int i = 0; i < 12; i++)
		assert_int_equal(pwrite(fd, contents, 4096, (off_t)i * 262144), 4096);
	assert_int_equal(ftruncate(fd, 13 * 262144), 0);
	assert_int_equal(close(fd), 0);
}

static void files_with_holes_do_not_lose_the_scanner(void **state)
{
	(void)state;
	put_sparse_file();
	for (size_t f = 1; f < 3; f++) { /* pax and gnu know holes */
		struct buf tar CLEANUP(buf_done);
		struct kept k CLEANUP(kept_done);
		struct tar_scan *t = tar_scan_new();
		size_t at = 0, from = 0;

		run_tar(formats[f], "--sparse", &tar);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			if (sizes[i] <= INLINE_FILE_MAX)
				continue;
			assert_true(next_file(t, &tar, &at, &from));
			assert_int_equal(at - from, sizes[i]);
			if (i != SPARSE_AFTER)
				continue;
			assert_true(next_file(t, &tar, &at, &from));
			/* In pax a map of one block comes before the pieces. */
			assert_int_equal(at - from, 12 * 4096 + (f == 1 ? 512 : 0));
			assert_memory_equal(buf_bytes(&tar) + at - 4096, contents, 4096);
		}
		assert_false(next_file(t, &tar, &at, &from));
		tar_scan_free(t);
		kept_split(&k, true, buf_bytes(&tar), buf_len(&tar), 1000);
		kept_assert_rebuilds(&k, buf_bytes(&tar), buf_len(&tar));
	}
	assert_int_equal(unlink("t/7-sparse"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_contents_of_every_file_are_found_in_every_format),
		TEST(every_format_is_rebuilt_and_shares_the_files),
		TEST(files_with_holes_do_not_lose_the_scanner),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
