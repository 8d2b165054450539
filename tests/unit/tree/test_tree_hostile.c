#include "common/chunk/limits.h"
#include "common/tree/tree_limits.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/chunk/samples.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/tree_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_AT 0
#define MODE_AT 100
#define SIZE_AT 124
#define LINK_AT 157
#define MAGIC_AT 257

/* The directory that is restored into lies in one that has a file that must stay as it is. */
struct place {
	char *top, *root;
	struct buf before; /* a list of all that is outside of the root */
	struct buf tar;
};

static void list_outside(const struct place *p, struct buf *ret)
{
	CLEANUP(cleanup_free) char *outside = strdup(sample_path(p->top, "outside"));

	sample_tree_list(outside, ret);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->top = temp_dir_make();
	p->root = sample_dir(p->top, "root");
	free(sample_dir(p->top, "outside"));
	sample_file(p->top, "outside/file", "as it was", 9);
	list_outside(p, &p->before);
	buf_init(&p->tar, TREE_TAR_MAX);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct buf after CLEANUP(buf_done);

	list_outside(p, &after);
	assert_string_equal(buf_bytes(&after), buf_bytes(&p->before));
	buf_done(&p->before);
	buf_done(&p->tar);
	temp_dir_remove(p->top);
	free(p->root);
	free(p);
	return 0;
}

/* Only whole files with names of their own may be left of a refused tar. */
static void assert_nothing_half(const struct place *p)
{
	DIR *d = opendir(p->root);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		assert_int_not_equal(strncmp(e->d_name, ".dray-", 6), 0);
	closedir(d);
}

static int restore(struct place *p, struct tree_report *ret, struct err *err)
{
	const struct tree_restore_config config = tree_config(p->root, true);

	return tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 700, ret, err);
}

static void assert_taken(struct place *p)
{
	struct err err;

	samples_end(&p->tar);
	assert_ok(restore(p, NULL, &err), &err);
	buf_clear(&p->tar);
}

static void assert_refused(struct place *p, enum err_code code, const char *why)
{
	struct err err;

	samples_end(&p->tar);
	assert_fails(restore(p, NULL, &err), &err, code);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_null(strchr(err.text, '\n'));
	assert_nothing_half(p);
	buf_clear(&p->tar);
}

static void put_dir(struct place *p, const char *name)
{
	samples_header(&p->tar, name, '5', 0, 1);
	samples_patch(&p->tar, MODE_AT, "0000755", 7);
}

static void put_link(struct place *p, const char *name, char type, const char *target)
{
	samples_header(&p->tar, name, type, 0, 1);
	samples_patch(&p->tar, LINK_AT, target, min_size(strlen(target), 100));
}

/* An extended header of these records, of which each gets its length. */
static void put_pax(struct place *p, const char *const *records, size_t n)
{
	char body[16384];
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(records[i]) + 3, digits = 0;

		while ((size_t)snprintf(NULL, 0, "%zu", len + digits) != digits)
			digits++;
		at += (size_t)snprintf(body + at, sizeof(body) - at, "%zu %s\n",
			strlen(records[i]) + 2 + digits, records[i]);
	}
	samples_header(&p->tar, "pax", 'x', at, 1);
	samples_padded(&p->tar, body, at);
}

/* --- names --- */

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "../outside/file", "a/../../outside/file", "..",
		"/etc/x", "a//b", "a/./b", "./../x", "", "a/..", "././a" };
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		samples_file(&p->tar, names[i], "x", 1, 1);
		assert_refused(p, ERR_PROTOCOL, "path");
	}
}

static void names_in_extended_headers_are_held_to_the_same(void **state)
{
	static const char *const paths[] = { "path=../outside/file", "path=/etc/x", "path=a/../x",
		"path=" };
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		put_pax(p, &paths[i], 1);
		samples_file(&p->tar, "innocent", "x", 1, 1);
		assert_refused(p, ERR_PROTOCOL, "path");
	}
}

static void a_file_named_like_a_directory_is_refused(void **state)
{
	struct place *p = *state;

	samples_file(&p->tar, "a/", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "path");
	samples_file(&p->tar, "./", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "root");
}

