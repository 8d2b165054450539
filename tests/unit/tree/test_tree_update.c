#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/tree_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Makes `to` what `from` is; returns what the restore says. */
static struct tree_report update(const char *from, const char *to)
{
	struct buf tar CLEANUP(buf_done);
	const struct tree_restore_config config = tree_config(to, true);
	struct tree_report report;
	struct err err;

	tree_to_tar(from, &tar);
	assert_ok(
		tree_from_tar(&config, buf_bytes(&tar), buf_len(&tar), 10000, &report, &err), &err);
	sample_trees_equal(from, to);
	return report;
}

static ino_t inode_of(const char *root, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(sample_path(root, "%s", name), &st), 0);
	return st.st_ino;
}

static void what_is_the_same_is_left_and_what_changed_is_written(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");
	struct tree_report report;
	ino_t big, last;

	sample_tree_make(from);
	report = update(from, to);
	assert_int_equal(report.files_left, 0);
	assert_int_equal(report.deleted, 0);
	last = inode_of(to, "hole last");
	big = inode_of(to, "one block");

	report = update(from, to);
	/* Files with several names are made anew. */
	assert_int_equal(report.files_written, 2);
	assert_true(report.files_left >= 15);
	assert_int_equal(inode_of(to, "hole last"), last);

	/* The same size, and one byte that differs, at the end; and other attributes alone. */
	sample_write_at(sample_path(from, "one block"), "!", 1, 511);
	assert_int_equal(chmod(sample_path(from, "one block"), 0600), 0);
	assert_int_equal(chmod(sample_path(from, "hole last"), 0640), 0);
	assert_int_equal(setxattr(sample_path(from, "hole last"), "user.new", "n", 1, 0), 0);
	assert_int_equal(removexattr(sample_path(from, "one block"), "user.nul"), 0);
	report = update(from, to);
	assert_int_equal(report.files_written, 3);
	assert_int_equal(inode_of(to, "hole last"), last);
	assert_int_not_equal(inode_of(to, "one block"), big);
}

static void holes_that_were_filled_or_made_are_seen(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");
	static uint8_t zeros[1 << 16];

	sample_write_at(sample_path(from, "a"), "x", 1, 1 << 20);
	sample_write_at(sample_path(from, "b"), "y", 1, 1 << 20);
	update(from, to);
	/* Zeros where a hole was, and a hole where bytes were: the lists tell these apart. */
	sample_write_at(sample_path(from, "a"), zeros, sizeof(zeros), 1 << 19);
	update(from, to);
	assert_int_equal(truncate(sample_path(from, "b"), 0), 0);
	assert_int_equal(truncate(sample_path(from, "b"), (1 << 20) + 1), 0);
	update(from, to);
}

static void what_is_gone_is_deleted(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");
	struct tree_report report;

	sample_file(from, "m", "kept", 4);
	free(sample_dir(from, "dir"));
	sample_file(from, "dir/m", "kept", 4);
	update(from, to);
	sample_file(to, "a", "x", 1);
	sample_file(to, ".dray-0123456789abcdef", "left by a restore that was killed", 10);
	sample_file(to, "dir/a", "x", 1);
	sample_file(to, "dir/z", "x", 1);
	free(sample_dir(to, "z"));
	free(sample_dir(to, "z/z"));
	sample_file(to, "z/z/z", "x", 1);
	assert_int_equal(symlink("/etc", sample_path(to, "z/link")), 0);
	report = update(from, to);
	assert_int_equal(report.deleted, 8);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

/* `kind` 0 to 4: nothing, file, directory with something in it, link, pipe. */
static void make_kind(const char *root, const char *name, int kind)
{
	char child[32];

	switch (kind) {
	case 1:
		sample_file(root, name, "a file", 6);
		break;
	case 2:
		free(sample_dir(root, name));
		snprintf(child, sizeof(child), "%s/child", name);
		sample_file(root, child, "x", 1);
		break;
	case 3:
		assert_int_equal(symlink("child", sample_path(root, "%s", name)), 0);
		break;
	case 4:
		assert_int_equal(mkfifo(sample_path(root, "%s", name), 0600), 0);
		break;
	default:
		break;
	}
}

static void anything_becomes_anything_else(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");
	char name[] = "aa";

	for (int was = 0; was < 5; was++) {
		for (int is = 0; is < 5; is++) {
			name[0] = (char)('a' + was);
			name[1] = (char)('a' + is);
			make_kind(to, name, was);
			make_kind(from, name, is);
		}
	}
	update(from, to);
}

static void hard_links_are_tied_and_untied(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");

	sample_file(from, "a", "same", 4);
	sample_file(from, "b", "same", 4);
	assert_int_equal(link(sample_path(from, "b"), sample_path(from, "c")), 0);
	sample_file(to, "a", "same", 4);
	assert_int_equal(link(sample_path(to, "a"), sample_path(to, "b")), 0);
	assert_int_equal(link(sample_path(to, "a"), sample_path(to, "c")), 0);
	update(from, to);
	/* A name elsewhere of a file here keeps what it had. */
	sample_file(*state, "elsewhere", "same", 4);
	assert_int_equal(unlink(sample_path(to, "a")), 0);
	assert_int_equal(link(sample_path(*state, "elsewhere"), sample_path(to, "a")), 0);
	assert_int_equal(chmod(sample_path(from, "a"), 0400), 0);
	update(from, to);
	struct stat st;
	assert_int_equal(stat(sample_path(*state, "elsewhere"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

/* --- somebody who swaps a directory for a link to elsewhere, again and again --- */

struct swapper {
	char *root;
	atomic_bool stop;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;
	CLEANUP(cleanup_free) char *dir = strdup(sample_path(s->root, "d"));
	CLEANUP(cleanup_free) char *link = strdup(sample_path(s->root, "../link"));

	while (!atomic_load(&s->stop))
		renameat2(AT_FDCWD, dir, AT_FDCWD, link, RENAME_EXCHANGE);
	return NULL;
}

static void who_swaps_a_directory_for_a_link_gets_nothing_written_elsewhere(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");
	CLEANUP(cleanup_free) char *outside = sample_dir(*state, "outside");
	const struct tree_restore_config config = tree_config(to, true);
	struct swapper s = { .root = to };
	struct buf tar CLEANUP(buf_done), before CLEANUP(buf_done), after CLEANUP(buf_done);
	pthread_t thread;
	struct err err;

	free(sample_dir(from, "d"));
	sample_file(from, "d/file", "new", 3);
	sample_mtime(sample_path(from, "d"), 1, 0);
	tree_to_tar(from, &tar);
	sample_file(outside, "file", "old", 3);
	sample_file(outside, "other", "old", 3);
	sample_tree_list(outside, &before);
	free(sample_dir(to, "d"));
	assert_int_equal(symlink("outside", sample_path(*state, "link")), 0);
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	for (int i = 0; i < 2000; i++) {
		/* That it fails now and then is fine. */
		if (tree_from_tar(&config, buf_bytes(&tar), buf_len(&tar), 512, NULL, &err) == 0)
			continue;
		assert_true(err.code == ERR_IO || err.code == ERR_PROTOCOL);
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	sample_tree_list(outside, &after);
	assert_string_equal(buf_bytes(&after), buf_bytes(&before));
}

#define CASE(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(CASE(what_is_the_same_is_left_and_what_changed_is_written),
	CASE(holes_that_were_filled_or_made_are_seen), CASE(what_is_gone_is_deleted),
	CASE(anything_becomes_anything_else), CASE(hard_links_are_tied_and_untied),
	CASE(who_swaps_a_directory_for_a_link_gets_nothing_written_elsewhere))
