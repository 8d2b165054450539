#include "common/chunk/recipe.h"

#include "tests/support/test.h"

#include <string.h>

static struct recipe_op ops[RECIPE_OPS_MAX];

static struct recipe_op op_of(enum recipe_op_kind kind, uint64_t offset, uint64_t len)
{
	struct recipe_op op = { .kind = kind, .offset = offset, .len = len };

	if (kind != OP_SKELETON)
		memset(op.name.bytes, 0x5a, DIGEST_LEN);
	return op;
}

/* Encodes one operation and decodes it again. */
static int decode_one(enum recipe_stream stream, struct recipe_op op, struct err *err)
{
	struct buf b CLEANUP(buf_done);
	size_t n;

	buf_init(&b, RECIPE_CHUNK_MAX);
	recipe_put(&b, &op);
	assert_true(buf_ok(&b));
	return recipe_decode(stream, buf_bytes(&b), buf_len(&b), ops, &n, err);
}

static void assert_refused(enum recipe_stream stream, struct recipe_op op)
{
	struct err err;

	assert_fails(decode_one(stream, op, &err), &err, ERR_PROTOCOL);
}

static void operations_come_back_as_they_were_put(void **state)
{
	struct recipe_op put[] = { op_of(OP_SKELETON, 0, 1), op_of(OP_CHUNK, 0, CHUNK_MAX),
		op_of(OP_RANGE, 300, CHUNK_MAX - 300), op_of(OP_SKELETON, 0, RECIPE_SKELETON_MAX),
		op_of(OP_CHUNK, 0, 1), op_of(OP_RANGE, CHUNK_MAX - 1, 1) };
	struct buf b CLEANUP(buf_done);
	struct err err;
	size_t n;

	(void)state;
	buf_init(&b, RECIPE_CHUNK_MAX);
	for (size_t i = 0; i < ARRAY_LEN(put); i++)
		recipe_put(&b, &put[i]);
	assert_ok(recipe_decode(STREAM_MAIN, buf_bytes(&b), buf_len(&b), ops, &n, &err), &err);
	assert_int_equal(n, ARRAY_LEN(put));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ops[i].kind, put[i].kind);
		assert_int_equal(ops[i].offset, put[i].offset);
		assert_int_equal(ops[i].len, put[i].len);
		assert_true(digest_equal(&ops[i].name, &put[i].name));
	}
}

static void a_range_has_the_bytes_of_the_format(void **state)
{
	struct recipe_op op = op_of(OP_RANGE, 300, 2);
	struct buf b CLEANUP(buf_done);

	(void)state;
	buf_init(&b, RECIPE_CHUNK_MAX);
	recipe_put(&b, &op);
	assert_int_equal(buf_len(&b), 1 + 32 + 2 + 1);
	assert_int_equal(buf_bytes(&b)[0], 3);
	assert_int_equal(buf_bytes(&b)[1], 0x5a);
	assert_memory_equal(buf_bytes(&b) + 33, "\xac\x02\x02", 3);
}

static void lengths_of_zero_are_refused(void **state)
{
	(void)state;
	assert_refused(STREAM_MAIN, op_of(OP_SKELETON, 0, 0));
	assert_refused(STREAM_MAIN, op_of(OP_CHUNK, 0, 0));
	assert_refused(STREAM_MAIN, op_of(OP_RANGE, 5, 0));
}

static void lengths_past_the_limits_are_refused(void **state)
{
	(void)state;
	assert_refused(STREAM_MAIN, op_of(OP_SKELETON, 0, RECIPE_SKELETON_MAX + 1));
	assert_refused(STREAM_MAIN, op_of(OP_CHUNK, 0, CHUNK_MAX + 1));
	assert_refused(STREAM_MAIN, op_of(OP_CHUNK, 0, UINT64_MAX));
	assert_refused(STREAM_MAIN, op_of(OP_RANGE, 0, CHUNK_MAX + 1));
	assert_refused(STREAM_MAIN, op_of(OP_RANGE, 1, CHUNK_MAX));
	assert_refused(STREAM_MAIN, op_of(OP_RANGE, CHUNK_MAX, 1));
	assert_refused(STREAM_MAIN, op_of(OP_RANGE, UINT64_MAX, 2));
	assert_refused(STREAM_MAIN, op_of(OP_RANGE, 2, UINT64_MAX));
}

