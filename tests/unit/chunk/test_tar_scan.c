#include "common/chunk/tar_scan.h"

#include "common/chunk/limits.h"
#include "tests/support/test.h"
#include "tests/unit/chunk/samples.h"

#include <stdlib.h>
#include <string.h>

#define SPANS_MAX 128

struct span {
	enum tar_part part;
	bool ends;
	uint64_t len;
};

struct spans {
	struct span at[SPANS_MAX];
	size_t n;
};

/* What a scanner said about the next bytes; neighbours that are one run are joined. */
static void note(struct spans *s, enum tar_part part, bool ends, size_t len)
{
	struct span *last = s->n ? &s->at[s->n - 1] : NULL;

	if (!last || last->part != part || last->ends) {
		assert_true(s->n < SPANS_MAX);
		last = &s->at[s->n++];
		*last = (struct span){ .part = part };
	}
	last->len += len;
	last->ends = ends;
}

static void feed(struct tar_scan *t, const uint8_t *bytes, size_t n, struct spans *to)
{
	while (n > 0) {
		enum tar_part part;
		bool ends;
		size_t k = tar_scan_next(t, bytes, n, &part, &ends);

		assert_in_range(k, 1, n);
		note(to, part, ends, k);
		bytes += k;
		n -= k;
	}
}

static void scan(const struct buf *tar, size_t step, struct spans *ret)
{
	struct tar_scan *t = tar_scan_new();

	ret->n = 0;
	for (size_t i = 0; i < buf_len(tar); i += step)
		feed(t, buf_bytes(tar) + i, min_size(step, buf_len(tar) - i), ret);
	tar_scan_free(t);
}

static void assert_same(const struct spans *a, const struct spans *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_int_equal(a->at[i].part, b->at[i].part);
		assert_int_equal(a->at[i].ends, b->at[i].ends);
		assert_int_equal(a->at[i].len, b->at[i].len);
	}
}

/* The spans' lengths; negative is a file, the last one may be without end. */
static void assert_spans(const struct buf *tar, const int64_t *expected, size_t n)
{
	struct spans s, bytewise;

	scan(tar, buf_len(tar), &s);
	assert_int_equal(s.n, n);
	for (size_t i = 0; i < n; i++) {
		int64_t len = (int64_t)s.at[i].len;

		assert_int_equal(s.at[i].part == TAR_FILE ? -len : len, expected[i]);
		assert_int_equal(s.at[i].ends, expected[i] < 0 && i + 1 < n);
	}
	scan(tar, 1, &bytewise);
	assert_same(&s, &bytewise);
}

#define ASSERT_SPANS(tar, ...)                                                                     \
	assert_spans(tar, (const int64_t[]){ __VA_ARGS__ },                                        \
		sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

static uint8_t contents[100000];

static void files_are_found_and_small_ones_stay_in_the_skeleton(void **state)
{
	struct buf tar CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 1u << 20);
	samples_file(&tar, "empty", contents, 0, 1);
	samples_file(&tar, "small", contents, INLINE_FILE_MAX, 1);
	samples_file(&tar, "larger", contents, INLINE_FILE_MAX + 1, 1);
	samples_file(&tar, "block", contents, 512, 1);
	samples_file(&tar, "more", contents, 513, 1);
	samples_end(&tar);
	ASSERT_SPANS(&tar, 512 + 1024 + 512, -65, 447 + 512, -512, 512, -513, 511 + 1024);
}

static void links_and_directories_have_no_contents_whatever_size_they_state(void **state)
{
	struct buf tar CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 1u << 20);
	for (char type = '1'; type <= '6'; type++)
		samples_header(&tar, "thing", type, 5000, 1);
	samples_file(&tar, "file", contents, 1000, 1);
	samples_end(&tar);
	ASSERT_SPANS(&tar, 7 * 512, -1000, 24 + 1024);
}

static void every_type_that_has_contents_is_a_file(void **state)
{
	static const char types[] = { '0', '\0', '7', 'S', 'D', 'Z' };

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		struct buf tar CLEANUP(buf_done);

		buf_init(&tar, 1u << 20);
		samples_header(&tar, "file", types[i], 1000, 1);
		samples_padded(&tar, contents, 1000);
		samples_end(&tar);
		ASSERT_SPANS(&tar, 512, -1000, 24 + 1024);
	}
}

