#include "common/chunk/segment.h"

#include "tests/support/test.h"
#include "tests/unit/chunk/samples.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static uint8_t raw[SEGMENT_RAW_MAX], opened[SEGMENT_RAW_MAX];

/* Seals raw[0..n) as chunks of `chunk_len` bytes. */
static void seal(struct buf *to, size_t n, size_t chunk_len, int level)
{
	struct segment_builder *b = segment_builder_new();
	struct err err;

	buf_init(to, SEGMENT_RECORD_MAX);
	assert_true(segment_builder_empty(b));
	for (size_t i = 0; i < n; i += chunk_len) {
		size_t len = min_size(chunk_len, n - i);
		struct digest name = digest_of(raw + i, len);

		assert_true(segment_builder_fits(b, len));
		assert_ok(segment_builder_add(b, &name, CHUNK_DATA, raw + i, len, &err), &err);
	}
	assert_ok(segment_builder_seal(b, level, to, &err), &err);
	assert_true(segment_builder_empty(b));
	segment_builder_free(b);
}

/* What a reader does with a record from outside. */
static int open_record(const uint8_t *record, size_t n, struct segment *ret, struct err *err)
{
	struct segment_opener *o = segment_opener_new();
	size_t head_len, record_len;
	int r = -1;

	*ret = (struct segment){ 0 };
	if (n < SEGMENT_HEAD_LEN)
		err_set(err, ERR_CORRUPT, "short");
	else if (segment_measure(record, &head_len, &record_len, err) == 0) {
		if (record_len != n)
			err_set(err, ERR_CORRUPT, "length");
		else if (segment_parse(record, n, ret, err) == 0)
			r = segment_open(o, ret, record, true, opened, err);
	}
	segment_opener_free(o);
	return r;
}

static void assert_opens(const struct buf *b, size_t n)
{
	struct segment s CLEANUP(segment_done) = { 0 };
	struct err err;

	assert_ok(open_record(buf_bytes(b), buf_len(b), &s, &err), &err);
	assert_int_equal(s.raw_len, n);
	assert_int_equal(s.record_len, buf_len(b));
	assert_memory_equal(opened, raw, n);
}

static void assert_refused(const struct buf *b)
{
	struct segment s CLEANUP(segment_done) = { 0 };
	struct err err;

	assert_fails(open_record(buf_bytes(b), buf_len(b), &s, &err), &err, ERR_CORRUPT);
}

static void what_was_sealed_is_what_is_opened(void **state)
{
	static const size_t lengths[] = { 1, 2, 100, 65536, SEGMENT_RAW_MAX - 1, SEGMENT_RAW_MAX };
	static const int levels[] = { -5, 0, 1, 3, 19 };

	(void)state;
	for (size_t i = 0; i < SEGMENT_RAW_MAX; i++)
		raw[i] = (uint8_t)(i * i >> 9);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		for (size_t k = 0; k < ARRAY_LEN(levels); k++) {
			struct buf b CLEANUP(buf_done);

			seal(&b, lengths[i], 10000, levels[k]);
			assert_opens(&b, lengths[i]);
		}
}

static void bytes_that_do_not_shrink_are_stored_as_they_are(void **state)
{
	struct segment s CLEANUP(segment_done) = { 0 };
	struct buf b CLEANUP(buf_done);
	struct err err;

	(void)state;
	samples_random(raw, sizeof(raw), 1);
	seal(&b, sizeof(raw), 65536, 3);
	assert_opens(&b, sizeof(raw));
	assert_ok(segment_parse(buf_bytes(&b), buf_len(&b), &s, &err), &err);
	assert_false(s.compressed);
	assert_int_equal(s.stored_len, sizeof(raw));
}

static void rows_say_kind_length_and_place(void **state)
{
	struct segment_builder *b = segment_builder_new();
	struct segment s CLEANUP(segment_done) = { 0 };
	struct buf to CLEANUP(buf_done);
	struct digest name = digest_of("abc", 3);
	struct err err;

	(void)state;
	buf_init(&to, SEGMENT_RECORD_MAX);
	for (int kind = CHUNK_DATA; kind <= CHUNK_MANIFEST; kind++)
		assert_ok(
			segment_builder_add(b, &name, (enum chunk_kind)kind, "abc", 3, &err), &err);
	assert_ok(segment_builder_seal(b, 1, &to, &err), &err);
	assert_ok(segment_parse(buf_bytes(&to), buf_len(&to), &s, &err), &err);
	assert_int_equal(s.n_rows, 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(s.rows[i].kind, CHUNK_DATA + i);
		assert_int_equal(s.rows[i].len, 3);
		assert_int_equal(s.rows[i].offset, 3 * i);
		assert_true(digest_equal(&s.rows[i].name, &name));
	}
	segment_builder_free(b);
}

