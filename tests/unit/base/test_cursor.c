#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "tests/support/test.h"

static void what_the_writers_write_the_getters_read(void **state)
{
	struct buf b;
	struct cursor c;
	const char *text;
	size_t n;

	(void)state;
	buf_init(&b, 100);
	buf_u8(&b, 200);
	buf_u16(&b, 60000);
	buf_u32(&b, 4000000000u);
	buf_u64(&b, UINT64_MAX - 1);
	buf_text(&b, "hello");
	buf_text(&b, "");
	c = cursor_over(buf_bytes(&b), buf_len(&b));
	assert_int_equal(cursor_u8(&c), 200);
	assert_int_equal(cursor_u16(&c), 60000);
	assert_int_equal(cursor_u32(&c), 4000000000u);
	assert_true(cursor_u64(&c) == UINT64_MAX - 1);
	text = cursor_text(&c, 5, &n);
	assert_int_equal(n, 5);
	assert_memory_equal(text, "hello", 5);
	assert_false(cursor_end(&c));
	assert_non_null(cursor_text(&c, 5, &n));
	assert_int_equal(n, 0);
	assert_true(cursor_end(&c));
	buf_done(&b);
}

static void one_byte_short_is_bad_and_stays_bad(void **state)
{
	static const uint8_t raw[] = { 1, 2, 3 };
	struct cursor c = cursor_over(raw, sizeof(raw));
	uint8_t copied[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0);
	assert_null(cursor_bytes(&c, 1));
	cursor_copy(&c, copied, sizeof(copied));
	assert_int_equal(copied[0], 0);
	assert_int_equal(copied[3], 0);
	assert_false(cursor_end(&c));
}

static void bytes_may_be_taken_to_the_last_and_no_further(void **state)
{
	static const uint8_t raw[] = { 1, 2, 3 };
	struct cursor c = cursor_over(raw, sizeof(raw));

	(void)state;
	assert_ptr_equal(cursor_bytes(&c, 3), raw);
	assert_true(cursor_end(&c));
	assert_non_null(cursor_bytes(&c, 0));
	assert_true(cursor_end(&c));
	assert_null(cursor_bytes(&c, 1));
	assert_false(cursor_end(&c));
}

static void a_text_longer_than_allowed_is_bad(void **state)
{
	static const uint8_t raw[] = { 3, 0, 'a', 'b', 'c' };
	struct cursor c = cursor_over(raw, sizeof(raw));
	size_t n = 77;

	(void)state;
	assert_null(cursor_text(&c, 2, &n));
	assert_int_equal(n, 0);
	assert_true(c.bad);
	c = cursor_over(raw, sizeof(raw) - 1);
	assert_null(cursor_text(&c, 3, &n));
	assert_true(c.bad);
}

static void every_varint_comes_back(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (uint64_t off = 0; off < 3; off++) {
			uint64_t v = (UINT64_C(1) << bit) - 1 + off, got;
			struct buf b;
			struct cursor c;

			buf_init(&b, 10);
			buf_varint(&b, v);
			c = cursor_over(buf_bytes(&b), buf_len(&b));
			got = cursor_varint(&c);
			assert_true(got == v);
			assert_true(cursor_end(&c));
			buf_done(&b);
		}
	}
}

static void varints_in_other_than_their_shortest_form_are_refused(void **state)
{
	static const struct {
		uint8_t raw[11];
		size_t n;
	} cases[] = {
		{ { 0x80, 0x00 }, 2 },
		{ { 0xff, 0x00 }, 2 },
		{ { 0x80, 0x80, 0x00 }, 3 },
		{ { 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 }, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cursor c = cursor_over(cases[i].raw, cases[i].n);

		assert_int_equal(cursor_varint(&c), 0);
		assert_true(c.bad);
	}
}

static void varints_past_64_bits_are_refused(void **state)
{
	static const uint8_t max[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
	static const uint8_t bit64[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0x02 };
	static const uint8_t eleven[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
		0x81, 0x00 };
	struct cursor c = cursor_over(max, sizeof(max));

	(void)state;
	assert_true(cursor_varint(&c) == UINT64_MAX);
	assert_true(cursor_end(&c));
	c = cursor_over(bit64, sizeof(bit64));
	assert_int_equal(cursor_varint(&c), 0);
	assert_true(c.bad);
	c = cursor_over(eleven, sizeof(eleven));
	assert_int_equal(cursor_varint(&c), 0);
	assert_true(c.bad);
}

static void a_varint_cut_off_is_refused(void **state)
{
	static const uint8_t raw[] = { 0x80, 0x80 };
	struct cursor c = cursor_over(raw, 0);

	(void)state;
	assert_int_equal(cursor_varint(&c), 0);
	assert_true(c.bad);
	c = cursor_over(raw, sizeof(raw));
	assert_int_equal(cursor_varint(&c), 0);
	assert_true(c.bad);
}

RUN_TESTS(TEST(what_the_writers_write_the_getters_read), TEST(one_byte_short_is_bad_and_stays_bad),
	TEST(bytes_may_be_taken_to_the_last_and_no_further),
	TEST(a_text_longer_than_allowed_is_bad), TEST(every_varint_comes_back),
	TEST(varints_in_other_than_their_shortest_form_are_refused),
	TEST(varints_past_64_bits_are_refused), TEST(a_varint_cut_off_is_refused))
