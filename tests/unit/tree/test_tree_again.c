#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/scanned.h"

#include <string.h>
#include <unistd.h>

/* One stream, from its recipes; the main one takes of the skeleton's bytes. */
static void rebuild(
	const struct scanned *s, enum recipe_stream stream, struct buf *skeleton, struct buf *ret)
{
	static uint8_t room[CHUNK_MAX];
	struct recipe_op ops[RECIPE_OPS_MAX];
	struct err err;
	size_t n;

	buf_init(ret, 4 * TREE_TAR_MAX);
	for (size_t i = 0; i < s->n; i++) {
		const struct batch *b = s->batches[i], *of;

		if (b->stream != stream)
			continue;
		assert_ok(recipe_decode(stream, b->recipe, b->recipe_len, ops, &n, &err), &err);
		for (size_t o = 0; o < n; o++) {
			const struct batch_chunk *c;
			const uint8_t *bytes = room;

			if (ops[o].kind == OP_SKELETON) {
				assert_true(buf_len(skeleton) >= ops[o].len);
				buf_append(ret, buf_bytes(skeleton), ops[o].len);
				buf_consume(skeleton, ops[o].len);
				continue;
			}
			c = scanned_find(s, &ops[o].name, &of);
			assert_non_null(c);
			assert_ok(batch_chunk_bytes(of, c, room, &bytes, &err), &err);
			buf_append(ret, bytes, c->len);
		}
	}
	assert_true(buf_ok(ret));
}

static void the_second_look_reads_nothing_and_gives_the_same(void **state)
{
	static struct scanned first, second;
	struct buf tar CLEANUP(buf_done), rebuilt CLEANUP(buf_done), skeleton CLEANUP(buf_done);
	struct scan_place *p = *state;

	scan_make_tree(p);
	scan_tree(p, &first);
	assert_true(first.report.bytes_read > 500000);
	assert_int_equal(first.report.files_known, 0);
	scan_tree(p, &second);
	assert_int_equal(second.report.bytes_read, 0);
	assert_int_equal(second.report.files_read, 0);
	assert_int_equal(second.report.files_known, first.report.files_read);
	assert_int_equal(second.report.bytes_known, first.report.bytes_read);
	assert_true(digest_equal(&first.digest, &second.digest));
	scanned_is_right(p, &second);
	/* What was not read is read when it is wanted. */
	rebuild(&second, STREAM_SKELETON, NULL, &skeleton);
	rebuild(&second, STREAM_MAIN, &skeleton, &rebuilt);
	tree_to_tar(p->root, &tar);
	assert_int_equal(buf_len(&rebuilt), buf_len(&tar));
	assert_memory_equal(buf_bytes(&rebuilt), buf_bytes(&tar), buf_len(&tar));
	scanned_done(&first);
	scanned_done(&second);
	/* The cache that a scan without reading wrote is as good. */
	scan_tree(p, &second);
	assert_int_equal(second.report.bytes_read, 0);
	scanned_is_right(p, &second);
	scanned_done(&second);
}

/* The first chunk of the scan that was not read. */
static const struct batch_chunk *first_unread(const struct scanned *s, const struct batch **ret)
{
	for (size_t i = 0; i < s->n; i++) {
		*ret = s->batches[i];
		for (size_t c = 0; c < (*ret)->n_chunks; c++)
			if ((*ret)->chunks[c].unread)
				return &(*ret)->chunks[c];
	}
	fail_msg("everything was read");
	return NULL;
}

static void a_file_that_changed_since_the_look_cannot_be_had_and_is_read_next_time(void **state)
{
	static uint8_t bytes[100000];
	static struct scanned s;
	struct scan_place *p = *state;
	const struct batch_chunk *c;
	const struct batch *b;
	const uint8_t *got;
	struct err err;

	sample_file(p->root, "a", bytes, sizeof(bytes));
	scan_tree(p, &s);
	scanned_done(&s);
	for (int how = 0; how < 2; how++) {
		scan_tree(p, &s);
		c = first_unread(&s, &b);
		assert_ok(batch_chunk_bytes(b, c, bytes, &got, &err), &err);
		scanned_done(&s);
		scan_tree(p, &s);
		c = first_unread(&s, &b);
		if (how == 0)
			sample_write_at(sample_path(p->root, "a"), "x", 1, 50000);
		else
			assert_int_equal(unlink(sample_path(p->root, "a")), 0);
		assert_fails(batch_chunk_bytes(b, c, bytes, &got, &err), &err, ERR_AGAIN);
		scanned_done(&s);
		scan_tree(p, &s);
		assert_int_equal(s.report.files_read, how == 0);
		scanned_done(&s);
	}
}

static void a_cache_that_lies_is_not_believed_twice(void **state)
{
	static uint8_t bytes[100000];
	static struct scanned s;
	struct scan_place *p = *state;
	const struct batch_chunk *c;
	const struct batch *b;
	const uint8_t *got;
	struct batch_chunk lie;
	struct err err;

	sample_file(p->root, "a", bytes, sizeof(bytes));
	scan_tree(p, &s);
	scanned_done(&s);
	scan_tree(p, &s);
	c = first_unread(&s, &b);
	lie = *c;
	lie.name.bytes[0] ^= 1;
	assert_fails(batch_chunk_bytes(b, &lie, bytes, &got, &err), &err, ERR_AGAIN);
	scanned_done(&s);
	scan_tree(p, &s);
	assert_int_equal(s.report.files_read, 1);
	scanned_done(&s);
}

#define CASE(name) TEST_WITH(name, scanned_setup, scanned_teardown)

RUN_TESTS(CASE(the_second_look_reads_nothing_and_gives_the_same),
	CASE(a_file_that_changed_since_the_look_cannot_be_had_and_is_read_next_time),
	CASE(a_cache_that_lies_is_not_believed_twice))
