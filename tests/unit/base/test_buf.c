#include "common/base/buf.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void an_empty_buffer_owns_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_len(&b), 0);
	assert_null(b.data);
	buf_append(&b, "", 0);
	assert_null(b.data);
	assert_true(buf_ok(&b));
	buf_done(&b);
}

static void it_holds_its_maximum_and_not_one_byte_more(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_append(&b, "abc", 3);
	buf_append(&b, "de", 2);
	assert_true(buf_ok(&b));
	assert_memory_equal(buf_bytes(&b), "abcde", 5);
	buf_append(&b, "f", 1);
	assert_false(buf_ok(&b));
	assert_int_equal(buf_len(&b), 5);
	buf_done(&b);
}

static void a_failure_sticks_until_it_is_cleared(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_append(&b, "12345", 5);
	buf_append(&b, "1", 1);
	assert_false(buf_ok(&b));
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
	buf_append(&b, "1234", 4);
	assert_true(buf_ok(&b));
	buf_done(&b);
}

static void what_is_consumed_makes_room_again(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 600);
	for (int round = 0; round < 50; round++) {
		uint8_t *to = buf_reserve(&b, 400);

		assert_non_null(to);
		memset(to, round, 400);
		buf_commit(&b, 400);
		assert_int_equal(buf_bytes(&b)[0], round == 0 ? 0 : round - 1);
		buf_consume(&b, round == 0 ? 200 : 400);
	}
	assert_int_equal(buf_len(&b), 200);
	assert_true(buf_ok(&b));
	assert_true(b.cap <= 600);
	buf_done(&b);
}

static void stolen_memory_starts_with_the_content(void **state)
{
	struct buf b;
	uint8_t *mine;
	size_t n;

	(void)state;
	buf_init(&b, 100);
	buf_append(&b, "0123456789", 10);
	buf_consume(&b, 4);
	mine = buf_steal(&b, &n);
	assert_int_equal(n, 6);
	assert_memory_equal(mine, "456789", 6);
	assert_int_equal(buf_len(&b), 0);
	assert_null(b.data);
	free(mine);
	buf_done(&b);
}

static void numbers_are_little_endian(void **state)
{
	static const uint8_t expected[] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e,
		0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08 };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_u8(&b, 0x01);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(buf_len(&b), sizeof(expected));
	assert_memory_equal(buf_bytes(&b), expected, sizeof(expected));
	buf_done(&b);
}

static void varints_take_seven_bits_a_byte(void **state)
{
	static const struct {
		uint64_t v;
		size_t len;
	} cases[] = { { 0, 1 }, { 127, 1 }, { 128, 2 }, { 16383, 2 }, { 16384, 3 },
		{ UINT64_C(1) << 62, 9 }, { UINT64_C(1) << 63, 10 }, { UINT64_MAX, 10 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;

		buf_init(&b, 20);
		buf_varint(&b, cases[i].v);
		assert_int_equal(buf_len(&b), cases[i].len);
		buf_done(&b);
	}
}

static void a_text_of_65536_bytes_is_refused(void **state)
{
	char *text = malloc(65537);
	struct buf b;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 65536);
	text[65536] = '\0';
	buf_init(&b, 100000);
	buf_text(&b, text + 1);
	assert_true(buf_ok(&b));
	assert_int_equal(buf_len(&b), 65537);
	buf_clear(&b);
	buf_text(&b, text);
	assert_false(buf_ok(&b));
	assert_int_equal(buf_len(&b), 0);
	free(text);
	buf_done(&b);
}

RUN_TESTS(TEST(an_empty_buffer_owns_nothing), TEST(it_holds_its_maximum_and_not_one_byte_more),
	TEST(a_failure_sticks_until_it_is_cleared), TEST(what_is_consumed_makes_room_again),
	TEST(stolen_memory_starts_with_the_content), TEST(numbers_are_little_endian),
	TEST(varints_take_seven_bits_a_byte), TEST(a_text_of_65536_bytes_is_refused))
