#include "common/chunk/recipe.h"

#include <assert.h>

void recipe_put(struct buf *to, const struct recipe_op *op)
{
	assert(op->kind == OP_SKELETON || op->kind == OP_CHUNK || op->kind == OP_RANGE);
	buf_u8(to, (uint8_t)op->kind);
	if (op->kind != OP_SKELETON)
		buf_append(to, op->name.bytes, DIGEST_LEN);
	if (op->kind == OP_RANGE)
		buf_varint(to, op->offset);
	buf_varint(to, op->len);
}

static bool len_allowed(const struct recipe_op *op)
{
	if (op->len == 0)
		return false;
	switch (op->kind) {
	case OP_SKELETON:
		return op->len <= RECIPE_SKELETON_MAX;
	case OP_CHUNK:
		return op->len <= CHUNK_MAX;
	case OP_RANGE:
		return op->offset < CHUNK_MAX && op->len <= CHUNK_MAX - op->offset;
	}
	return false;
}

static int get_op(
	struct cursor *c, enum recipe_stream stream, struct recipe_op *ret, struct err *err)
{
	uint8_t kind = cursor_u8(c);

	*ret = (struct recipe_op){ 0 };
	switch (kind) {
	case OP_SKELETON:
		if (stream == STREAM_SKELETON)
			return err_set(err, ERR_PROTOCOL, "a skeleton's recipe takes of itself");
		ret->kind = OP_SKELETON;
		break;
	case OP_CHUNK:
		ret->kind = OP_CHUNK;
		break;
	case OP_RANGE:
		ret->kind = OP_RANGE;
		break;
	default:
		return err_set(err, ERR_PROTOCOL, "unknown operation %u in a recipe", kind);
	}
	if (ret->kind != OP_SKELETON)
		cursor_copy(c, ret->name.bytes, DIGEST_LEN);
	if (ret->kind == OP_RANGE)
		ret->offset = cursor_varint(c);
	ret->len = cursor_varint(c);
	if (c->bad)
		return err_set(err, ERR_PROTOCOL, "a recipe ends within an operation");
	if (!len_allowed(ret))
		return err_set(err, ERR_PROTOCOL, "a recipe's operation has a length out of range");
	return 0;
}

int recipe_decode(enum recipe_stream stream, const void *bytes, size_t n, struct recipe_op *ret,
	size_t *ret_n, struct err *err)
{
	struct cursor c = cursor_over(bytes, n);
	size_t n_ops = 0;

	if (n == 0)
		return err_set(err, ERR_PROTOCOL, "a recipe is empty");
	if (n > RECIPE_CHUNK_MAX)
		return err_set(err, ERR_PROTOCOL, "a recipe chunk is too long");
	while (!cursor_end(&c)) {
		if (n_ops == RECIPE_OPS_MAX)
			return err_set(err, ERR_PROTOCOL, "a recipe has too many operations");
		if (get_op(&c, stream, &ret[n_ops], err) != 0)
			return -1;
		n_ops++;
	}
	*ret_n = n_ops;
	return 0;
}
