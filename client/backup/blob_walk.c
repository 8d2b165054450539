/*
 * Owns a position in each of the blob's two streams and the chunk of the skeleton that is being
 * used up. Happy path: a recipe chunk of the main stream -> its operations, each of which takes the
 * next chunk, or bytes of the skeleton stream, which is walked the same way. Failure modes: a chunk
 * out of order, a recipe that is none, an operation beyond its chunk, bytes of another name.
 */
#include "client/backup/blob_walk.h"

#include "common/chunk/op_hasher.h"

#include <stdlib.h>
#include <string.h>

struct walk {
	struct recipe_op ops[RECIPE_OPS_MAX];
	size_t op, n;
};

enum need { NEED_RECIPE, NEED_SKELETON_RECIPE, NEED_SKELETON, NEED_DATA };

struct blob_walk {
	bool tree;
	blob_walk_fn *fn;
	void *ctx;
	struct hasher *hasher;
	struct op_hasher *op_hasher;
	struct walk main, skeleton;
	enum need need;
	bool begun;		  /* the main operation at hand */
	uint64_t left;		  /* of it, when it takes of the skeleton */
	uint8_t *piece;		  /* of the skeleton; CHUNK_MAX bytes */
	size_t piece_at, piece_n; /* what is left of it */
	uint64_t given;
};

struct blob_walk *blob_walk_new(bool tree, blob_walk_fn *fn, void *ctx)
{
	struct blob_walk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->tree = tree;
	w->fn = fn;
	w->ctx = ctx;
	w->hasher = hasher_new();
	w->op_hasher = op_hasher_new();
	w->piece = malloc(CHUNK_MAX);
	if (w->hasher && w->op_hasher && w->piece)
		return w;
	blob_walk_free(w);
	return NULL;
}

void blob_walk_free(struct blob_walk *w)
{
	if (!w)
		return;
	hasher_free(w->hasher);
	op_hasher_free(w->op_hasher);
	free(w->piece);
	free(w);
}

static int give(struct blob_walk *w, const uint8_t *bytes, size_t n, struct err *err)
{
	if (n > BLOB_SIZE_MAX - w->given)
		return err_set(err, ERR_LIMIT, "a blob is too large");
	w->given += n;
	if (!w->tree)
		hasher_update(w->hasher, bytes, n);
	return w->fn(w->ctx, bytes, n, err);
}

/* As much of the skeleton as the main operation wants. *ret_all: it has got all. */
static int give_skeleton(struct blob_walk *w, bool *ret_all, struct err *err)
{
	*ret_all = false;
	while (w->left > 0) {
		size_t n = (size_t)min_u64(w->left, w->piece_n - w->piece_at);

		if (n == 0) {
			w->need = w->skeleton.op == w->skeleton.n ? NEED_SKELETON_RECIPE
								  : NEED_SKELETON;
			return 0;
		}
		if (w->tree)
			op_hasher_skeleton(w->op_hasher, w->piece + w->piece_at, n);
		if (give(w, w->piece + w->piece_at, n, err) != 0)
			return -1;
		w->piece_at += n;
		w->left -= n;
	}
	*ret_all = true;
	return 0;
}

/* Goes on to where the next chunk is needed. */
static int go_on(struct blob_walk *w, struct err *err)
{
	while (w->main.op < w->main.n) {
		const struct recipe_op *op = &w->main.ops[w->main.op];
		bool all;

		if (!w->begun && w->tree)
			op_hasher_op(w->op_hasher, op);
		if (!w->begun && op->kind == OP_SKELETON)
			w->left = op->len;
		w->begun = true;
		if (op->kind != OP_SKELETON) {
			w->need = NEED_DATA;
			return 0;
		}
		if (give_skeleton(w, &all, err) != 0)
			return -1;
		if (!all)
			return 0;
		w->main.op++;
		w->begun = false;
	}
	w->need = NEED_RECIPE;
	return 0;
}

/* What the operation takes of its chunk. */
static int check_op(
	const struct recipe_op *op, const struct digest *name, size_t n, struct err *err)
{
	uint64_t from = op->kind == OP_RANGE ? op->offset : 0;

	if (!digest_equal(&op->name, name))
		return err_set(err, ERR_PROTOCOL, "a chunk out of order");
	if (from > n || op->len > n - from || (op->kind == OP_CHUNK && op->len != n))
		return err_set(err, ERR_PROTOCOL, "a recipe takes more of a chunk than there is");
	return 0;
}

static int take_recipe(struct blob_walk *w, enum recipe_stream stream, const void *bytes, size_t n,
	struct err *err)
{
	struct walk *to = stream == STREAM_MAIN ? &w->main : &w->skeleton;

	to->op = 0;
	return recipe_decode(stream, bytes, n, to->ops, &to->n, err);
}

static int take_skeleton(struct blob_walk *w, const struct digest *name, const uint8_t *bytes,
	size_t n, struct err *err)
{
	const struct recipe_op *op = &w->skeleton.ops[w->skeleton.op++];

	if (check_op(op, name, n, err) != 0)
		return -1;
	if (op->len > CHUNK_MAX)
		return err_set(err, ERR_PROTOCOL, "a chunk of the skeleton is too large");
	memcpy(w->piece, bytes + (op->kind == OP_RANGE ? op->offset : 0), (size_t)op->len);
	w->piece_at = 0;
	w->piece_n = (size_t)op->len;
	return 0;
}

static int take_data(struct blob_walk *w, const struct digest *name, const uint8_t *bytes, size_t n,
	struct err *err)
{
	const struct recipe_op *op = &w->main.ops[w->main.op++];

	w->begun = false;
	if (check_op(op, name, n, err) != 0)
		return -1;
	return give(w, bytes + (op->kind == OP_RANGE ? op->offset : 0), (size_t)op->len, err);
}

int blob_walk_chunk(struct blob_walk *w, const struct digest *name, const void *bytes, size_t n,
	struct err *err)
{
	int r;

	switch (w->need) {
	case NEED_SKELETON_RECIPE:
		r = take_recipe(w, STREAM_SKELETON, bytes, n, err);
		break;
	case NEED_SKELETON:
		r = take_skeleton(w, name, bytes, n, err);
		break;
	case NEED_DATA:
		r = take_data(w, name, bytes, n, err);
		break;
	case NEED_RECIPE:
	default:
		r = take_recipe(w, STREAM_MAIN, bytes, n, err);
		break;
	}
	return r == 0 ? go_on(w, err) : r;
}

int blob_walk_end(
	struct blob_walk *w, const struct digest *digest, uint64_t *ret_size, struct err *err)
{
	struct digest got = w->tree ? op_hasher_end(w->op_hasher) : hasher_end(w->hasher);
	char name[DIGEST_TEXT_LEN + 1];

	digest_text(digest, name);
	if (w->need != NEED_RECIPE)
		return err_set(err, ERR_VERIFY, "some of %s did not arrive", name);
	if (!digest_equal(&got, digest))
		return err_set(
			err, ERR_VERIFY, "what arrived of %s does not hash to that name", name);
	*ret_size = w->given;
	return 0;
}
