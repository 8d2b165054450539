#include "common/chunk/blob_record.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* A record with these numbers of lists, and its bytes in `to`. */
static struct blob_record make(struct buf *to, uint32_t n_main, uint32_t n_skeleton)
{
	struct blob_record r = { .size = 1234567, .n_lists = { n_main, n_skeleton } };

	memset(r.digest.bytes, 7, DIGEST_LEN);
	for (int i = 0; i < 2; i++) {
		r.lists[i] = calloc((size_t)r.n_lists[i] + 1, DIGEST_LEN);
		memset(r.lists[i], 0x10 + i, (size_t)r.n_lists[i] * DIGEST_LEN);
	}
	buf_init(to, 1u << 20);
	blob_record_put(to, &r);
	assert_true(buf_ok(to));
	return r;
}

static void put(struct buf *to, uint32_t n_main, uint32_t n_skeleton)
{
	struct blob_record r = make(to, n_main, n_skeleton);

	blob_record_done(&r);
}

static void assert_refused(const struct buf *b, size_t n)
{
	struct blob_record r;
	struct err err;

	assert_fails(blob_record_parse(buf_bytes(b), n, &r, &err), &err, ERR_CORRUPT);
}

static void a_record_comes_back_as_it_was_put(void **state)
{
	static const uint32_t numbers[][2] = { { 0, 0 }, { 1, 0 }, { 3, 2 },
		{ BLOB_LISTS_MAX - 1, 1 } };
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct buf b CLEANUP(buf_done);
		struct blob_record r CLEANUP(blob_record_done) = { 0 };
		struct blob_record was CLEANUP(blob_record_done) = make(
			&b, numbers[i][0], numbers[i][1]);

		assert_ok(blob_record_parse(buf_bytes(&b), buf_len(&b), &r, &err), &err);
		assert_true(digest_equal(&r.digest, &was.digest));
		assert_int_equal(r.size, was.size);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(r.n_lists[k], numbers[i][k]);
			if (r.n_lists[k])
				assert_memory_equal(r.lists[k], was.lists[k],
					(size_t)r.n_lists[k] * DIGEST_LEN);
		}
	}
}

static void a_record_has_the_bytes_of_the_format(void **state)
{
	struct buf b CLEANUP(buf_done);
	const uint8_t *at;

	(void)state;
	put(&b, 2, 1);
	at = buf_bytes(&b);
	assert_int_equal(buf_len(&b), 52 + 3 * 32);
	assert_memory_equal(at, "dBL1", 4);
	assert_int_equal(at[4], 7);
	assert_memory_equal(at + 36, "\x87\xd6\x12\0\0\0\0\0\2\0\0\0\1\0\0\0", 16);
	assert_int_equal(at[52], 0x10);
	assert_int_equal(at[52 + 64], 0x11);
}

static void every_cut_and_a_byte_too_many_are_refused(void **state)
{
	struct buf b CLEANUP(buf_done);

	(void)state;
	put(&b, 2, 1);
	for (size_t n = 0; n < buf_len(&b); n++)
		assert_refused(&b, n);
	buf_u8(&b, 0);
	assert_refused(&b, buf_len(&b));
}

static void impossible_numbers_are_refused(void **state)
{
	struct buf b CLEANUP(buf_done);

	(void)state;
	put(&b, BLOB_LISTS_MAX, 1);
	assert_refused(&b, buf_len(&b));
	memset(buf_bytes(&b) + 44, 0xff, 8);
	assert_refused(&b, buf_len(&b));
	memset(buf_bytes(&b) + 44, 0, 8);
	assert_refused(&b, buf_len(&b));
	memset(buf_bytes(&b) + 36, 0xff, 8);
	assert_refused(&b, 52);
	buf_bytes(&b)[0] = 'x';
	assert_refused(&b, 52);
}

RUN_TESTS(TEST(a_record_comes_back_as_it_was_put), TEST(a_record_has_the_bytes_of_the_format),
	TEST(every_cut_and_a_byte_too_many_are_refused), TEST(impossible_numbers_are_refused))
