#include "common/tree/tree_limits.h"
#include "tests/unit/tree/hostile.h"
#include "tests/unit/tree/sample_tree.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE_AT 124
#define MAGIC_AT 257

/* --- headers --- */

static void headers_that_programs_read_differently_are_refused(void **state)
{
	static const char types[] = { 'g', 'L', 'K', 'S', '7', 'V', 'M', 'D', 'A', 1 };
	struct hostile *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		samples_header(&p->tar, "a", types[i], 0, 1);
		hostile_is_refused(p, ERR_PROTOCOL, "unknown type");
	}
	samples_file(&p->tar, "a", "x", 1, 1);
	buf_bytes(&p->tar)[0] = 'b';
	hostile_is_refused(p, ERR_PROTOCOL, "checksum");
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_patch(&p->tar, MAGIC_AT, "ustar  ", 8);
	hostile_is_refused(p, ERR_PROTOCOL, "ustar");
	samples_header(&p->tar, "a", '5', 512, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "contents of what is no file");
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_patch(&p->tar, SIZE_AT, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	hostile_is_refused(p, ERR_PROTOCOL, "a size in a header");
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_patch(&p->tar, SIZE_AT, "0000000000x", 11);
	hostile_is_refused(p, ERR_PROTOCOL, "a size in a header");
}

static void two_sizes_of_one_file_are_refused(void **state)
{
	static const char *const size[] = { "size=513" };
	struct hostile *p = *state;
	static const uint8_t bytes[1024];

	hostile_pax(p, size, 1);
	samples_file(&p->tar, "a", bytes, 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "two sizes");
	/* Where the field says nothing the record counts. */
	hostile_pax(p, size, 1);
	samples_header(&p->tar, "a", '0', 0, 1);
	samples_padded(&p->tar, bytes, 513);
	hostile_is_taken(p);
}

static void extended_headers_are_sound(void **state)
{
	static const char *const twice[] = { "size=1", "size=1" };
	static const char *const odd[] = { "path", "size=-1", "size=1x", "size=", "uid=4294967295",
		"mtime=abc", "mtime=1.x", "mtime=99999999999999", "=x", "GNU.sparse.map=0,1" };
	struct hostile *p = *state;

	hostile_pax(p, twice, 2);
	samples_file(&p->tar, "a", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "twice");
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		hostile_pax(p, &odd[i], 1);
		samples_file(&p->tar, "a", "x", 1, 1);
		hostile_is_refused(p, ERR_PROTOCOL, "");
	}
	samples_header(&p->tar, "pax", 'x', 12, 1);
	samples_padded(&p->tar, "99 path=abc\n", 12);
	samples_file(&p->tar, "a", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "a record of an extended header");
	hostile_pax(p, twice, 1);
	hostile_pax(p, twice, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "two extended headers");
	hostile_pax(p, twice, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "for nothing");
	samples_header(&p->tar, "pax", 'x', TREE_PAX_MAX + 1, 1);
	hostile_is_refused(p, ERR_LIMIT, "extended header is longer");
}

static void too_many_attributes_are_refused(void **state)
{
	struct hostile *p = *state;
	static char records[TREE_XATTRS_MAX + 1][40];
	const char *at[TREE_XATTRS_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		snprintf(records[i], sizeof(records[i]), "SCHILY.xattr.user.%zu=v", i);
		at[i] = records[i];
	}
	hostile_pax(p, at, ARRAY_LEN(at));
	samples_file(&p->tar, "a", "x", 1, 1);
	hostile_is_refused(p, ERR_LIMIT, "extended attributes");
	at[1] = at[0];
	hostile_pax(p, at, 2);
	samples_file(&p->tar, "a", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "attribute twice");
}

static void foreign_attributes_are_not_set(void **state)
{
	static const char *const records[] = { "SCHILY.xattr.system.nfs4_acl=x",
		"SCHILY.xattr.security.selinux=x", "SCHILY.xattr.odd=x",
		"SCHILY.acl.access=user::rw-" };
	struct hostile *p = *state;
	struct tree_report report;
	struct err err;

	hostile_pax(p, records, ARRAY_LEN(records));
	samples_file(&p->tar, "a", "x", 1, 1);
	samples_end(&p->tar);
	assert_ok(hostile_restore(p, &report, &err), &err);
	/* The ACL in words is said to be lost; the others are nobody's loss. */
	assert_int_equal(report.notes[TREE_XATTR_REFUSED].n, 1);
}

/* --- sparse files --- */

