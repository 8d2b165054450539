#include "common/chunk/splitter.h"

#include "common/chunk/kind.h"
#include "tests/support/test.h"
#include "tests/unit/chunk/kept.h"
#include "tests/unit/chunk/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tar of n_files files of up to 8 KiB; the contents depend on the seed only. */
static void put_tree(struct buf *tar, size_t n_files, uint64_t seed, uint64_t mtime)
{
	static uint8_t contents[8192];
	char name[32];

	buf_init(tar, 256u << 20);
	samples_random(contents, sizeof(contents), seed);
	for (size_t i = 0; i < n_files; i++) {
		size_t n = (i * 2654435761u >> 7) % sizeof(contents);

		snprintf(name, sizeof(name), "dir/file-%zu", i);
		memcpy(contents, &i, sizeof(i));
		samples_file(tar, name, contents, n, mtime + i);
	}
	samples_end(tar);
	assert_true(buf_ok(tar));
}

static void an_empty_blob_has_no_batches(void **state)
{
	struct kept k CLEANUP(kept_done);

	(void)state;
	kept_split(&k, true, NULL, 0, 1);
	assert_int_equal(k.n, 0);
	kept_split(&k, false, NULL, 0, 1);
	assert_int_equal(k.n, 0);
}

static void a_blob_of_one_byte_is_one_batch(void **state)
{
	struct kept k CLEANUP(kept_done);

	(void)state;
	kept_split(&k, false, (const uint8_t *)"x", 1, 1);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.batches[0]->stream, STREAM_MAIN);
	assert_int_equal(k.batches[0]->span, 1);
	kept_assert_rebuilds(&k, (const uint8_t *)"x", 1);
	kept_done(&k);
	kept_split(&k, true, (const uint8_t *)"x", 1, 1); /* might become a header */
	assert_int_equal(k.n, 2);
	kept_assert_rebuilds(&k, (const uint8_t *)"x", 1);
}

static void what_is_no_tar_is_rebuilt_byte_for_byte(void **state)
{
	size_t n = 9000000;
	uint8_t *bytes = malloc(n);

	(void)state;
	samples_random(bytes, n, 1);
	for (int tar = 0; tar < 2; tar++) {
		struct kept k CLEANUP(kept_done);

		kept_split(&k, tar, bytes, n, 100000);
		assert_int_equal(kept_recipes(&k, STREAM_SKELETON), tar);
		kept_assert_rebuilds(&k, bytes, n);
	}
	free(bytes);
}

static void a_tar_is_rebuilt_byte_for_byte(void **state)
{
	struct kept k CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done);

	(void)state;
	put_tree(&tar, 3000, 1, 1);
	kept_split(&k, true, buf_bytes(&tar), buf_len(&tar), 65536);
	assert_true(kept_recipes(&k, STREAM_MAIN) > 5);
	assert_true(kept_recipes(&k, STREAM_SKELETON) >= 1);
	kept_assert_rebuilds(&k, buf_bytes(&tar), buf_len(&tar));
}

static void assert_same_batches(const struct kept *a, const struct kept *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_true(digest_equal(&a->batches[i]->name, &b->batches[i]->name));
}

static void batches_do_not_depend_on_how_the_bytes_are_fed(void **state)
{
	static const size_t steps[] = { 1, 3, 511, 512, 513, 4097, 131072, 1u << 30 };
	struct kept whole CLEANUP(kept_done), pieces CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done);

	(void)state;
	pieces.n = 0;
	put_tree(&tar, 500, 2, 1);
	kept_split(&whole, true, buf_bytes(&tar), buf_len(&tar), buf_len(&tar));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		kept_split(&pieces, true, buf_bytes(&tar), buf_len(&tar), steps[i]);
		assert_same_batches(&whole, &pieces);
		kept_done(&pieces);
	}
}

static int keep_any(void *ctx, struct batch *b, struct err *err)
{
	struct kept *k = ctx;

	(void)err;
	k->batches[k->n++] = b;
	return 0;
}

