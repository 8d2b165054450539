#include "tests/unit/tree/hostile.h"
#include "tests/unit/tree/sample_tree.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- names --- */

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "../outside/file", "a/../../outside/file", "..",
		"/etc/x", "a//b", "a/./b", "./../x", "", "a/..", "././a" };
	struct hostile *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		samples_file(&p->tar, names[i], "x", 1, 1);
		hostile_is_refused(p, ERR_PROTOCOL, "path");
	}
}

static void names_in_extended_headers_are_held_to_the_same(void **state)
{
	static const char *const paths[] = { "path=../outside/file", "path=/etc/x", "path=a/../x",
		"path=" };
	struct hostile *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		hostile_pax(p, &paths[i], 1);
		samples_file(&p->tar, "innocent", "x", 1, 1);
		hostile_is_refused(p, ERR_PROTOCOL, "path");
	}
}

static void a_file_named_like_a_directory_is_refused(void **state)
{
	struct hostile *p = *state;

	samples_file(&p->tar, "a/", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "path");
	samples_file(&p->tar, "./", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "root");
}

static void too_long_names_are_refused(void **state)
{
	struct hostile *p = *state;
	char record[6000];
	const char *records[] = { record };

	snprintf(record, sizeof(record), "path=%0300d", 1);
	hostile_pax(p, records, 1);
	samples_file(&p->tar, "x", "x", 1, 1);
	hostile_is_refused(p, ERR_LIMIT, "longer than 255 bytes");
	snprintf(record, sizeof(record), "path=%05000d", 1);
	hostile_pax(p, records, 1);
	samples_file(&p->tar, "x", "x", 1, 1);
	hostile_is_refused(p, ERR_LIMIT, "longer than 4095 bytes");
}

static void the_root_comes_first_and_once(void **state)
{
	struct hostile *p = *state;

	hostile_dir(p, "./");
	hostile_dir(p, "./");
	hostile_is_refused(p, ERR_PROTOCOL, "root comes twice");
	samples_file(&p->tar, "a", "x", 1, 1);
	hostile_dir(p, ".");
	hostile_is_refused(p, ERR_PROTOCOL, "root comes twice");
	hostile_dir(p, "./");
	samples_file(&p->tar, "./a", "x", 1, 1);
	hostile_is_taken(p);
}

static void nothing_comes_twice_or_out_of_order(void **state)
{
	struct hostile *p = *state;

	samples_file(&p->tar, "a", "x", 1, 1);
	samples_file(&p->tar, "a", "y", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "twice");
	samples_file(&p->tar, "b", "x", 1, 1);
	samples_file(&p->tar, "a", "y", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "out of order");
	hostile_dir(p, "d");
	samples_file(&p->tar, "d/x", "x", 1, 1);
	samples_file(&p->tar, "e", "x", 1, 1);
	samples_file(&p->tar, "d/y", "y", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "directory does not come right before it");
	samples_file(&p->tar, "n/x", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "directory does not come right before it");
	samples_file(&p->tar, "f", "x", 1, 1);
	samples_file(&p->tar, "f/x", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "directory does not come right before it");
}

/* --- links --- */

static void nothing_is_written_through_a_link_of_the_tar(void **state)
{
	struct hostile *p = *state;

	hostile_link(p, "a", '2', "../outside");
	samples_file(&p->tar, "a/file", "pwned", 5, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "directory does not come right before it");
	hostile_link(p, "a", '2', "../outside/file");
	samples_file(&p->tar, "a", "pwned", 5, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "twice");
	hostile_link(p, "a", '2', "../outside");
	hostile_dir(p, "a");
	hostile_is_refused(p, ERR_PROTOCOL, "twice");
}