static void put_sparse(struct hostile *p, const char *realsize, const char *map, size_t data)
{
	static const uint8_t bytes[4096];
	const char *records[] = { "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=s",
		realsize };
	size_t padded = (strlen(map) + 511) / 512 * 512;

	hostile_pax(p, records, ARRAY_LEN(records));
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
	struct hostile *p = *state;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		put_sparse(p, "GNU.sparse.realsize=9000", odd[i].map, odd[i].data);
		hostile_is_refused(p, ERR_PROTOCOL, "sparse file");
	}
	put_sparse(p, "GNU.sparse.realsize=9000", "99999999\n", 0);
	hostile_is_refused(p, ERR_LIMIT, "pieces");
	put_sparse(p, "GNU.sparse.realsize=99999999999999999999", "0\n", 0);
	hostile_is_refused(p, ERR_PROTOCOL, "number");
	put_sparse(p, "GNU.sparse.realsize=9000", "2\n512\n512\n9000\n0\n", 512);
	hostile_is_taken(p);
	assert_int_equal(stat(sample_path(p->root, "s"), &st), 0);
	assert_int_equal(st.st_size, 9000);
}

static void a_terabyte_of_holes_takes_no_room(void **state)
{
	struct hostile *p = *state;
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
	struct hostile *p = *state;
	struct tree_restore_config config = tree_config(p->root, true);
	struct err err;

	samples_file(&p->tar, "a", "12345", 5, 1);
	samples_file(&p->tar, "b", "12345", 5, 1);
	samples_end(&p->tar);
	config.bytes_max = 9;
	assert_fails(tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 512, NULL, &err),
		&err, ERR_LIMIT);
	hostile_nothing_half(p);
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
	struct hostile *p = *state;
	char record[5 + 2 * (TREE_DEPTH_MAX + 2)] = "path=";
	const char *records[] = { record };

	for (size_t i = 0; i <= TREE_DEPTH_MAX; i++) {
		snprintf(record + strlen(record), 3, "%s", i == 0 ? "d" : "/d");
		hostile_pax(p, records, 1);
		hostile_dir(p, "x");
	}
	hostile_is_refused(p, ERR_LIMIT, "directories in each other");
}

static void zeros_behind_the_end_are_limited_and_all_that_may_follow(void **state)
{
	static uint8_t zeros[TREE_TAIL_MAX];
	struct hostile *p = *state;

	samples_end(&p->tar);
	samples_padded(&p->tar, zeros, sizeof(zeros) / 2);
	hostile_is_taken(p);
	samples_end(&p->tar);
	samples_padded(&p->tar, zeros, sizeof(zeros));
	hostile_is_refused(p, ERR_LIMIT, "zeros");
	samples_end(&p->tar);
	samples_file(&p->tar, "smuggled", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "behind its end");
	buf_append(&p->tar, zeros, 512);
	samples_file(&p->tar, "smuggled", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "behind a block of zeros");
}

static void a_tar_that_ends_early_is_an_error_and_leaves_no_half_file(void **state)
{
	static const uint8_t bytes[3000] = { 1 };
	struct hostile *p = *state;
	const struct tree_restore_config config = tree_config(p->root, true);
	struct stat st;
	struct err err;

	hostile_dir(p, "./");
	sample_file(p->root, "a", "old", 3);
	samples_file(&p->tar, "a", bytes, sizeof(bytes), 1);
	samples_end(&p->tar);
	for (size_t n = 0; n < buf_len(&p->tar) - 511; n += 100) {
		assert_fails(tree_from_tar(&config, buf_bytes(&p->tar), n, 700, NULL, &err), &err,
			ERR_CORRUPT);
		assert_non_null(strstr(err.text, "too early"));
		hostile_nothing_half(p);
		assert_int_equal(stat(sample_path(p->root, "a"), &st), 0);
		assert_true(st.st_size == 3 || (st.st_size == 3000 && n >= 1024 + 3000));
	}
}

static void a_directory_with_something_in_it_is_not_taken_for_a_new_tree(void **state)
{
	struct hostile *p = *state;
	const struct tree_restore_config config = tree_config(p->root, false);
	struct tree_restore *r;
	struct err err;

	sample_file(p->root, "precious", "x", 1);
	assert_fails(tree_restore_open(&config, &r, &err), &err, ERR_REFUSED);
	assert_non_null(strstr(err.text, "is not empty"));
}

static void errors_escape_what_a_name_has_in_it(void **state)
{
	struct hostile *p = *state;

	samples_file(&p->tar, "\x1b[2J\n", "x", 1, 1);
	samples_file(&p->tar, "\x1b[2J\n", "x", 1, 1);
	hostile_is_refused(p, ERR_PROTOCOL, "\\x1b[2J\\x0a");
}

#define CASE(name) TEST_WITH(name, hostile_setup, hostile_teardown)

RUN_TESTS(CASE(headers_that_programs_read_differently_are_refused),
	CASE(two_sizes_of_one_file_are_refused), CASE(extended_headers_are_sound),
	CASE(too_many_attributes_are_refused), CASE(foreign_attributes_are_not_set),
	CASE(maps_of_sparse_files_are_sound), CASE(a_terabyte_of_holes_takes_no_room),
	CASE(too_much_is_refused), CASE(directories_in_each_other_are_limited),
	CASE(zeros_behind_the_end_are_limited_and_all_that_may_follow),
	CASE(a_tar_that_ends_early_is_an_error_and_leaves_no_half_file),
	CASE(a_directory_with_something_in_it_is_not_taken_for_a_new_tree),
	CASE(errors_escape_what_a_name_has_in_it))
