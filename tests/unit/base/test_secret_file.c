#include "common/base/file.h"
#include "common/base/secret_file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <sys/stat.h>

static const char *in(void **state, const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
	return path;
}

static void a_secret_is_made_once_and_never_replaced(void **state)
{
	const char *path = in(state, "key");
	struct err err = { 0 };
	struct stat st;
	char line[16];
	bool made = false;

	assert_ok(secret_file_make(path, "first", &made, &err), &err);
	assert_true(made);
	assert_ok(secret_file_make(path, "second", &made, &err), &err);
	assert_false(made);
	assert_ok(secret_file_load(path, line, sizeof(line), &err), &err);
	assert_string_equal(line, "first");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

static void only_one_line_that_fits_is_taken(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		bool good;
	} cases[] = { { "1234567", 7, true }, { "123456\n", 7, true }, { "12345678", 8, false },
		{ "1234567\n", 8, true }, { "12345678\n", 9, false }, { "", 0, false },
		{ "\n", 1, false }, { "a\nb", 3, false }, { "a\n\n", 3, false },
		{ "a\0b", 3, false } };
	const char *path = in(state, "key");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };
		char line[8];

		assert_ok(file_replace(path, 0600, cases[i].text, cases[i].n, &err), &err);
		if (cases[i].good)
			assert_ok(secret_file_load(path, line, sizeof(line), &err), &err);
		else
			assert_fails(secret_file_load(path, line, sizeof(line), &err), &err,
				ERR_CORRUPT);
	}
}

static void a_secret_that_others_may_touch_is_not_read(void **state)
{
	const char *path = in(state, "key");
	struct err err = { 0 };
	char line[16] = "untouched";
	bool made;

	assert_ok(secret_file_make(path, "secret", &made, &err), &err);
	assert_int_equal(chmod(path, 0640), 0);
	assert_fails(secret_file_load(path, line, sizeof(line), &err), &err, ERR_REFUSED);
	assert_null(strstr(err.text, "secret\n"));
	assert_int_equal(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		assert_fails(secret_file_load(path, line, sizeof(line), &err), &err, ERR_REFUSED);
	}
}

static void a_whole_file_is_read_up_to_its_limit(void **state)
{
	const char *path = in(state, "keys");
	struct err err = { 0 };
	struct stat st;
	struct buf b;

	assert_ok(file_replace(path, 0600, "12345", 5, &err), &err);
	assert_ok(secret_file_read(path, 5, &b, &st, &err), &err);
	assert_int_equal(buf_len(&b), 5);
	assert_memory_equal(buf_bytes(&b), "12345", 5);
	assert_int_equal(st.st_size, 5);
	secret_file_wipe(&b);
	assert_fails(secret_file_read(path, 4, &b, &st, &err), &err, ERR_LIMIT);
	secret_file_wipe(&b);
	assert_ok(file_replace(path, 0600, NULL, 0, &err), &err);
	assert_ok(secret_file_read(path, 4, &b, &st, &err), &err);
	assert_int_equal(buf_len(&b), 0);
	secret_file_wipe(&b);
}

static void what_is_no_file_is_told_apart(void **state)
{
	struct err err = { 0 };
	char line[16];
	bool made;

	assert_fails(
		secret_file_load(in(state, "none"), line, sizeof(line), &err), &err, ERR_NOT_FOUND);
	assert_fails(secret_file_load(*state, line, sizeof(line), &err), &err, ERR_REFUSED);
	assert_int_equal(mkfifo(in(state, "pipe"), 0600), 0);
	assert_fails(
		secret_file_load(in(state, "pipe"), line, sizeof(line), &err), &err, ERR_REFUSED);
	assert_fails(secret_file_make(in(state, "no/key"), "x", &made, &err), &err, ERR_IO);
}

#define IN_DIR(name) TEST_WITH(name, temp_dir_setup, temp_dir_teardown)

RUN_TESTS(IN_DIR(a_secret_is_made_once_and_never_replaced),
	IN_DIR(a_whole_file_is_read_up_to_its_limit), IN_DIR(only_one_line_that_fits_is_taken),
	IN_DIR(a_secret_that_others_may_touch_is_not_read), IN_DIR(what_is_no_file_is_told_apart))