static void a_record_has_the_bytes_of_the_format(void **state)
{
	struct segment_builder *b = segment_builder_new();
	struct buf to CLEANUP(buf_done);
	struct digest data = digest_of("abc", 3), recipe = digest_of("defgh", 5), d;
	struct err err;
	char hex[DIGEST_HEX_LEN + 1];

	(void)state;
	buf_init(&to, SEGMENT_RECORD_MAX);
	assert_ok(segment_builder_add(b, &data, CHUNK_DATA, "abc", 3, &err), &err);
	assert_ok(segment_builder_add(b, &recipe, CHUNK_RECIPE, "defgh", 5, &err), &err);
	assert_ok(segment_builder_seal(b, 0, &to, &err), &err);
	segment_builder_free(b);
	/* Computed from the description of the format by another program. */
	assert_int_equal(buf_len(&to), 136);
	d = digest_of(buf_bytes(&to), buf_len(&to));
	digest_hex(&d, hex);
	assert_string_equal(
		hex, "cabb6bf689c336391054841ac29615eacdc3a034ad448f393cc96e00d9d0dd2c");
}

static void a_builder_is_full_at_its_limits(void **state)
{
	struct segment_builder *b = segment_builder_new();
	struct buf to CLEANUP(buf_done);
	struct digest name = digest_of(raw, 1);
	struct err err;

	(void)state;
	buf_init(&to, SEGMENT_RECORD_MAX);
	assert_true(segment_builder_fits(b, SEGMENT_RAW_MAX));
	assert_false(segment_builder_fits(b, SEGMENT_RAW_MAX + 1));
	for (size_t i = 0; i < SEGMENT_CHUNKS_MAX; i++) {
		assert_true(segment_builder_fits(b, 1));
		assert_ok(segment_builder_add(b, &name, CHUNK_DATA, raw, 1, &err), &err);
	}
	assert_false(segment_builder_fits(b, 1));
	assert_ok(segment_builder_seal(b, 1, &to, &err), &err);
	assert_ok(segment_builder_add(b, &name, CHUNK_DATA, raw, SEGMENT_RAW_MAX - 1, &err), &err);
	assert_true(segment_builder_fits(b, 1));
	assert_false(segment_builder_fits(b, 2));
	assert_fails(segment_builder_add(b, &name, CHUNK_DATA, raw, 0, &err), &err, ERR_LIMIT);
	segment_builder_free(b);
}