static void any_split_of_the_bytes_gives_the_same_batches(void **state)
{
	struct kept whole CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done);
	uint8_t contents[700];
	struct digest digest;
	struct err err;
	uint64_t size;

	(void)state;
	samples_random(contents, sizeof(contents), 3);
	buf_init(&tar, 8192);
	samples_file(&tar, "file", contents, sizeof(contents), 1);
	samples_file(&tar, "another", contents, INLINE_FILE_MAX + 1, 1);
	kept_split(&whole, true, buf_bytes(&tar), buf_len(&tar), buf_len(&tar));
	for (size_t i = 1; i < buf_len(&tar); i++) {
		struct kept k CLEANUP(kept_done) = { .n = 0 };
		struct splitter *s = splitter_new(true, keep_any, &k);

		assert_ok(splitter_feed(s, buf_bytes(&tar), i, &err), &err);
		assert_ok(splitter_feed(s, buf_bytes(&tar) + i, buf_len(&tar) - i, &err), &err);
		assert_ok(splitter_end(s, &digest, &size, &err), &err);
		assert_same_batches(&whole, &k);
		splitter_free(s);
	}
}

static void a_byte_put_into_a_big_file_costs_few_chunks(void **state)
{
	struct kept before CLEANUP(kept_done), after CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done), changed CLEANUP(buf_done);
	size_t n = 20000000, at = 7000000;
	uint8_t *bytes = malloc(n + 1);

	(void)state;
	buf_init(&tar, n * 2);
	buf_init(&changed, n * 2);
	samples_random(bytes, n, 4);
	samples_file(&tar, "big", bytes, n, 1);
	memmove(bytes + at + 1, bytes + at, n - at);
	samples_file(&changed, "big", bytes, n + 1, 1);
	kept_split(&before, true, buf_bytes(&tar), buf_len(&tar), 65536);
	kept_split(&after, true, buf_bytes(&changed), buf_len(&changed), 65536);
	kept_assert_rebuilds(&after, buf_bytes(&changed), buf_len(&changed));
	assert_in_range(kept_new_bytes(&after, &before, STREAM_MAIN), 1, 4 * CHUNK_MAX);
	/* That of the changed chunk, and few until the cuts meet again. */
	assert_in_range(kept_new_recipes(&after, &before, STREAM_MAIN), 1, 4);
	assert_true(kept_recipes(&after, STREAM_MAIN) >= 5);
	free(bytes);
}

static void new_mtimes_change_the_skeleton_only(void **state)
{
	struct kept before CLEANUP(kept_done), after CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done), touched CLEANUP(buf_done);

	(void)state;
	put_tree(&tar, 2000, 5, 1);
	put_tree(&touched, 2000, 5, 1600000000);
	kept_split(&before, true, buf_bytes(&tar), buf_len(&tar), 65536);
	kept_split(&after, true, buf_bytes(&touched), buf_len(&touched), 65536);
	kept_assert_rebuilds(&after, buf_bytes(&touched), buf_len(&touched));
	assert_true(kept_recipes(&after, STREAM_MAIN) > 3);
	assert_int_equal(kept_new_recipes(&after, &before, STREAM_MAIN), 0);
	assert_int_equal(kept_new_bytes(&after, &before, STREAM_MAIN), 0);
	assert_true(kept_new_bytes(&after, &before, STREAM_SKELETON) > 2000 * 512u);
}

static void a_changed_file_costs_itself_and_one_recipe(void **state)
{
	struct kept before CLEANUP(kept_done), after CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done);

	(void)state;
	put_tree(&tar, 2000, 6, 1);
	kept_split(&before, true, buf_bytes(&tar), buf_len(&tar), 65536);
	/* Somewhere in the contents of a file in the middle, without a new length. */
	size_t at = buf_len(&tar) / 2;
	while (buf_bytes(&tar)[at] == 0 || memcmp(buf_bytes(&tar) + at / 512 * 512, "dir", 3) == 0)
		at++;
	buf_bytes(&tar)[at] ^= 1;
	kept_split(&after, true, buf_bytes(&tar), buf_len(&tar), 65536);
	assert_in_range(kept_new_bytes(&after, &before, STREAM_MAIN), 1, 8192);
	assert_in_range(kept_new_recipes(&after, &before, STREAM_MAIN), 1, 2);
	assert_int_equal(kept_new_bytes(&after, &before, STREAM_SKELETON), 0);
}

