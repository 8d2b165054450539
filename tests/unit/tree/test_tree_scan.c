#include "common/tree/tree_limits.h"
#include "common/tree/tree_links.h"
#include "common/tree/tree_path.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/tree_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void the_same_tree_gives_the_same_bytes(void **state)
{
	struct buf first CLEANUP(buf_done), second CLEANUP(buf_done);
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	CLEANUP(cleanup_free) char *copy = sample_dir(*state, "copy");

	sample_tree_make(root);
	tree_to_tar(root, &first);
	/* Other inodes, another order in the directories, other times of access. */
	sample_run((const char *const[]){ "cp", "-aT", "--sparse=always", root, copy, NULL });
	tree_to_tar(copy, &second);
	assert_int_equal(buf_len(&first), buf_len(&second));
	assert_memory_equal(buf_bytes(&first), buf_bytes(&second), buf_len(&first));
}

static void the_order_is_that_of_the_walk(void **state)
{
	static const char *const walk[] = { "", "a", "a/b", "a/b/c", "a/b-", "a-", "a.", "aa", "b",
		"\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(walk); i++)
		for (size_t k = 0; k < ARRAY_LEN(walk); k++) {
			int order = tree_path_compare(walk[i], walk[k]);

			assert_int_equal(order > 0, i > k);
			assert_int_equal(order < 0, i < k);
		}
}

static void looking_leaves_the_time_of_access_alone(void **state)
{
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	struct buf tar CLEANUP(buf_done);
	struct stat before, after;

	sample_file(root, "a", "x", 1);
	sample_mtime(sample_path(root, "a"), 2000000000, 0); /* and an access long before it */
	assert_int_equal(stat(sample_path(root, "a"), &before), 0);
	tree_to_tar(root, &tar);
	assert_int_equal(stat(sample_path(root, "a"), &after), 0);
	assert_int_equal(before.st_atim.tv_sec, after.st_atim.tv_sec);
}

static void sockets_are_left_out_and_counted(void **state)
{
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct buf tar CLEANUP(buf_done);
	struct tree_report report;
	char text[TREE_SENTENCE_MAX];

	for (int i = 0; i < 2; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		snprintf(at.sun_path, sizeof(at.sun_path), "%s/s%d", root, i);
		assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		close(fd);
	}
	report = tree_to_tar(root, &tar);
	assert_int_equal(report.entries, 1);
	assert_string_equal(tree_note_text(&report, TREE_SOCKET, text),
		"2 sockets were left out, the first one s0");
}

static void what_is_mounted_in_a_tree_is_left_out_and_counted(void **state)
{
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	struct buf tar CLEANUP(buf_done);
	struct tree_report report;

	free(sample_dir(root, "other"));
	free(sample_dir(root, "same"));
	sample_file(root, "file", "x", 1);
	if (!sample_is_root() || unshare(CLONE_NEWNS) != 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		fprintf(stderr, "# mounting is not permitted: skipped\n");
		skip();
	}
	assert_int_equal(mount("none", sample_path(root, "other"), "tmpfs", 0, NULL), 0);
	/* The same file system once more, which no device number tells. */
	assert_int_equal(mount("/etc", sample_path(root, "same"), NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount("/etc/passwd", sample_path(root, "file"), NULL, MS_BIND, NULL), 0);
	report = tree_to_tar(root, &tar);
	assert_int_equal(umount(sample_path(root, "other")), 0);
	assert_int_equal(umount(sample_path(root, "same")), 0);
	assert_int_equal(umount(sample_path(root, "file")), 0);
	assert_int_equal(report.entries, 3);
	assert_int_equal(report.notes[TREE_OTHER_FS].n, 3);
}

/* --- files that change while they are read --- */

struct changer {
	struct buf tar;
	char *path;
	off_t to; /* the size that the file gets when its first bytes have come */
	bool done;
};

static int change(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct changer *c = ctx;

	buf_append(&c->tar, bytes, n);
	if (n > 10000 && !c->done) {
		c->done = true;
		assert_int_equal(truncate(c->path, c->to), 0);
	}
	return buf_ok(&c->tar) ? 0 : err_nomem(err);
}

static void a_file_that_changes_while_it_is_read_is_said_and_the_tar_is_whole(void **state)
{
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	static uint8_t bytes[1000000];

	for (int longer = 0; longer < 2; longer++) {
		CLEANUP(cleanup_free) char *to = sample_dir(*state, longer ? "to1" : "to0");
		const struct tree_scan_config config = { .root = root };
		const struct tree_restore_config into = tree_config(to, false);
		struct changer c = { .to = longer ? 2000000 : 500000 };
		struct tree_scan *t;
		struct stat st;
		struct err err;

		memset(bytes, 'b', sizeof(bytes));
		sample_file(root, "a", bytes, sizeof(bytes));
		sample_file(root, "b", "next", 4);
		c.path = strdup(sample_path(root, "a"));
		buf_init(&c.tar, TREE_TAR_MAX);
		assert_ok(tree_scan_open(&config, &t, &err), &err);
		assert_ok(tree_scan_tar(t, change, &c, &err), &err);
		assert_int_equal(tree_scan_report(t)->notes[TREE_CHANGED].n, 1);
		assert_string_equal(tree_scan_report(t)->notes[TREE_CHANGED].example, "a");
		tree_scan_free(t);
		assert_ok(
			tree_from_tar(&into, buf_bytes(&c.tar), buf_len(&c.tar), 9999, NULL, &err),
			&err);
		assert_int_equal(stat(sample_path(to, "a"), &st), 0);
		assert_int_equal(st.st_size, sizeof(bytes));
		assert_int_equal(stat(sample_path(to, "b"), &st), 0);
		assert_int_equal(st.st_size, 4);
		buf_done(&c.tar);
		free(c.path);
	}
}

/* --- stopping --- */

static int refuse(void *ctx, const void *bytes, size_t n, struct err *err)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	return err_set(err, ERR_FULL, "no room");
}

static void who_takes_the_bytes_can_stop_it_and_so_can_a_flag(void **state)
{
	const atomic_bool stop = true;
	struct tree_scan_config config = { .root = *state };
	struct tree_scan *t;
	struct err err;

	assert_ok(tree_scan_open(&config, &t, &err), &err);
	assert_fails(tree_scan_tar(t, refuse, NULL, &err), &err, ERR_FULL);
	assert_string_equal(err.text, "no room");
	tree_scan_free(t);
	config.stop = &stop;
	assert_ok(tree_scan_open(&config, &t, &err), &err);
	assert_fails(tree_scan_tar(t, refuse, NULL, &err), &err, ERR_INTERRUPTED);
	tree_scan_free(t);
}

static void a_tree_that_is_not_there_is_said(void **state)
{
	const struct tree_scan_config config = { .root = sample_path(*state, "no such") };
	struct tree_scan *t;
	struct err err;

	assert_fails(tree_scan_open(&config, &t, &err), &err, ERR_NOT_FOUND);
}

/* --- limits --- */

static int pass(void *ctx, const void *bytes, size_t n, struct err *err)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	(void)err;
	return 0;
}

