#include "tests/unit/chunk/kept.h"

#include "common/chunk/kind.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct batch_chunk *find(const struct batch *b, const struct digest *name)
{
	for (size_t i = 0; i < b->n_chunks; i++)
		if (digest_equal(&b->chunks[i].name, name))
			return &b->chunks[i];
	return NULL;
}

/* The chunks are named right, are there once, fill the data without gaps. */
static void check_chunks(const struct batch *b)
{
	size_t at = 0;

	for (size_t i = 0; i < b->n_chunks; i++) {
		const struct batch_chunk *c = &b->chunks[i];
		struct digest d = digest_of(b->data + c->offset, c->len);

		assert_true(digest_equal(&d, &c->name));
		assert_ptr_equal(find(b, &c->name), c);
		assert_int_equal(c->kind, b->stream == STREAM_MAIN ? CHUNK_DATA : CHUNK_SKELETON);
		assert_in_range(c->len, 1, CHUNK_MAX);
		assert_int_equal(c->offset, at);
		at += c->len;
	}
	assert_int_equal(at, b->data_len);
	assert_in_range(b->data_len, 0, RECIPE_SPAN_MAX + CHUNK_MAX);
}

/* The recipe decodes, and is cut where the format says. */
static void check_recipe(const struct batch *b)
{
	struct digest d = digest_of(b->recipe, b->recipe_len);
	struct recipe_op ops[RECIPE_OPS_MAX];
	struct err err;
	uint64_t span = 0;
	size_t n, used = 0;

	assert_true(digest_equal(&d, &b->name));
	assert_ok(recipe_decode(b->stream, b->recipe, b->recipe_len, ops, &n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		assert_true(span < RECIPE_SPAN_MAX);
		span += ops[i].len;
		if (ops[i].kind == OP_SKELETON) {
			assert_true(i == 0 || ops[i - 1].kind != OP_SKELETON ||
				    ops[i - 1].len == RECIPE_SKELETON_MAX);
			continue;
		}
		const struct batch_chunk *c = find(b, &ops[i].name);
		assert_non_null(c);
		assert_int_equal(c->len, ops[i].len);
		assert_true(c <= &b->chunks[used]); /* in order of first use */
		used += c == &b->chunks[used];
		if (i + 1 >= RECIPE_OPS_MIN && i + 1 < n)
			assert_int_not_equal(ops[i].name.bytes[31] & 0x3f, 0);
	}
	assert_int_equal(used, b->n_chunks);
	assert_int_equal(span, b->span);
}

static int keep(void *ctx, struct batch *b, struct err *err)
{
	struct kept *k = ctx;

	(void)err;
	assert_true(k->n < KEPT_MAX);
	check_chunks(b);
	check_recipe(b);
	assert_int_equal(batch_weight(b),
		sizeof(*b) + b->n_chunks * sizeof(*b->chunks) + b->recipe_len + b->data_len);
	k->batches[k->n++] = b;
	return 0;
}

void kept_split(struct kept *k, bool tar, const uint8_t *bytes, size_t n, size_t step)
{
	struct splitter *s;
	struct digest digest, expected = digest_of(bytes, n);
	struct err err;
	uint64_t size;

	k->n = 0;
	s = splitter_new(tar, keep, k);
	for (size_t i = 0; i < n; i += step)
		assert_ok(splitter_feed(s, bytes + i, min_size(step, n - i), &err), &err);
	assert_ok(splitter_end(s, &digest, &size, &err), &err);
	assert_true(digest_equal(&digest, &expected));
	assert_int_equal(size, n);
	splitter_free(s);
}

void kept_done(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		batch_free(k->batches[i]);
	k->n = 0;
}

/* Writes what a stream's recipes say; the skeleton stream comes from `skeleton`. */
static uint8_t *rebuild(
	const struct kept *k, enum recipe_stream stream, const uint8_t *skeleton, size_t *ret_n)
{
	struct recipe_op ops[RECIPE_OPS_MAX];
	uint8_t *out, *at;
	struct err err;
	size_t n_ops, total = 0;

	for (size_t i = 0; i < k->n; i++)
		if (k->batches[i]->stream == stream)
			total += k->batches[i]->span;
	out = at = malloc(total + 1);
	for (size_t i = 0; i < k->n; i++) {
		const struct batch *b = k->batches[i];

		if (b->stream != stream)
			continue;
		assert_ok(recipe_decode(stream, b->recipe, b->recipe_len, ops, &n_ops, &err), &err);
		for (size_t o = 0; o < n_ops; at += ops[o++].len) {
			if (ops[o].kind == OP_SKELETON) {
				memcpy(at, skeleton, ops[o].len);
				skeleton += ops[o].len;
				continue;
			}
			memcpy(at, b->data + find(b, &ops[o].name)->offset, ops[o].len);
		}
	}
	*ret_n = total;
	return out;
}

void kept_assert_rebuilds(const struct kept *k, const uint8_t *bytes, size_t n)
{
	size_t skeleton_len, main_len;
	uint8_t *skeleton = rebuild(k, STREAM_SKELETON, NULL, &skeleton_len);
	uint8_t *blob = rebuild(k, STREAM_MAIN, skeleton, &main_len);

	assert_int_equal(main_len, n);
	if (n)
		assert_memory_equal(blob, bytes, n);
	free(skeleton);
	free(blob);
}

static bool holds(const struct kept *k, const struct digest *chunk)
{
	for (size_t i = 0; k && i < k->n; i++)
		if (find(k->batches[i], chunk))
			return true;
	return false;
}

size_t kept_new_bytes(const struct kept *k, const struct kept *older, enum recipe_stream stream)
{
	size_t sum = 0;

	for (size_t i = 0; i < k->n; i++) {
		const struct batch *b = k->batches[i];

		for (size_t c = 0; b->stream == stream && c < b->n_chunks; c++)
			if (!holds(older, &b->chunks[c].name))
				sum += b->chunks[c].len;
	}
	return sum;
}

static bool holds_recipe(const struct kept *k, const struct digest *name)
{
	for (size_t i = 0; k && i < k->n; i++)
		if (digest_equal(&k->batches[i]->name, name))
			return true;
	return false;
}

size_t kept_new_recipes(const struct kept *k, const struct kept *older, enum recipe_stream stream)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n; i++)
		n += k->batches[i]->stream == stream && !holds_recipe(older, &k->batches[i]->name);
	return n;
}

size_t kept_recipes(const struct kept *k, enum recipe_stream stream)
{
	return kept_new_recipes(k, NULL, stream);
}