static void long_names_and_extended_headers_are_skeleton(void **state)
{
	static const char types[] = { 'x', 'g', 'L', 'K' };

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		struct buf tar CLEANUP(buf_done);

		buf_init(&tar, 1u << 20);
		samples_header(&tar, "long", types[i], 700, 1);
		samples_padded(&tar, contents, 700);
		samples_file(&tar, "file", contents, 1000, 1);
		ASSERT_SPANS(&tar, 512 + 1024 + 512, -1000, 24);
	}
}

/* A tar whose second header is that of 0 bytes (by its own word), with 1000 bytes behind it. */
static void put_pax(struct buf *tar, const char *records, size_t n)
{
	buf_init(tar, 1u << 20);
	samples_header(tar, "pax", 'x', n, 1);
	samples_padded(tar, records, n);
	samples_header(tar, "file", '0', 0, 1);
	samples_padded(tar, contents, 1000);
	samples_end(tar);
}

static void a_pax_record_gives_the_size_of_the_next_file_only(void **state)
{
	static const char *records[] = {
		"13 size=1000\n",
		"9 path=x\n13 size=1000\n",
		"13 size=1000\n9 path=x\n",
		"13 size=9999\n13 size=1000\n",
		"17 xsize=9999999\n13 size=1000\n20 size.x=123456789\n",
		"13 size=1000\n8 size=\n",
		"13 size=1000\n?",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct buf tar CLEANUP(buf_done);

		put_pax(&tar, records[i], strlen(records[i]));
		ASSERT_SPANS(&tar, 3 * 512, -1000, 24 + 1024);
	}
	struct buf two CLEANUP(buf_done);
	put_pax(&two, records[0], strlen(records[0]));
	samples_file(&two, "next", contents, 600, 1);
	ASSERT_SPANS(&two, 3 * 512, -1000, 24 + 1024 + 512, -600, 424);
}

static void pax_records_that_make_no_sense_give_no_size(void **state)
{
	static const char *records[] = { "13size=1000\n", "2 size=1000\n",
		"99999999999999999999999 size=1000\n", "13 size=1x00\n",
		"33 size=99999999999999999999999999\n", "13 sizes=100\n", "\n", "-13 size=1000\n",
		"14 size=1000\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct buf tar CLEANUP(buf_done);

		put_pax(&tar, records[i], strlen(records[i]));
		/* So its contents are taken for a header, and what follows is unknown. */
		memset(buf_bytes(&tar) + 3 * 512, 'c', 1000);
		ASSERT_SPANS(&tar, 4 * 512, -(512 + 1024));
	}
}

static void sizes_in_base_256_are_understood(void **state)
{
	static const uint8_t size[12] = { 0x80, [10] = 1000 >> 8, [11] = 1000 & 255 };
	struct buf tar CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 1u << 20);
	samples_header(&tar, "file", '0', 0, 1);
	samples_patch(&tar, 124, size, sizeof(size));
	samples_padded(&tar, contents, 1000);
	samples_end(&tar);
	ASSERT_SPANS(&tar, 512, -1000, 24 + 1024);
}

static void sizes_that_cannot_be_make_the_rest_unknown(void **state)
{
	static const uint8_t negative[12] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff };
	static const uint8_t huge[12] = { 0x80, 1 };
	static const uint8_t letters[12] = "00000x0001";
	const uint8_t *fields[] = { negative, huge, letters };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct buf tar CLEANUP(buf_done);

		buf_init(&tar, 1u << 20);
		samples_header(&tar, "file", '0', 0, 1);
		samples_patch(&tar, 124, fields[i], 12);
		samples_file(&tar, "next", contents, 1000, 1);
		ASSERT_SPANS(&tar, 512, -1536);
	}
}

