/*
 * Any bytes as a segment record. A fuzzer does not find hashes, so they are put right before the
 * record is parsed and opened: the limits and zstd are what is tried. As they are, the bytes are
 * tried too.
 */
#include "common/chunk/segment.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_parsed(const struct segment *s)
{
	uint32_t at = 0;

	check(s->n_rows >= 1 && s->n_rows <= SEGMENT_CHUNKS_MAX);
	check(s->raw_len <= SEGMENT_RAW_MAX && s->stored_len <= s->raw_len);
	for (uint32_t i = 0; i < s->n_rows; i++) {
		check(s->rows[i].offset == at && s->rows[i].len >= 1);
		check(s->rows[i].kind >= CHUNK_DATA && s->rows[i].kind <= CHUNK_MANIFEST);
		at += s->rows[i].len;
	}
	check(at == s->raw_len);
}

static void read_record(const uint8_t *record, size_t n)
{
	struct segment_opener *o;
	struct segment s = { 0 };
	size_t head_len, record_len;
	uint8_t *raw;

	if (n < SEGMENT_HEAD_LEN || segment_measure(record, &head_len, &record_len, NULL) != 0 ||
		record_len != n || segment_parse(record, n, &s, NULL) != 0)
		return;
	check_parsed(&s);
	o = segment_opener_new();
	raw = malloc(s.raw_len); /* not more, so that a sanitizer sees what is written past it */
	check(o && raw);
	if (segment_open(o, &s, record, false, raw, NULL) == 0 &&
		segment_open(o, &s, record, true, raw, NULL) == 0)
		check(s.n_rows >= 1);
	free(raw);
	segment_opener_free(o);
	segment_done(&s);
}

/* Puts length, hash and checksum right where the head allows it. */
static void make_consistent(uint8_t *record, size_t n)
{
	size_t head_len, record_len;
	struct digest d;

	if (n < SEGMENT_HEAD_LEN || segment_measure(record, &head_len, &record_len, NULL) != 0 ||
		head_len >= n)
		return;
	d = digest_of(record + head_len, n - head_len);
	memcpy(record + 16, d.bytes, DIGEST_LEN);
	for (int i = 0; i < 4; i++)
		record[12 + i] = (uint8_t)((n - head_len) >> 8 * i);
	crypto_shorthash(record + head_len - SEGMENT_SUM_LEN, record, head_len - SEGMENT_SUM_LEN,
		(const unsigned char *)"dray segment sum");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t *record;

	if (n == 0 || n > SEGMENT_RECORD_MAX)
		return 0;
	read_record(bytes, n);
	record = malloc(n);
	check(record != NULL);
	memcpy(record, bytes, n);
	make_consistent(record, n);
	read_record(record, n);
	free(record);
	return 0;
}