static void nothing_is_written_through_a_link_that_was_there(void **state)
{
	struct hostile *p = *state;
	struct stat st;

	assert_int_equal(symlink("../outside", sample_path(p->root, "a")), 0);
	assert_int_equal(symlink("../outside/file", sample_path(p->root, "b")), 0);
	hostile_dir(p, "a");
	samples_file(&p->tar, "a/file", "x", 1, 1);
	samples_file(&p->tar, "b", "as it wa!", 9, 1);
	hostile_is_taken(p);
	assert_int_equal(lstat(sample_path(p->root, "a"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(lstat(sample_path(p->root, "b"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void hard_links_lead_to_what_came_before_in_the_tar(void **state)
{
	struct hostile *p = *state;

	hostile_link(p, "a", '1', "../outside/file");
	hostile_is_refused(p, ERR_PROTOCOL, "path");
	hostile_link(p, "a", '1', "/etc/passwd");
	hostile_is_refused(p, ERR_PROTOCOL, "path");
	hostile_link(p, "b", '1', "a");
	hostile_is_refused(p, ERR_PROTOCOL, "not there");
	hostile_link(p, "b", '1', "c");
	samples_file(&p->tar, "c", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "before it");
	hostile_link(p, "b", '1', "b");
	hostile_is_refused(p, ERR_PROTOCOL, "before it");
	hostile_link(p, "b", '1', "./");
	hostile_is_refused(p, ERR_PROTOCOL, "before it");
	hostile_dir(p, "a");
	hostile_link(p, "b", '1', "a");
	hostile_is_refused(p, ERR_PROTOCOL, "a directory");
	hostile_link(p, "a", '2', "../outside");
	hostile_link(p, "b", '1', "a/file");
	hostile_is_refused(p, ERR_PROTOCOL, "not there");
	/* What was there, and is not in the tar, is gone before it could be linked to. */
	sample_file(p->root, "a", "old", 3);
	hostile_link(p, "b", '1', "a");
	hostile_is_refused(p, ERR_PROTOCOL, "not there");
}

static void a_link_to_nothing_is_refused(void **state)
{
	struct hostile *p = *state;

	hostile_link(p, "a", '2', "");
	hostile_is_refused(p, ERR_PROTOCOL, "symbolic link to nothing");
	hostile_link(p, "a", '1', "");
	hostile_is_refused(p, ERR_PROTOCOL, "path");
}

/* --- devices --- */

static void devices_are_made_only_where_that_is_allowed(void **state)
{
	struct hostile *p = *state;
	struct tree_restore_config config = tree_config(p->root, true);
	struct tree_report report;
	struct stat st;
	struct err err;

	samples_header(&p->tar, "a", '3', 0, 1);
	samples_patch(&p->tar, 329, "0000001", 7);
	samples_patch(&p->tar, 337, "0000003", 7);
	hostile_link(p, "b", '1', "a");
	samples_file(&p->tar, "c", "x", 1, 1);
	samples_end(&p->tar);
	config.devices = false;
	sample_file(p->root, "a", "old", 3);
	assert_ok(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, &report, &err),
		&err);
	assert_int_equal(report.notes[TREE_DEVICE].n, 2);
	assert_string_equal(report.notes[TREE_DEVICE].example, "a");
	assert_int_equal(lstat(sample_path(p->root, "a"), &st), -1);
	assert_int_equal(lstat(sample_path(p->root, "c"), &st), 0);
	if (!sample_is_root()) {
		fprintf(stderr, "# not root: making a device is skipped\n");
		return;
	}
	config.devices = true;
	assert_ok(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, &report, &err),
		&err);
	assert_int_equal(report.notes[TREE_DEVICE].n, 0);
	assert_int_equal(lstat(sample_path(p->root, "b"), &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_nlink == 2);
}

#define CASE(name) TEST_WITH(name, hostile_setup, hostile_teardown)

RUN_TESTS(CASE(names_that_lead_elsewhere_are_refused),
	CASE(names_in_extended_headers_are_held_to_the_same),
	CASE(a_file_named_like_a_directory_is_refused), CASE(too_long_names_are_refused),
	CASE(the_root_comes_first_and_once), CASE(nothing_comes_twice_or_out_of_order),
	CASE(nothing_is_written_through_a_link_of_the_tar),
	CASE(nothing_is_written_through_a_link_that_was_there),
	CASE(hard_links_lead_to_what_came_before_in_the_tar), CASE(a_link_to_nothing_is_refused),
	CASE(devices_are_made_only_where_that_is_allowed))