static void the_skeleton_stream_cannot_take_of_itself(void **state)
{
	struct err err;

	(void)state;
	assert_refused(STREAM_SKELETON, op_of(OP_SKELETON, 0, 1));
	assert_ok(decode_one(STREAM_SKELETON, op_of(OP_CHUNK, 0, 1), &err), &err);
	assert_ok(decode_one(STREAM_SKELETON, op_of(OP_RANGE, 1, 1), &err), &err);
}

static void unknown_kinds_and_empty_recipes_are_refused(void **state)
{
	static const uint8_t kinds[] = { 0, 4, 255 };
	struct err err;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		uint8_t bytes[34] = { kinds[i], 1 };

		assert_fails(recipe_decode(STREAM_MAIN, bytes, sizeof(bytes), ops, &n, &err), &err,
			ERR_PROTOCOL);
	}
	assert_fails(recipe_decode(STREAM_MAIN, "", 0, ops, &n, &err), &err, ERR_PROTOCOL);
}

static void every_cut_within_an_operation_and_every_byte_too_many_is_refused(void **state)
{
	struct recipe_op chunk = op_of(OP_CHUNK, 0, 4096), range = op_of(OP_RANGE, 4096, 4096);
	struct buf b CLEANUP(buf_done);
	struct err err;
	size_t n, chunk_len;

	(void)state;
	buf_init(&b, RECIPE_CHUNK_MAX);
	recipe_put(&b, &chunk);
	chunk_len = buf_len(&b);
	recipe_put(&b, &range);
	for (size_t len = 1; len < buf_len(&b); len++)
		if (len == chunk_len)
			assert_ok(recipe_decode(STREAM_MAIN, buf_bytes(&b), len, ops, &n, &err),
				&err);
		else
			assert_fails(recipe_decode(STREAM_MAIN, buf_bytes(&b), len, ops, &n, &err),
				&err, ERR_PROTOCOL);
	buf_u8(&b, 0);
	assert_fails(recipe_decode(STREAM_MAIN, buf_bytes(&b), buf_len(&b), ops, &n, &err), &err,
		ERR_PROTOCOL);
}

static void a_number_in_a_longer_form_than_needed_is_refused(void **state)
{
	static const uint8_t bytes[] = { OP_SKELETON, 0x81, 0x00 };
	struct err err;
	size_t n;

	(void)state;
	assert_fails(recipe_decode(STREAM_MAIN, bytes, sizeof(bytes), ops, &n, &err), &err,
		ERR_PROTOCOL);
}

static void as_many_operations_as_allowed_are_taken_and_one_more_is_refused(void **state)
{
	struct recipe_op op = op_of(OP_CHUNK, 0, CHUNK_MAX);
	struct buf b CLEANUP(buf_done);
	struct err err;
	size_t n;

	(void)state;
	buf_init(&b, RECIPE_CHUNK_MAX);
	for (size_t i = 0; i < RECIPE_OPS_MAX; i++)
		recipe_put(&b, &op);
	assert_ok(recipe_decode(STREAM_MAIN, buf_bytes(&b), buf_len(&b), ops, &n, &err), &err);
	assert_int_equal(n, RECIPE_OPS_MAX);
	recipe_put(&b, &op);
	assert_fails(recipe_decode(STREAM_MAIN, buf_bytes(&b), buf_len(&b), ops, &n, &err), &err,
		ERR_PROTOCOL);
}

RUN_TESTS(TEST(operations_come_back_as_they_were_put), TEST(a_range_has_the_bytes_of_the_format),
	TEST(lengths_of_zero_are_refused), TEST(lengths_past_the_limits_are_refused),
	TEST(the_skeleton_stream_cannot_take_of_itself),
	TEST(unknown_kinds_and_empty_recipes_are_refused),
	TEST(every_cut_within_an_operation_and_every_byte_too_many_is_refused),
	TEST(a_number_in_a_longer_form_than_needed_is_refused),
	TEST(as_many_operations_as_allowed_are_taken_and_one_more_is_refused))