static void directories_too_deep_are_refused_with_their_place(void **state)
{
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	const struct tree_scan_config config = { .root = root };
	struct tree_scan *t;
	struct err err;
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < TREE_DEPTH_MAX; i++) {
		int child;

		assert_int_equal(mkdirat(dir, "d", 0755), 0);
		child = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(child >= 0);
		close(dir);
		dir = child;
	}
	close(dir);
	assert_ok(tree_scan_open(&config, &t, &err), &err);
	assert_fails(tree_scan_tar(t, pass, NULL, &err), &err, ERR_LIMIT);
	assert_non_null(strstr(err.text, "tree/d/d/d"));
	assert_non_null(strstr(err.text, "directories in each other"));
	tree_scan_free(t);
}

static void only_so_many_links_are_remembered(void **state)
{
	struct tree_links *l = tree_links_new();
	struct stat st = { .st_nlink = 2, .st_dev = 1 };
	const char *first;
	struct err err;
	bool full;

	(void)state;
	for (unsigned i = 0; i <= TREE_LINKS_MAX; i++) {
		st.st_ino = i;
		assert_ok(tree_links_see(l, &st, "first", &first, &full, &err), &err);
		assert_null(first);
		assert_int_equal(full, i == TREE_LINKS_MAX);
	}
	/* The last name of one makes room for another. */
	st.st_ino = 7;
	assert_ok(tree_links_see(l, &st, "second", &first, &full, &err), &err);
	assert_string_equal(first, "first");
	assert_false(full);
	st.st_ino = TREE_LINKS_MAX;
	assert_ok(tree_links_see(l, &st, "first", &first, &full, &err), &err);
	assert_false(full);
	tree_links_free(l);
}

#define CASE(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(CASE(the_same_tree_gives_the_same_bytes), TEST(the_order_is_that_of_the_walk),
	CASE(looking_leaves_the_time_of_access_alone), CASE(sockets_are_left_out_and_counted),
	CASE(a_file_that_changes_while_it_is_read_is_said_and_the_tar_is_whole),
	CASE(who_takes_the_bytes_can_stop_it_and_so_can_a_flag),
	CASE(a_tree_that_is_not_there_is_said),
	CASE(directories_too_deep_are_refused_with_their_place),
	TEST(only_so_many_links_are_remembered),
	CASE(what_is_mounted_in_a_tree_is_left_out_and_counted))
