#include "common/chunk/splitter.h"

#include "common/chunk/op_hasher.h"
#include "tests/support/test.h"
#include "tests/unit/chunk/kept.h"
#include "tests/unit/chunk/samples.h"

#include <stdlib.h>
#include <string.h>

#define BIG 300000u
#define FILE_NUMBER 7

/* A tar of three files, of which the second is big, and where its contents are. */
struct sample {
	uint8_t contents[BIG];
	struct buf tar;
	size_t from;
};

/* What a splitter told of its chunks, and gave. */
struct seen {
	struct digest names[64];
	uint32_t lens[64];
	size_t n;
	struct kept kept;
	struct digest digest;
	uint64_t size;
};

static int make_sample(void **state)
{
	struct sample *s = malloc(sizeof(*s));

	assert_non_null(s);
	samples_random(s->contents, BIG, 1);
	buf_init(&s->tar, 2 * BIG);
	samples_file(&s->tar, "a", s->contents + 5, 100, 1);
	s->from = buf_len(&s->tar) + 512;
	samples_file(&s->tar, "b", s->contents, BIG, 1);
	samples_file(&s->tar, "c", s->contents, 30, 1);
	samples_end(&s->tar);
	assert_true(buf_ok(&s->tar));
	*state = s;
	return 0;
}

static int drop_sample(void **state)
{
	struct sample *s = *state;

	buf_done(&s->tar);
	free(s);
	return 0;
}

static int keep(void *ctx, struct batch *b, struct err *err)
{
	struct seen *to = ctx;

	(void)err;
	assert_true(to->kept.n < KEPT_MAX);
	to->kept.batches[to->kept.n++] = b;
	return 0;
}

static void on_chunk(void *ctx, const struct digest *name, uint32_t len)
{
	struct seen *to = ctx;

	assert_true(to->n < ARRAY_LEN(to->names));
	to->names[to->n] = *name;
	to->lens[to->n++] = len;
}

static int read_sample(void *ctx, const struct batch_chunk *c, uint8_t *ret, struct err *err)
{
	const struct sample *s = ctx;

	(void)err;
	assert_int_equal(c->file, FILE_NUMBER);
	assert_in_range(c->at, 0, BIG - c->len);
	memcpy(ret, s->contents + c->at, c->len);
	return 0;
}

/* The chunks of the big file of `from`, whose first one is the small file's. */
static int pass_known(struct splitter *s, const struct seen *from, struct err *err)
{
	uint64_t at = 0;

	for (size_t i = 1; i < from->n; i++) {
		if (splitter_known(s, &from->names[i], from->lens[i], FILE_NUMBER, at, err) != 0)
			return -1;
		at += from->lens[i];
	}
	assert_int_equal(at, BIG);
	return 0;
}

/* `known`: the big file goes by unread. */
static void split(const struct sample *s, const struct seen *known, struct seen *ret)
{
	struct batch_reader reader = { read_sample, (void *)s };
	struct splitter *splitter = splitter_new_tree(keep, ret, &reader);
	const uint8_t *bytes = buf_bytes(&s->tar);
	size_t n = buf_len(&s->tar);
	struct err err;

	memset(ret, 0, sizeof(*ret));
	splitter_watch(splitter, on_chunk, ret);
	assert_ok(splitter_feed(splitter, bytes, s->from, &err), &err);
	if (known)
		assert_ok(pass_known(splitter, known, &err), &err);
	else
		assert_ok(splitter_feed(splitter, bytes + s->from, BIG, &err), &err);
	assert_ok(splitter_feed(splitter, bytes + s->from + BIG, n - s->from - BIG, &err), &err);
	assert_ok(splitter_end(splitter, &ret->digest, &ret->size, &err), &err);
	splitter_free(splitter);
}

static void a_file_that_goes_by_unread_gives_the_same_recipes_and_name(void **state)
{
	static struct seen read, unread;

	split(*state, NULL, &read);
	split(*state, &read, &unread);
	assert_true(read.n > 10);
	assert_int_equal(unread.n, read.n);
	assert_int_equal(unread.kept.n, read.kept.n);
	for (size_t i = 0; i < read.kept.n; i++)
		assert_true(
			digest_equal(&read.kept.batches[i]->name, &unread.kept.batches[i]->name));
	assert_true(digest_equal(&read.digest, &unread.digest));
	assert_int_equal(unread.size, read.size);
	assert_true(kept_new_bytes(&read.kept, NULL, STREAM_MAIN) >= BIG);
	kept_done(&read.kept);
	kept_done(&unread.kept);
}

