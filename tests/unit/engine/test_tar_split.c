#include "common/engine/tar_split.h"
#include "tests/support/gzip_fd.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Everything in it: bytes as they are, "<name:size>" for a file. */
static int read_all(int fd, char *ret, size_t size, struct err *err)
{
	struct tar_split *t = tar_split_new(fd, err);
	struct tar_split_part p = { 0 };
	size_t n = 0;
	int r = t ? 0 : -1;

	ret[0] = '\0';
	while (r == 0 && (r = tar_split_next(t, &p, err)) == 0 && p.kind != TAR_SPLIT_END) {
		if (p.kind == TAR_SPLIT_FILE)
			n += (size_t)snprintf(
				ret + n, size - n, "<%s:%ju>", p.name, (uintmax_t)p.size);
		else
			n += (size_t)snprintf(
				ret + n, size - n, "%.*s", (int)p.size, (const char *)p.bytes);
		assert_true(n < size);
	}
	tar_split_free(t);
	close(fd);
	return r;
}

static void assert_reads(const char *lines, const char *expected)
{
	char got[1000];
	struct err err;

	assert_ok(read_all(gzip_fd(lines, strlen(lines)), got, sizeof(got), &err), &err);
	assert_string_equal(got, expected);
}

static void assert_refused(const char *line, enum err_code code)
{
	char got[1000], lines[1000];
	struct err err;

	snprintf(lines, sizeof(lines), "%s\n", line);
	assert_fails(read_all(gzip_fd(lines, strlen(lines)), got, sizeof(got), &err), &err, code);
	assert_string_equal(got, "");
}

/* --- what is read --- */

static void bytes_and_files_come_in_their_order(void **state)
{
	(void)state;
	assert_reads("{\"type\":2,\"payload\":\"aGVhZA==\",\"position\":0}\n"
		     "{\"type\":1,\"name\":\"a/b\",\"size\":5,\"payload\":\"AAAAAAAAAAA=\","
		     "\"position\":1}\n"
		     "{\"type\":2,\"payload\":\"cGFk\",\"position\":2}\n"
		     "{\"type\":2,\"payload\":\"dGFpbA==\",\"position\":3}\n",
		"head<a/b:5>padtail");
}

static void what_has_no_contents_is_passed_over(void **state)
{
	(void)state;
	assert_reads("{\"type\":1,\"name\":\"dir/\",\"payload\":null,\"position\":0}\n"
		     "{\"type\":1,\"name\":\"link\",\"size\":7,\"payload\":null,\"position\":1}\n"
		     "{\"type\":1,\"name\":\"empty\",\"size\":0,\"payload\":\"AAAAAAAAAAA=\","
		     "\"position\":2}\n"
		     "{\"type\":1,\"name\":\"empty\",\"payload\":\"AAAAAAAAAAA=\",\"position\":3}\n"
		     "{\"type\":2,\"payload\":\"\",\"position\":4}\n"
		     "{\"type\":2,\"payload\":\"eA==\",\"position\":5}\n",
		"x");
}

static void names_are_what_they_were_before_they_were_written(void **state)
{
	(void)state;
	assert_reads("{\"type\":1,\"name\":\"\\u003ca\\u0026b\\u003e \\\"q\\\" \\\\ "
		     "\\n\\t\\/\\u2028\\u00e9\",\"size\":1,\"payload\":\"AA==\",\"position\":0}\n",
		"<<a&b> \"q\" \\ \n\t/\xe2\x80\xa8\xc3\xa9:1>");
	assert_reads("{\"type\":1,\"name\":\"\xe6\x97\xa5\",\"size\":1,\"payload\":\"AA==\","
		     "\"position\":0}\n",
		"<\xe6\x97\xa5:1>");
	assert_reads("{\"type\":1,\"name_raw\":\"/2E=\",\"size\":1,\"payload\":\"AA==\","
		     "\"position\":0}\n",
		"<\xff"
		"a:1>");
}

static void sizes_may_be_as_large_as_numbers_are(void **state)
{
	(void)state;
	assert_reads("{\"type\":1,\"name\":\"a\",\"size\":18446744073709551615,\"payload\":"
		     "\"AA==\",\"position\":0}\n",
		"<a:18446744073709551615>");
	assert_refused("{\"type\":1,\"name\":\"a\",\"size\":18446744073709551616,\"payload\":"
		       "\"AA==\",\"position\":0}",
		ERR_CORRUPT);
}

static void every_byte_survives(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	char line[600] = "{\"type\":2,\"payload\":\"";
	size_t n = strlen(line);
	struct tar_split_part p;
	struct tar_split *t;
	struct err err;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 255; i += 3) {
		unsigned v = i << 16 | (i + 1) << 8 | (i + 2);

		for (int shift = 18; shift >= 0; shift -= 6)
			line[n++] = digits[v >> shift & 63];
	}
	n += (size_t)snprintf(line + n, sizeof(line) - n, "/w==\",\"position\":0}\n");
	fd = gzip_fd(line, n);
	t = tar_split_new(fd, &err);
	assert_non_null(t);
	assert_ok(tar_split_next(t, &p, &err), &err);
	assert_int_equal(p.size, 256);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(p.bytes[i], i);
	tar_split_free(t);
	close(fd);
}