static void extension_blocks_of_a_sparse_file_are_skeleton(void **state)
{
	uint8_t more[512] = { 0 };
	struct buf tar CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 1u << 20);
	samples_header(&tar, "sparse", 'S', 1000, 1);
	samples_patch(&tar, 482, "\1", 1);
	more[504] = 1;
	buf_append(&tar, more, sizeof(more));
	more[504] = 0;
	buf_append(&tar, more, sizeof(more));
	samples_padded(&tar, contents, 1000);
	samples_end(&tar);
	ASSERT_SPANS(&tar, 3 * 512, -1000, 24 + 1024);
}

static void from_a_block_that_is_no_header_everything_is_contents(void **state)
{
	struct buf tar CLEANUP(buf_done), text CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 1u << 20);
	samples_file(&tar, "file", contents, 1000, 1);
	samples_file(&tar, "damaged", contents, 1000, 1);
	buf_bytes(&tar)[1536] ^= 1;
	samples_file(&tar, "file", contents, 1000, 1);
	ASSERT_SPANS(&tar, 512, -1000, 24 + 512, -(1024 + 1536));
	buf_init(&text, 1u << 20);
	memset(contents, 't', 5000);
	buf_append(&text, contents, 5000);
	memset(contents, 0, 5000);
	ASSERT_SPANS(&text, 512, -4488);
	text.end = text.start + 100;
	ASSERT_SPANS(&text, 100);
}

static void a_checksum_over_signed_bytes_is_accepted(void **state)
{
	struct buf tar CLEANUP(buf_done);

	(void)state;
	buf_init(&tar, 1u << 20);
	samples_header(&tar, "na\xc3\xafve", '0', 1000, 1);
	/* Each of the two bytes above 127 counts 256 less. */
	uint8_t *sum = buf_bytes(&tar) + 148;
	unsigned long v = strtoul((char *)sum, NULL, 8) - 512;
	for (int i = 5; i >= 0; i--, v >>= 3)
		sum[i] = (uint8_t)('0' + (v & 7));
	samples_padded(&tar, contents, 1000);
	ASSERT_SPANS(&tar, 512, -1000, 24);
}

static void any_split_of_the_bytes_gives_the_same_parts(void **state)
{
	static const char pax[] = "28 comment=some words here \n13 size=1000\n";
	struct buf tar CLEANUP(buf_done);
	struct spans whole, split;

	(void)state;
	put_pax(&tar, pax, sizeof(pax) - 1);
	samples_file(&tar, "small", contents, 10, 1);
	samples_header(&tar, "sparse", 'S', 700, 1);
	samples_patch(&tar, 482, "\1", 1);
	samples_padded(&tar, contents, 1);
	samples_padded(&tar, contents, 700);
	samples_header(&tar, "long", 'L', 600, 1);
	samples_padded(&tar, contents, 600);
	samples_file(&tar, "file", contents, 2000, 1);
	samples_end(&tar);
	scan(&tar, buf_len(&tar), &whole);
	assert_true(whole.n > 6);
	for (size_t i = 1; i < buf_len(&tar); i++) {
		struct tar_scan *t = tar_scan_new();

		split.n = 0;
		feed(t, buf_bytes(&tar), i, &split);
		feed(t, buf_bytes(&tar) + i, buf_len(&tar) - i, &split);
		tar_scan_free(t);
		assert_same(&whole, &split);
		if (i < 600) {
			scan(&tar, i, &split);
			assert_same(&whole, &split);
		}
	}
}

RUN_TESTS(TEST(files_are_found_and_small_ones_stay_in_the_skeleton),
	TEST(links_and_directories_have_no_contents_whatever_size_they_state),
	TEST(every_type_that_has_contents_is_a_file),
	TEST(long_names_and_extended_headers_are_skeleton),
	TEST(a_pax_record_gives_the_size_of_the_next_file_only),
	TEST(pax_records_that_make_no_sense_give_no_size), TEST(sizes_in_base_256_are_understood),
	TEST(sizes_that_cannot_be_make_the_rest_unknown),
	TEST(extension_blocks_of_a_sparse_file_are_skeleton),
	TEST(from_a_block_that_is_no_header_everything_is_contents),
	TEST(a_checksum_over_signed_bytes_is_accepted),
	TEST(any_split_of_the_bytes_gives_the_same_parts))
