/* A blob put together of its chunks as a target sends them. */
#include "client/backup/blob_walk.h"

#include "common/chunk/splitter.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_LEN (700u << 10)
#define BATCHES_MAX 200
#define CHUNKS_MAX 20000

struct piece {
	struct digest name;
	const uint8_t *bytes;
	size_t n;
};

struct sample {
	uint8_t bytes[BLOB_LEN];
	size_t n;
	struct digest digest;
	struct batch *batches[2][BATCHES_MAX];
	size_t n_batches[2];
	struct piece pieces[CHUNKS_MAX]; /* as they are sent */
	size_t n_pieces;
	uint8_t got[BLOB_LEN];
	size_t n_got;
};

/* --- a sample: a tar of many files and a large one --- */

static void add_file(struct sample *s, unsigned number, size_t n)
{
	char *head = (char *)s->bytes + s->n;
	unsigned sum = 0;

	snprintf(head, 100, "file%u", number);
	snprintf(head + 100, 8, "%07o", 0644);
	snprintf(head + 124, 12, "%011zo", n);
	memcpy(head + 257, "ustar\00000", 8);
	head[156] = '0';
	memset(head + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (uint8_t)head[i];
	snprintf(head + 148, 7, "%06o", sum & 0777777);
	s->n += 512;
	for (size_t i = 0; i < n; i++)
		s->bytes[s->n + i] = (uint8_t)((i * (number + 7)) >> (i % 5));
	s->n += (n + 511) / 512 * 512;
}

static int keep(void *ctx, struct batch *b, struct err *err)
{
	struct sample *s = ctx;

	(void)err;
	assert_true(s->n_batches[b->stream] < BATCHES_MAX);
	s->batches[b->stream][s->n_batches[b->stream]++] = b;
	return 0;
}

static void send(struct sample *s, const struct digest *name, const uint8_t *bytes, size_t n)
{
	assert_true(s->n_pieces < CHUNKS_MAX);
	s->pieces[s->n_pieces++] = (struct piece){ *name, bytes, n };
}

static void send_chunk(struct sample *s, const struct batch *b, const struct digest *name)
{
	for (size_t i = 0; i < b->n_chunks; i++) {
		if (digest_equal(&b->chunks[i].name, name)) {
			send(s, name, b->data + b->chunks[i].offset, b->chunks[i].len);
			return;
		}
	}
	fail_msg("a chunk that is in no batch");
}

/* In the order in which they are needed. */
static void send_all(struct sample *s)
{
	static struct recipe_op ops[RECIPE_OPS_MAX], inner[RECIPE_OPS_MAX];
	size_t n, n_inner = 0, at = 0, batch = 0;
	uint64_t at_hand = 0;
	struct err err;

	for (size_t i = 0; i < s->n_batches[STREAM_MAIN]; i++) {
		struct batch *b = s->batches[STREAM_MAIN][i];

		send(s, &b->name, b->recipe, b->recipe_len);
		assert_ok(
			recipe_decode(STREAM_MAIN, b->recipe, b->recipe_len, ops, &n, &err), &err);
		for (size_t k = 0; k < n; k++) {
			if (ops[k].kind != OP_SKELETON) {
				send_chunk(s, b, &ops[k].name);
				continue;
			}
			while (at_hand < ops[k].len) {
				struct batch *c = s->batches[STREAM_SKELETON][batch];

				if (at == n_inner) {
					c = s->batches[STREAM_SKELETON][n_inner ? ++batch : batch];
					send(s, &c->name, c->recipe, c->recipe_len);
					assert_ok(recipe_decode(STREAM_SKELETON, c->recipe,
							  c->recipe_len, inner, &n_inner, &err),
						&err);
					at = 0;
				}
				send_chunk(s, c, &inner[at].name);
				at_hand += inner[at++].len;
			}
			at_hand -= ops[k].len;
		}
	}
}

static int set_up(void **state)
{
	struct sample *s = calloc(1, sizeof(*s));
	struct splitter *splitter = s ? splitter_new(true, keep, s) : NULL;
	struct err err;
	uint64_t size;

	if (!splitter)
		return -1;
	for (unsigned i = 0; i < 150; i++)
		add_file(s, i, i * 17 % 3000);
	add_file(s, 200, 300000);
	s->n += 1024;
	assert_ok(splitter_feed(splitter, s->bytes, s->n, &err), &err);
	assert_ok(splitter_end(splitter, &s->digest, &size, &err), &err);
	splitter_free(splitter);
	send_all(s);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct sample *s = *state;

	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < s->n_batches[k]; i++)
			batch_free(s->batches[k][i]);
	}
	free(s);
	return 0;
}

static int take(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct sample *s = ctx;

	(void)err;
	assert_true(n <= sizeof(s->got) - s->n_got);
	memcpy(s->got + s->n_got, bytes, n);
	s->n_got += n;
	return 0;
}

/* Sends pieces [from, to) but `without`. */
static int walk(struct sample *s, size_t to, size_t without, struct err *err)
{
	struct blob_walk *w = blob_walk_new(false, take, s);
	uint64_t size;
	int r = 0;

	assert_non_null(w);
	for (size_t i = 0; r == 0 && i < to; i++) {
		if (i != without)
			r = blob_walk_chunk(
				w, &s->pieces[i].name, s->pieces[i].bytes, s->pieces[i].n, err);
	}
	if (r == 0)
		r = blob_walk_end(w, &s->digest, &size, err);
	blob_walk_free(w);
	return r;
}

/* --- cases --- */

static void the_bytes_come_out_as_they_were(void **state)
{
	struct sample *s = *state;
	struct err err = { 0 };

	assert_true(s->n_batches[STREAM_SKELETON] > 0);
	assert_ok(walk(s, s->n_pieces, SIZE_MAX, &err), &err);
	assert_int_equal(s->n_got, s->n);
	assert_memory_equal(s->got, s->bytes, s->n);
}

static void a_blob_that_is_not_all_there_is_told(void **state)
{
	struct sample *s = *state;
	struct err err;

	for (size_t to = 0; to < s->n_pieces; to += 1 + s->n_pieces / 40) {
		s->n_got = 0;
		assert_fails(walk(s, to, SIZE_MAX, &err), &err, ERR_VERIFY);
	}
}

static void a_chunk_that_is_left_out_is_told(void **state)
{
	struct sample *s = *state;
	struct err err;

	for (size_t without = 0; without < s->n_pieces; without += 1 + s->n_pieces / 60) {
		s->n_got = 0;
		assert_int_equal(walk(s, s->n_pieces, without, &err), -1);
		assert_true(err.code == ERR_PROTOCOL || err.code == ERR_VERIFY);
	}
}

static void a_whole_blob_of_another_name_is_told(void **state)
{
	struct sample *s = *state;
	struct err err;

	s->digest.bytes[31] ^= 1;
	assert_fails(walk(s, s->n_pieces, SIZE_MAX, &err), &err, ERR_VERIFY);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(the_bytes_come_out_as_they_were), CASE(a_blob_that_is_not_all_there_is_told),
	CASE(a_chunk_that_is_left_out_is_told), CASE(a_whole_blob_of_another_name_is_told))