static void too_long_names_are_refused(void **state)
{
	struct place *p = *state;
	char record[6000];
	const char *records[] = { record };

	snprintf(record, sizeof(record), "path=%0300d", 1);
	put_pax(p, records, 1);
	samples_file(&p->tar, "x", "x", 1, 1);
	assert_refused(p, ERR_LIMIT, "longer than 255 bytes");
	snprintf(record, sizeof(record), "path=%05000d", 1);
	put_pax(p, records, 1);
	samples_file(&p->tar, "x", "x", 1, 1);
	assert_refused(p, ERR_LIMIT, "longer than 4095 bytes");
}

static void the_root_comes_first_and_once(void **state)
{
	struct place *p = *state;

	put_dir(p, "./");
	put_dir(p, "./");
	assert_refused(p, ERR_PROTOCOL, "root comes twice");
	samples_file(&p->tar, "a", "x", 1, 1);
	put_dir(p, ".");
	assert_refused(p, ERR_PROTOCOL, "root comes twice");
	put_dir(p, "./");
	samples_file(&p->tar, "./a", "x", 1, 1);
	assert_taken(p);
}

static void nothing_comes_twice_or_out_of_order(void **state)
{
	struct place *p = *state;

	samples_file(&p->tar, "a", "x", 1, 1);
	samples_file(&p->tar, "a", "y", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "twice");
	samples_file(&p->tar, "b", "x", 1, 1);
	samples_file(&p->tar, "a", "y", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "out of order");
	put_dir(p, "d");
	samples_file(&p->tar, "d/x", "x", 1, 1);
	samples_file(&p->tar, "e", "x", 1, 1);
	samples_file(&p->tar, "d/y", "y", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "directory does not come right before it");
	samples_file(&p->tar, "n/x", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "directory does not come right before it");
	samples_file(&p->tar, "f", "x", 1, 1);
	samples_file(&p->tar, "f/x", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "directory does not come right before it");
}

/* --- links --- */

static void nothing_is_written_through_a_link_of_the_tar(void **state)
{
	struct place *p = *state;

	put_link(p, "a", '2', "../outside");
	samples_file(&p->tar, "a/file", "pwned", 5, 1);
	assert_refused(p, ERR_PROTOCOL, "directory does not come right before it");
	put_link(p, "a", '2', "../outside/file");
	samples_file(&p->tar, "a", "pwned", 5, 1);
	assert_refused(p, ERR_PROTOCOL, "twice");
	put_link(p, "a", '2', "../outside");
	put_dir(p, "a");
	assert_refused(p, ERR_PROTOCOL, "twice");
}