static void the_same_chunk_is_in_a_batch_once(void **state)
{
	struct kept k CLEANUP(kept_done);
	size_t n = 2u << 20;
	uint8_t *zeros = calloc(n, 1);

	(void)state;
	kept_split(&k, false, zeros, n, 4096);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.batches[0]->n_chunks, 1);
	assert_int_equal(k.batches[0]->data_len, CHUNK_MAX);
	assert_int_equal(k.batches[0]->span, n);
	kept_assert_rebuilds(&k, zeros, n);
	free(zeros);
}

static void a_long_run_of_skeleton_is_taken_in_bounded_operations(void **state)
{
	struct kept k CLEANUP(kept_done);
	size_t n = 9u << 20;
	uint8_t *zeros = calloc(n, 1); /* zero blocks, as at a tar's end */

	(void)state;
	kept_split(&k, true, zeros, n, 100000);
	assert_int_equal(kept_recipes(&k, STREAM_MAIN), 3);
	assert_int_equal(kept_new_bytes(&k, NULL, STREAM_MAIN), 0);
	kept_assert_rebuilds(&k, zeros, n);
	free(zeros);
}

static void thousands_of_the_smallest_files_keep_the_limits(void **state)
{
	static uint8_t contents[INLINE_FILE_MAX + 1];
	struct kept k CLEANUP(kept_done);
	struct buf tar CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 64u << 20);
	for (size_t i = 0; i < 5000; i++) {
		/* The same contents again and again: names never say where to cut. */
		contents[0] = (uint8_t)(i % 3);
		samples_file(&tar, "file", contents, sizeof(contents), i);
	}
	kept_split(&k, true, buf_bytes(&tar), buf_len(&tar), 65536);
	kept_assert_rebuilds(&k, buf_bytes(&tar), buf_len(&tar));
	assert_true(kept_recipes(&k, STREAM_MAIN) >= 10000 / RECIPE_OPS_MAX);
}

static int refuse(void *ctx, struct batch *b, struct err *err)
{
	int *calls = ctx;

	++*calls;
	batch_free(b);
	return err_set(err, ERR_FULL, "no room");
}

static void an_error_of_the_taker_stops_the_splitter(void **state)
{
	size_t n = 9u << 20;
	uint8_t *bytes = malloc(n);
	struct splitter *s;
	struct digest digest;
	struct err err;
	uint64_t size;
	int calls = 0;

	(void)state;
	samples_random(bytes, n, 8);
	s = splitter_new(false, refuse, &calls);
	assert_fails(splitter_feed(s, bytes, n, &err), &err, ERR_FULL);
	assert_fails(splitter_feed(s, bytes, n, &err), &err, ERR_FULL);
	assert_fails(splitter_end(s, &digest, &size, &err), &err, ERR_FULL);
	assert_string_equal(err.text, "no room");
	assert_int_equal(calls, 1);
	splitter_free(s);
	free(bytes);
}

RUN_TESTS(TEST(an_empty_blob_has_no_batches), TEST(a_blob_of_one_byte_is_one_batch),
	TEST(what_is_no_tar_is_rebuilt_byte_for_byte), TEST(a_tar_is_rebuilt_byte_for_byte),
	TEST(batches_do_not_depend_on_how_the_bytes_are_fed),
	TEST(any_split_of_the_bytes_gives_the_same_batches),
	TEST(a_byte_put_into_a_big_file_costs_few_chunks),
	TEST(new_mtimes_change_the_skeleton_only), TEST(a_changed_file_costs_itself_and_one_recipe),
	TEST(the_same_chunk_is_in_a_batch_once),
	TEST(a_long_run_of_skeleton_is_taken_in_bounded_operations),
	TEST(thousands_of_the_smallest_files_keep_the_limits),
	TEST(an_error_of_the_taker_stops_the_splitter))