/* A line with a payload of n digits, in memory of the caller's. */
static char *long_line(size_t n, size_t *ret_len)
{
	static const char before[] = "{\"type\":2,\"payload\":\"", after[] = "\",\"position\":0}\n";
	char *line = malloc(n + sizeof(before) + sizeof(after));

	assert_non_null(line);
	memcpy(line, before, sizeof(before) - 1);
	memset(line + sizeof(before) - 1, 'A', n);
	memcpy(line + sizeof(before) - 1 + n, after, sizeof(after) - 1);
	*ret_len = n + sizeof(before) + sizeof(after) - 2;
	return line;
}

static void a_line_may_be_long_but_not_longer_than_the_limit(void **state)
{
	const size_t lengths[] = { 1400000, TAR_SPLIT_LINE_MAX };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t n;
		char *line = long_line(lengths[i], &n);
		int fd = gzip_fd(line, n);
		struct tar_split_part p;
		struct err err;
		struct tar_split *t = tar_split_new(fd, &err);

		assert_non_null(t);
		if (i == 0) {
			assert_ok(tar_split_next(t, &p, &err), &err);
			assert_int_equal(p.size, lengths[i] / 4 * 3);
		} else {
			assert_fails(tar_split_next(t, &p, &err), &err, ERR_LIMIT);
		}
		tar_split_free(t);
		close(fd);
		free(line);
	}
}

/* --- what is refused --- */

static void what_is_no_entry_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"{}",
		"x",
		"[1]",
		"{\"type\":2,\"payload\":\"eA==\",\"position\":0",
		"{\"type\":2,\"payload\":\"eA==\",\"position\":0}x",
		"{\"type\":2,\"payload\":\"eA==\",\"position\":}",
		"{\"type\":2,\"payload\":\"eA==",
		"{\"type\":2,\"payload\":\"eA==\\",
		"{\"type\":2,\"payload\":\"eA==\",}",
		"{\"type\":-2,\"payload\":\"eA==\"}",
		"{\"type\":2,\"payload\":7}",
		"{\"type\":2,\"payload\":\"eA==\",\"sparse\":true}",
		"{\"payload\":\"eA==\",\"position\":0}",
		"{\"type\":3,\"payload\":\"eA==\",\"position\":0}",
		"{\"type\":0,\"payload\":\"eA==\",\"position\":0}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_refused(lines[i], ERR_CORRUPT);
}

static void bytes_that_are_no_base64_are_refused(void **state)
{
	static const char *const payloads[] = { "null", "\"e\"", "\"eA\"", "\"eA=\"", "\"====\"",
		"\"e===\"", "\"eA==eA==\"", "\"e A=\"", "\"eA-_\"", "\"=eAA\"",
		"\"\xff\xff\xff\xff\"" };
	char line[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		snprintf(line, sizeof(line), "{\"type\":2,\"payload\":%s,\"position\":0}",
			payloads[i]);
		assert_refused(line, ERR_CORRUPT);
	}
}

static void names_that_are_none_are_refused(void **state)
{
	static const char *const names[] = { "\"name\":\"\"", "\"name\":\"a\\u0000b\"",
		"\"name\":\"\\ud800\\udc00\"", "\"name\":\"\\u12\"", "\"name\":\"\\x\"",
		"\"name_raw\":\"\"", "\"name_raw\":\"YQBi\"", "\"name_raw\":\"?\"",
		"\"position\":1" };
	char line[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(line, sizeof(line), "{\"type\":1,%s,\"size\":1,\"payload\":\"AA==\"}",
			names[i]);
		assert_refused(line, ERR_CORRUPT);
	}
}

static void data_that_were_cut_or_never_were_gzip_are_refused(void **state)
{
	static const char line[] = "{\"type\":2,\"payload\":\"eA==\",\"position\":0}\n";
	char got[100];
	struct stat st;
	struct err err;
	int fd;

	(void)state;
	/* Inside of a line, in data that are whole. */
	assert_fails(read_all(gzip_fd(line, sizeof(line) - 2), got, sizeof(got), &err), &err,
		ERR_CORRUPT);
	fd = gzip_fd(line, sizeof(line) - 1);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	/* Of the last 8 bytes, a checksum and a length, nothing depends. */
	for (off_t n = 0; n < st.st_size - 8; n++) {
		fd = gzip_fd(line, sizeof(line) - 1);
		assert_int_equal(ftruncate(fd, n), 0);
		assert_fails(read_all(fd, got, sizeof(got), &err), &err, ERR_CORRUPT);
	}
	fd = memfd_create("none", MFD_CLOEXEC);
	assert_int_equal(write(fd, "no gzip at all\n", 15), 15);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_fails(read_all(fd, got, sizeof(got), &err), &err, ERR_CORRUPT);
}

RUN_TESTS(TEST(bytes_and_files_come_in_their_order), TEST(what_has_no_contents_is_passed_over),
	TEST(names_are_what_they_were_before_they_were_written),
	TEST(sizes_may_be_as_large_as_numbers_are), TEST(every_byte_survives),
	TEST(a_line_may_be_long_but_not_longer_than_the_limit), TEST(what_is_no_entry_is_refused),
	TEST(bytes_that_are_no_base64_are_refused), TEST(names_that_are_none_are_refused),
	TEST(data_that_were_cut_or_never_were_gzip_are_refused))
