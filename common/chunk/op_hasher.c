#include "common/chunk/op_hasher.h"

#include <stdlib.h>

#define OP_BYTES_MAX 64u
#define TAG "dray tree" /* with its terminator, 10 bytes */

struct op_hasher {
	struct hasher *streams[2]; /* by enum recipe_stream: operations, bytes */
	struct buf op;
	uint64_t size; /* of the blob so far */
};

struct op_hasher *op_hasher_new(void)
{
	struct op_hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	buf_init(&h->op, OP_BYTES_MAX);
	h->streams[STREAM_MAIN] = hasher_new();
	h->streams[STREAM_SKELETON] = hasher_new();
	if (!h->streams[STREAM_MAIN] || !h->streams[STREAM_SKELETON] ||
		!buf_reserve(&h->op, OP_BYTES_MAX)) {
		op_hasher_free(h);
		return NULL;
	}
	return h;
}

void op_hasher_free(struct op_hasher *h)
{
	if (!h)
		return;
	hasher_free(h->streams[STREAM_MAIN]);
	hasher_free(h->streams[STREAM_SKELETON]);
	buf_done(&h->op);
	free(h);
}

void op_hasher_op(struct op_hasher *h, const struct recipe_op *op)
{
	/* There is room for any operation, so this cannot fail. */
	buf_clear(&h->op);
	recipe_put(&h->op, op);
	hasher_update(h->streams[STREAM_MAIN], buf_bytes(&h->op), buf_len(&h->op));
	h->size += op->len;
}

void op_hasher_skeleton(struct op_hasher *h, const void *bytes, size_t n)
{
	hasher_update(h->streams[STREAM_SKELETON], bytes, n);
}

struct digest op_hasher_end(struct op_hasher *h)
{
	uint8_t whole[sizeof(TAG) + 8 + 2 * DIGEST_LEN];
	size_t at = 0;

	for (; at < sizeof(TAG); at++)
		whole[at] = (uint8_t)TAG[at];
	for (unsigned i = 0; i < 8; i++)
		whole[at++] = (uint8_t)(h->size >> (8 * i));
	for (int s = 0; s < 2; s++) {
		struct digest d = hasher_end(h->streams[s]);

		for (size_t i = 0; i < DIGEST_LEN; i++)
			whole[at++] = d.bytes[i];
	}
	h->size = 0;
	return digest_of(whole, sizeof(whole));
}