static void any_flipped_bit_and_any_cut_is_refused(void **state)
{
	static const int levels[] = { 0, 1 };

	(void)state;
	memset(raw, 'a', 700);
	samples_random(raw + 200, 100, 5);
	for (size_t l = 0; l < ARRAY_LEN(levels); l++) {
		struct buf b CLEANUP(buf_done);

		seal(&b, 700, 300, levels[l]);
		for (size_t i = 0; i < 8 * buf_len(&b); i++) {
			buf_bytes(&b)[i / 8] ^= (uint8_t)(1 << i % 8);
			assert_refused(&b);
			buf_bytes(&b)[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		assert_opens(&b, 700);
		for (size_t n = 0; n < 48 + 3 * 36 + 8; n++) {
			struct segment s;
			struct err err;

			assert_fails(segment_parse(buf_bytes(&b), n, &s, &err), &err, ERR_CORRUPT);
		}
	}
}

static void put_le(uint8_t *to, uint32_t v, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

/* Writes hash and checksum anew: a record that somebody made so on purpose. */
static void make_consistent(struct buf *b, uint32_t n_rows)
{
	uint8_t *at = buf_bytes(b);
	size_t head_len = 48 + (size_t)n_rows * 36 + 8;
	struct digest d = digest_of(at + head_len, buf_len(b) - head_len);

	memcpy(at + 16, d.bytes, DIGEST_LEN);
	crypto_shorthash(
		at + head_len - 8, at, head_len - 8, (const unsigned char *)"dray segment sum");
}

/* One chunk of `raw_len` bytes (of `opened`, so that names fit) whose stored bytes are these. */
static void forge(struct buf *to, uint32_t raw_len, const void *stored, size_t n)
{
	uint8_t head[48 + 36 + 8] = { 'd', 'S', 'G', '1', 1, 0, 1, 0 };
	struct digest name = digest_of(raw, raw_len);

	put_le(head + 8, raw_len, 4);
	put_le(head + 12, (uint32_t)n, 4);
	memcpy(head + 48, name.bytes, DIGEST_LEN);
	put_le(head + 80, (uint32_t)CHUNK_DATA << 24 | raw_len, 4);
	buf_init(to, 4u << 20);
	buf_append(to, head, sizeof(head));
	buf_append(to, stored, n);
	make_consistent(to, 1);
}

/* Compresses raw[0..n) with parameters of the test's choice. */
static size_t compress(uint8_t *to, size_t room, size_t n, int window_log, bool with_size)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_inBuffer in = { raw, n, 0 };
	ZSTD_outBuffer out = { to, room, 0 };

	if (window_log)
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
	if (with_size)
		ZSTD_CCtx_setPledgedSrcSize(z, n);
	else
		ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
	assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(z);
	return out.pos;
}

static void a_frame_of_another_size_is_refused(void **state)
{
	static const uint32_t stated[] = { 99999, 100001, SEGMENT_RAW_MAX };
	uint8_t frame[4096];

	(void)state;
	memset(raw, 'a', sizeof(raw));
	size_t n = compress(frame, sizeof(frame), 100000, 0, true);
	struct buf good CLEANUP(buf_done);
	forge(&good, 100000, frame, n);
	assert_opens(&good, 100000);
	for (size_t i = 0; i < ARRAY_LEN(stated); i++) {
		struct buf b CLEANUP(buf_done);

		forge(&b, stated[i], frame, n);
		assert_refused(&b);
	}
}

static void a_frame_that_grows_without_end_is_refused(void **state)
{
	size_t n = 64u << 20;
	uint8_t *zeros = calloc(n, 1), frame[16384];
	size_t frame_len = ZSTD_compress(frame, sizeof(frame), zeros, n, 3);
	struct buf b CLEANUP(buf_done);

	(void)state;
	free(zeros);
	assert_false(ZSTD_isError(frame_len));
	forge(&b, SEGMENT_RAW_MAX, frame, frame_len);
	assert_refused(&b);
}

static void frames_that_are_not_plain_are_refused(void **state)
{
	static const uint8_t skippable[16] = { 0x50, 0x2a, 0x4d, 0x18, 8 };
	uint8_t frame[4096 + 16];
	size_t n;

	(void)state;
	memset(raw, 'a', sizeof(raw));
	n = compress(frame, sizeof(frame), 100000, 0, false); /* no size */
	struct buf sizeless CLEANUP(buf_done);
	forge(&sizeless, 100000, frame, n);
	assert_refused(&sizeless);
	struct buf skipped CLEANUP(buf_done);
	forge(&skipped, 100000, skippable, sizeof(skippable));
	assert_refused(&skipped);
	n = compress(frame, sizeof(frame), 100000, 0, true);
	memcpy(frame + n, skippable, sizeof(skippable)); /* a second frame */
	struct buf two CLEANUP(buf_done);
	forge(&two, 100000, frame, n + sizeof(skippable));
	assert_refused(&two);
	struct buf trailing CLEANUP(buf_done);
	forge(&trailing, 100000, frame, n + 1);
	assert_refused(&trailing);
	struct buf short_one CLEANUP(buf_done);
	forge(&short_one, 100000, frame, n - 1);
	assert_refused(&short_one);
}

static void a_frame_with_a_dictionary_is_refused(void **state)
{
	uint8_t frame[4096];

	(void)state;
	memset(raw, 'a', sizeof(raw));
	size_t n = compress(frame + 1, sizeof(frame) - 1, 100000, 0, true);
	memmove(frame, frame + 1, 5);
	assert_int_equal(frame[4] & 0x23, 0x20); /* single segment, no dictionary */
	frame[4] |= 1;
	frame[5] = 77; /* its number */
	struct buf b CLEANUP(buf_done);
	forge(&b, 100000, frame, n + 1);
	assert_refused(&b);
}

static void a_window_beyond_the_limit_is_refused(void **state)
{
	/* Window descriptor and size of 4 bytes, then one block that repeats a byte 1000 times. */
	uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x80, 10 << 3, 0xe8, 3, 0, 0,
		0x03 | (1000 & 31) << 3, 1000 >> 5, 0, 'a' };
	struct buf b CLEANUP(buf_done);

	(void)state;
	memset(raw, 'a', sizeof(raw));
	forge(&b, 1000, frame, sizeof(frame));
	assert_opens(&b, 1000);
	buf_done(&b);
	frame[5]++; /* an eighth more than 1 MiB */
	forge(&b, 1000, frame, sizeof(frame));
	assert_refused(&b);
}

static void heads_that_cannot_be_are_refused(void **state)
{
	static const struct {
		size_t at;
		int n;
		uint32_t value;
	} wrong[] = {
		{ 4, 1, 2 },			  /* codec */
		{ 4, 1, 0 },			  /* as is, but lengths differ */
		{ 5, 1, 1 },			  /* must be zero */
		{ 6, 2, 0 },			  /* no chunks */
		{ 6, 2, SEGMENT_CHUNKS_MAX + 1 }, /* too many chunks */
		{ 8, 4, 0 },			  /* nothing in it */
		{ 8, 4, SEGMENT_RAW_MAX + 1 },	  /* too much in it */
		{ 8, 4, 99999 },		  /* less than its chunks */
		{ 12, 4, 0 },			  /* nothing stored */
		{ 12, 4, 100001 },		  /* more stored than raw */
		{ 80, 4, 100000 },		  /* kind 0 */
		{ 80, 4, 7u << 24 | 100000 },	  /* kind 7 */
		{ 80, 4, 1u << 24 },		  /* no length */
		{ 80, 4, 1u << 24 | 99999 },	  /* too short for raw_len */
		{ 80, 4, 1u << 24 | 100001 },	  /* too long */
		{ 80, 4, 1u << 24 | 0xffffff },	  /* much too long */
	};
	uint8_t frame[4096];

	(void)state;
	memset(raw, 'a', sizeof(raw));
	size_t n = compress(frame, sizeof(frame), 100000, 0, true);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct buf b CLEANUP(buf_done);

		forge(&b, 100000, frame, n);
		put_le(buf_bytes(&b) + wrong[i].at, wrong[i].value, wrong[i].n);
		make_consistent(&b, 1);
		assert_refused(&b);
	}
}