static void nothing_is_written_through_a_link_that_was_there(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_int_equal(symlink("../outside", sample_path(p->root, "a")), 0);
	assert_int_equal(symlink("../outside/file", sample_path(p->root, "b")), 0);
	put_dir(p, "a");
	samples_file(&p->tar, "a/file", "x", 1, 1);
	samples_file(&p->tar, "b", "as it wa!", 9, 1);
	assert_taken(p);
	assert_int_equal(lstat(sample_path(p->root, "a"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(lstat(sample_path(p->root, "b"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void hard_links_lead_to_what_came_before_in_the_tar(void **state)
{
	struct place *p = *state;

	put_link(p, "a", '1', "../outside/file");
	assert_refused(p, ERR_PROTOCOL, "path");
	put_link(p, "a", '1', "/etc/passwd");
	assert_refused(p, ERR_PROTOCOL, "path");
	put_link(p, "b", '1', "a");
	assert_refused(p, ERR_PROTOCOL, "not there");
	put_link(p, "b", '1', "c");
	samples_file(&p->tar, "c", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "before it");
	put_link(p, "b", '1', "b");
	assert_refused(p, ERR_PROTOCOL, "before it");
	put_link(p, "b", '1', "./");
	assert_refused(p, ERR_PROTOCOL, "before it");
	put_dir(p, "a");
	put_link(p, "b", '1', "a");
	assert_refused(p, ERR_PROTOCOL, "a directory");
	put_link(p, "a", '2', "../outside");
	put_link(p, "b", '1', "a/file");
	assert_refused(p, ERR_PROTOCOL, "not there");
	/* What was there, and is not in the tar, is gone before it could be linked to. */
	sample_file(p->root, "a", "old", 3);
	put_link(p, "b", '1', "a");
	assert_refused(p, ERR_PROTOCOL, "not there");
}

static void a_link_to_nothing_is_refused(void **state)
{
	struct place *p = *state;

	put_link(p, "a", '2', "");
	assert_refused(p, ERR_PROTOCOL, "symbolic link to nothing");
	put_link(p, "a", '1', "");
	assert_refused(p, ERR_PROTOCOL, "path");
}

/* --- devices --- */

static void devices_are_made_only_where_that_is_allowed(void **state)
{
	struct place *p = *state;
	struct tree_restore_config config = tree_config(p->root, true);
	struct tree_report report;
	struct stat st;
	struct err err;

	samples_header(&p->tar, "a", '3', 0, 1);
	samples_patch(&p->tar, 329, "0000001", 7);
	samples_patch(&p->tar, 337, "0000003", 7);
	put_link(p, "b", '1', "a");
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

/* --- headers --- */

static void headers_that_programs_read_differently_are_refused(void **state)
{
	static const char types[] = { 'g', 'L', 'K', 'S', '7', 'V', 'M', 'D', 'A', 1 };
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		samples_header(&p->tar, "a", types[i], 0, 1);
		assert_refused(p, ERR_PROTOCOL, "unknown type");
	}
	samples_file(&p->tar, "a", "x", 1, 1);
	buf_bytes(&p->tar)[0] = 'b';
	assert_refused(p, ERR_PROTOCOL, "checksum");
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_patch(&p->tar, MAGIC_AT, "ustar  ", 8);
	assert_refused(p, ERR_PROTOCOL, "ustar");
	samples_header(&p->tar, "a", '5', 512, 1);
	assert_refused(p, ERR_PROTOCOL, "contents of what is no file");
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_patch(&p->tar, SIZE_AT, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	assert_refused(p, ERR_PROTOCOL, "a size in a header");
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_patch(&p->tar, SIZE_AT, "0000000000x", 11);
	assert_refused(p, ERR_PROTOCOL, "a size in a header");
}

static void two_sizes_of_one_file_are_refused(void **state)
{
	static const char *const size[] = { "size=513" };
	struct place *p = *state;
	static const uint8_t bytes[1024];

	put_pax(p, size, 1);
	samples_file(&p->tar, "a", bytes, 1, 1);
	assert_refused(p, ERR_PROTOCOL, "two sizes");
	/* Where the field says nothing the record counts. */
	put_pax(p, size, 1);
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_padded(&p->tar, bytes, 513);
	assert_taken(p);
}

static void extended_headers_are_sound(void **state)
{
	static const char *const twice[] = { "size=1", "size=1" };
	static const char *const odd[] = { "path", "size=-1", "size=1x", "size=", "uid=4294967295",
		"mtime=abc", "mtime=1.x", "mtime=99999999999999", "=x", "GNU.sparse.map=0,1" };
	struct place *p = *state;

	put_pax(p, twice, 2);
	samples_file(&p->tar, "a", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "twice");
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		put_pax(p, &odd[i], 1);
		samples_file(&p->tar, "a", "x", 1, 1);
		assert_refused(p, ERR_PROTOCOL, "");
	}
	samples_header(&p->tar, "pax", 'x', 12, 1);
	samples_padded(&p->tar, "99 path=abc\n", 12);
	samples_file(&p->tar, "a", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "a record of an extended header");
	put_pax(p, twice, 1);
	put_pax(p, twice, 1);
	assert_refused(p, ERR_PROTOCOL, "two extended headers");
	put_pax(p, twice, 1);
	assert_refused(p, ERR_PROTOCOL, "for nothing");
	samples_header(&p->tar, "pax", 'x', TREE_PAX_MAX + 1, 1);
	assert_refused(p, ERR_LIMIT, "extended header is longer");
}

static void too_many_attributes_are_refused(void **state)
{
	struct place *p = *state;
	static char records[TREE_XATTRS_MAX + 1][40];
	const char *at[TREE_XATTRS_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		snprintf(records[i], sizeof(records[i]), "SCHILY.xattr.user.%zu=v", i);
		at[i] = records[i];
	}
	put_pax(p, at, ARRAY_LEN(at));
	samples_file(&p->tar, "a", "x", 1, 1);
	assert_refused(p, ERR_LIMIT, "extended attributes");
	at[1] = at[0];
	put_pax(p, at, 2);
	samples_file(&p->tar, "a", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "attribute twice");
}

static void foreign_attributes_are_not_set(void **state)
{
	static const char *const records[] = { "SCHILY.xattr.system.nfs4_acl=x",
		"SCHILY.xattr.security.selinux=x", "SCHILY.xattr.odd=x",
		"SCHILY.acl.access=user::rw-" };
	struct place *p = *state;
	struct tree_report report;
	struct err err;

	put_pax(p, records, ARRAY_LEN(records));
	samples_file(&p->tar, "a", "x", 1, 1);
	samples_end(&p->tar);
	assert_ok(restore(p, &report, &err), &err);
	/* The ACL in words is said to be lost; the others are nobody's loss. */
	assert_int_equal(report.notes[TREE_XATTR_REFUSED].n, 1);
}

/* --- sparse files --- */

static void put_sparse(struct place *p, const char *realsize, const char *map, size_t data)
{
	static const uint8_t bytes[4096];
	const char *records[] = { "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=s",
		realsize };
	size_t padded = (strlen(map) + 511) / 512 * 512;

	put_pax(p, records, ARRAY_LEN(records));
	samples_header(&p->tar, "GNUSparseFile.0/s", '0', padded + data, 1);
	samples_padded(&p->tar, map, strlen(map));
	samples_padded(&p->tar, bytes, data);
}

static void maps_of_sparse_files_are_sound(void **state)
{
	static const struct {
		const char *map;
		size_t data;
	} odd[] = { { "2\n0\n512\n", 512 }, { "1\n0\n512\n", 511 }, { "1\n0\n512\n", 513 },
		{ "1\n9999\n512\n", 512 }, { "2\n512\n512\n0\n512\n", 1024 },
		{ "2\n0\n512\n511\n512\n", 1024 }, { "x\n", 0 }, { "\n", 0 }, { "-1\n", 0 },
		{ "1\n0\n99999999999999999999999999\n", 512 }, { "1 0 512\n", 512 }, { "0\n", 1 } };
	struct place *p = *state;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		put_sparse(p, "GNU.sparse.realsize=9000", odd[i].map, odd[i].data);
		assert_refused(p, ERR_PROTOCOL, "sparse file");
	}
	put_sparse(p, "GNU.sparse.realsize=9000", "99999999\n", 0);
	assert_refused(p, ERR_LIMIT, "pieces");
	put_sparse(p, "GNU.sparse.realsize=99999999999999999999", "0\n", 0);
	assert_refused(p, ERR_PROTOCOL, "number");
	put_sparse(p, "GNU.sparse.realsize=9000", "2\n512\n512\n9000\n0\n", 512);
	assert_taken(p);
	assert_int_equal(stat(sample_path(p->root, "s"), &st), 0);
	assert_int_equal(st.st_size, 9000);
}

static void a_terabyte_of_holes_takes_no_room(void **state)
{
	struct place *p = *state;
	struct tree_restore_config config = tree_config(p->root, true);
	struct stat st;
	struct err err;

	config.bytes_max = 1024;
	put_sparse(p, "GNU.sparse.realsize=1099511627776", "1\n1099511627776\n0\n", 0);
	samples_end(&p->tar);
	assert_ok(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, NULL, &err),
		&err);
	assert_int_equal(stat(sample_path(p->root, "s"), &st), 0);
	assert_true(st.st_blocks < 100);
}

/* --- limits and ends --- */

static void too_much_is_refused(void **state)
{
	struct place *p = *state;
	struct tree_restore_config config = tree_config(p->root, true);
	struct err err;

	samples_file(&p->tar, "a", "12345", 5, 1);
	samples_file(&p->tar, "b", "12345", 5, 1);
	samples_end(&p->tar);
	config.bytes_max = 9;
	assert_fails(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, NULL, &err),
		&err, ERR_LIMIT);
	assert_nothing_half(p);
	config.bytes_max = 10;
	config.entries_max = 1;
	assert_fails(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, NULL, &err),
		&err, ERR_LIMIT);
	config.entries_max = 2;
	assert_ok(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, NULL, &err),
		&err);
}

static void directories_in_each_other_are_limited(void **state)
{
	struct place *p = *state;
	char record[5 + 2 * (TREE_DEPTH_MAX + 2)] = "path=";
	const char *records[] = { record };

	for (size_t i = 0; i <= TREE_DEPTH_MAX; i++) {
		snprintf(record + strlen(record), 3, "%s", i == 0 ? "d" : "/d");
		put_pax(p, records, 1);
		put_dir(p, "x");
	}
	assert_refused(p, ERR_LIMIT, "directories in each other");
}

static void zeros_behind_the_end_are_limited_and_all_that_may_follow(void **state)
{
	static uint8_t zeros[TREE_TAIL_MAX];
	struct place *p = *state;

	samples_end(&p->tar);
	samples_padded(&p->tar, zeros, sizeof(zeros) / 2);
	assert_taken(p);
	samples_end(&p->tar);
	samples_padded(&p->tar, zeros, sizeof(zeros));
	assert_refused(p, ERR_LIMIT, "zeros");
	samples_end(&p->tar);
	samples_file(&p->tar, "smuggled", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "behind its end");
	buf_append(&p->tar, zeros, 512);
	samples_file(&p->tar, "smuggled", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "behind a block of zeros");
}

static void a_tar_that_ends_early_is_an_error_and_leaves_no_half_file(void **state)
{
	static const uint8_t bytes[3000] = { 1 };
	struct place *p = *state;
	const struct tree_restore_config config = tree_config(p->root, true);
	struct stat st;
	struct err err;

	put_dir(p, "./");
	sample_file(p->root, "a", "old", 3);
	samples_file(&p->tar, "a", bytes, sizeof(bytes), 1);
	samples_end(&p->tar);
	for (size_t n = 0; n < buf_len(&p->tar) - 511; n += 100) {
		assert_fails(tree_from_tar(&config, buf_bytes(&p->tar), n, 700, NULL, &err), &err,
			ERR_CORRUPT);
		assert_non_null(strstr(err.text, "too early"));
		assert_nothing_half(p);
		assert_int_equal(stat(sample_path(p->root, "a"), &st), 0);
		assert_true(st.st_size == 3 || (st.st_size == 3000 && n >= 1024 + 3000));
	}
}

static void a_directory_with_something_in_it_is_not_taken_for_a_new_tree(void **state)
{
	struct place *p = *state;
	const struct tree_restore_config config = tree_config(p->root, false);
	struct tree_restore *r;
	struct err err;

	sample_file(p->root, "precious", "x", 1);
	assert_fails(tree_restore_open(&config, &r, &err), &err, ERR_REFUSED);
	assert_non_null(strstr(err.text, "is not empty"));
}

static void errors_escape_what_a_name_has_in_it(void **state)
{
	struct place *p = *state;

	samples_file(&p->tar, "\x1b[2J\n", "x", 1, 1);
	samples_file(&p->tar, "\x1b[2J\n", "x", 1, 1);
	assert_refused(p, ERR_PROTOCOL, "\\x1b[2J\\x0a");
}

#define CASE(name) TEST_WITH(name, setup, teardown)

RUN_TESTS(CASE(names_that_lead_elsewhere_are_refused),
	CASE(names_in_extended_headers_are_held_to_the_same),
	CASE(a_file_named_like_a_directory_is_refused), CASE(too_long_names_are_refused),
	CASE(the_root_comes_first_and_once), CASE(nothing_comes_twice_or_out_of_order),
	CASE(nothing_is_written_through_a_link_of_the_tar),
	CASE(nothing_is_written_through_a_link_that_was_there),
	CASE(hard_links_lead_to_what_came_before_in_the_tar), CASE(a_link_to_nothing_is_refused),
	CASE(devices_are_made_only_where_that_is_allowed),
	CASE(headers_that_programs_read_differently_are_refused),
	CASE(two_sizes_of_one_file_are_refused), CASE(extended_headers_are_sound),
	CASE(too_many_attributes_are_refused), CASE(foreign_attributes_are_not_set),
	CASE(maps_of_sparse_files_are_sound), CASE(a_terabyte_of_holes_takes_no_room),
	CASE(too_much_is_refused), CASE(directories_in_each_other_are_limited),
	CASE(zeros_behind_the_end_are_limited_and_all_that_may_follow),
	CASE(a_tar_that_ends_early_is_an_error_and_leaves_no_half_file),
	CASE(a_directory_with_something_in_it_is_not_taken_for_a_new_tree),
	CASE(errors_escape_what_a_name_has_in_it))