static void who_rebuilds_finds_the_same_name(void **state)
{
	static struct seen read;
	struct recipe_op ops[RECIPE_OPS_MAX];
	struct op_hasher *h = op_hasher_new();
	struct digest name;
	struct err err;
	size_t n;

	split(*state, NULL, &read);
	for (size_t i = 0; i < read.kept.n; i++) {
		const struct batch *b = read.kept.batches[i];

		assert_ok(recipe_decode(b->stream, b->recipe, b->recipe_len, ops, &n, &err), &err);
		for (size_t o = 0; o < n; o++) {
			if (b->stream == STREAM_MAIN)
				op_hasher_op(h, &ops[o]);
			else
				op_hasher_skeleton(
					h, b->data + b->chunks[o].offset, b->chunks[o].len);
		}
	}
	name = op_hasher_end(h);
	assert_true(digest_equal(&name, &read.digest));
	op_hasher_free(h);
	kept_done(&read.kept);
}

static void every_operation_and_skeleton_byte_is_in_the_name(void **state)
{
	const struct recipe_op ops[] = { { .kind = OP_SKELETON, .len = 3 },
		{ .kind = OP_SKELETON, .len = 4 }, { .kind = OP_CHUNK, .len = 3 },
		{ .kind = OP_RANGE, .len = 3 }, { .kind = OP_RANGE, .len = 3, .offset = 1 },
		{ .kind = OP_CHUNK, .len = 3, .name.bytes[31] = 1 } };
	struct digest names[ARRAY_LEN(ops) + 1];
	struct op_hasher *h = op_hasher_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		op_hasher_op(h, &ops[i % ARRAY_LEN(ops)]);
		op_hasher_skeleton(h, i < ARRAY_LEN(ops) ? "abc" : "abd", 3);
		names[i] = op_hasher_end(h);
		for (size_t k = 0; k < i; k++)
			assert_false(digest_equal(&names[i], &names[k]));
	}
	op_hasher_free(h);
}

static void an_unread_chunk_is_had_from_the_reader_and_checked(void **state)
{
	static struct seen read, unread;
	struct sample *s = *state;
	uint8_t *room = malloc(CHUNK_MAX);
	size_t n_unread = 0;
	struct err err;

	split(s, NULL, &read);
	split(s, &read, &unread);
	for (size_t i = 0; i < unread.kept.n; i++) {
		const struct batch *b = unread.kept.batches[i];

		for (size_t c = 0; c < b->n_chunks; c++) {
			const struct batch_chunk *chunk = &b->chunks[c];
			const uint8_t *bytes;
			struct digest name;

			assert_ok(batch_chunk_bytes(b, chunk, room, &bytes, &err), &err);
			name = digest_of(bytes, chunk->len);
			assert_true(digest_equal(&name, &chunk->name));
			if (!chunk->unread)
				continue;
			n_unread++;
			s->contents[chunk->at] ^= 1;
			assert_fails(
				batch_chunk_bytes(b, chunk, room, &bytes, &err), &err, ERR_AGAIN);
			s->contents[chunk->at] ^= 1;
		}
	}
	assert_int_equal(n_unread, read.n - 1);
	kept_done(&read.kept);
	kept_done(&unread.kept);
	free(room);
}

static void a_known_chunk_outside_of_a_files_contents_is_refused(void **state)
{
	const struct sample *s = *state;
	struct batch_reader reader = { read_sample, (void *)s };
	struct digest name = { { 0 } };
	struct err err;

	/* At the start; within a header; within a chunk that is read; in padding; past the file's
	 * end. */
	const struct {
		size_t after;
		uint32_t len;
	} at[] = { { 0, 100 }, { 100, 100 }, { 520, 10 }, { 700, 10 }, { 512, 101 } };

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		static struct seen ret;
		struct splitter *splitter = splitter_new_tree(keep, &ret, &reader);

		ret.kept.n = 0;
		assert_ok(splitter_feed(splitter, buf_bytes(&s->tar), at[i].after, &err), &err);
		assert_fails(
			splitter_known(splitter, &name, at[i].len, 0, 0, &err), &err, ERR_FAILED);
		assert_fails(splitter_feed(splitter, "", 1, &err), &err, ERR_FAILED);
		splitter_free(splitter);
		kept_done(&ret.kept);
	}
}

RUN_TESTS(TEST_WITH(a_file_that_goes_by_unread_gives_the_same_recipes_and_name, make_sample,
		  drop_sample),
	TEST_WITH(who_rebuilds_finds_the_same_name, make_sample, drop_sample),
	TEST(every_operation_and_skeleton_byte_is_in_the_name),
	TEST_WITH(an_unread_chunk_is_had_from_the_reader_and_checked, make_sample, drop_sample),
	TEST_WITH(a_known_chunk_outside_of_a_files_contents_is_refused, make_sample, drop_sample))