static void a_chunk_under_a_wrong_name_is_found_when_asked(void **state)
{
	struct segment_builder *b = segment_builder_new();
	struct segment_opener *o = segment_opener_new();
	struct segment s CLEANUP(segment_done) = { 0 };
	struct digest name = digest_of("other", 5);
	struct buf to CLEANUP(buf_done);
	struct err err;

	(void)state;
	buf_init(&to, SEGMENT_RECORD_MAX);
	assert_ok(segment_builder_add(b, &name, CHUNK_DATA, "bytes", 5, &err), &err);
	assert_ok(segment_builder_seal(b, 0, &to, &err), &err);
	assert_ok(segment_parse(buf_bytes(&to), buf_len(&to), &s, &err), &err);
	assert_ok(segment_open(o, &s, buf_bytes(&to), false, opened, &err), &err);
	assert_fails(segment_open(o, &s, buf_bytes(&to), true, opened, &err), &err, ERR_CORRUPT);
	segment_opener_free(o);
	segment_builder_free(b);
}

RUN_TESTS(TEST(what_was_sealed_is_what_is_opened),
	TEST(bytes_that_do_not_shrink_are_stored_as_they_are), TEST(rows_say_kind_length_and_place),
	TEST(a_record_has_the_bytes_of_the_format), TEST(a_builder_is_full_at_its_limits),
	TEST(any_flipped_bit_and_any_cut_is_refused), TEST(a_frame_of_another_size_is_refused),
	TEST(a_frame_that_grows_without_end_is_refused),
	TEST(frames_that_are_not_plain_are_refused), TEST(a_frame_with_a_dictionary_is_refused),
	TEST(a_window_beyond_the_limit_is_refused), TEST(heads_that_cannot_be_are_refused),
	TEST(a_chunk_under_a_wrong_name_is_found_when_asked))
