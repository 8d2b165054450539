#include "common/chunk/segment.h"

#include "common/base/cursor.h"
#include "common/chunk/segment_impl.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The first SEGMENT_HEAD_LEN bytes. */
struct head {
	uint8_t codec;
	uint32_t n_rows, raw_len, stored_len;
	struct digest stored_digest;
};

static int corrupt(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "damaged segment: %s", what);
}

void segment_sum(const uint8_t *head, size_t n, uint8_t ret[SEGMENT_SUM_LEN])
{
	static const unsigned char key[] = "dray segment sum";

	static_assert(sizeof(key) - 1 == crypto_shorthash_KEYBYTES, "key length");
	static_assert(SEGMENT_SUM_LEN == crypto_shorthash_BYTES, "sum length");
	crypto_shorthash(ret, head, n, key);
}

void segment_done(struct segment *s)
{
	free(s->rows);
	*s = (struct segment){ 0 };
}

static int get_head(struct cursor *c, struct head *ret, struct err *err)
{
	const uint8_t *magic = cursor_bytes(c, 4);
	uint8_t zero;

	if (!magic || memcmp(magic, SEGMENT_MAGIC, 4) != 0)
		return corrupt(err, "it does not start as one");
	ret->codec = cursor_u8(c);
	zero = cursor_u8(c);
	ret->n_rows = cursor_u16(c);
	ret->raw_len = cursor_u32(c);
	ret->stored_len = cursor_u32(c);
	cursor_copy(c, ret->stored_digest.bytes, DIGEST_LEN);
	if (c->bad)
		return corrupt(err, "its head is cut short");
	if (zero != 0 || (ret->codec != CODEC_NONE && ret->codec != CODEC_ZSTD))
		return corrupt(err, "unknown codec");
	if (ret->n_rows < 1 || ret->n_rows > SEGMENT_CHUNKS_MAX)
		return corrupt(err, "impossible number of chunks");
	if (ret->raw_len < 1 || ret->raw_len > SEGMENT_RAW_MAX || ret->stored_len < 1 ||
		ret->stored_len > ret->raw_len)
		return corrupt(err, "impossible length");
	if (ret->codec == CODEC_NONE && ret->stored_len != ret->raw_len)
		return corrupt(err, "lengths differ");
	return 0;
}

int segment_measure(const uint8_t head[SEGMENT_HEAD_LEN], size_t *ret_head_len,
	size_t *ret_record_len, struct err *err)
{
	struct cursor c = cursor_over(head, SEGMENT_HEAD_LEN);
	struct head h;

	if (get_head(&c, &h, err) != 0)
		return -1;
	*ret_head_len = segment_head_len(h.n_rows);
	*ret_record_len = segment_head_len(h.n_rows) + h.stored_len;
	return 0;
}

/* Reads the rows and checks that their lengths add up. The cursor holds all of them. */
static int get_rows(
	struct cursor *c, const struct head *h, struct segment_row *rows, struct err *err)
{
	uint32_t offset = 0;

	for (uint32_t i = 0; i < h->n_rows; i++) {
		struct segment_row *row = &rows[i];
		uint32_t kind_len;

		cursor_copy(c, row->name.bytes, DIGEST_LEN);
		kind_len = cursor_u32(c);
		row->kind = (uint8_t)(kind_len >> 24);
		row->len = kind_len & 0xffffff;
		row->offset = offset;
		if (row->kind < CHUNK_DATA || row->kind > CHUNK_MANIFEST)
			return corrupt(err, "unknown kind of chunk");
		if (row->len < 1 || row->len > h->raw_len - offset)
			return corrupt(err, "a chunk has an impossible length");
		offset += row->len;
	}
	if (offset != h->raw_len)
		return corrupt(err, "its chunks do not add up");
	return 0;
}

static int check_sum(const uint8_t *record, size_t head_len, struct err *err)
{
	uint8_t sum[SEGMENT_SUM_LEN];
	size_t covered = head_len - SEGMENT_SUM_LEN;

	segment_sum(record, covered, sum);
	if (memcmp(sum, record + covered, SEGMENT_SUM_LEN) != 0)
		return corrupt(err, "its head does not match its checksum");
	return 0;
}

int segment_parse(const void *record, size_t n, struct segment *ret, struct err *err)
{
	struct cursor c = cursor_over(record, n);
	struct segment_row *rows;
	struct head h;

	if (get_head(&c, &h, err) != 0)
		return -1;
	if (n < segment_head_len(h.n_rows))
		return corrupt(err, "its list of chunks is cut short");
	if (check_sum(record, segment_head_len(h.n_rows), err) != 0)
		return -1;
	rows = calloc(h.n_rows, sizeof(*rows));
	if (!rows)
		return err_nomem(err);
	if (get_rows(&c, &h, rows, err) != 0) {
		free(rows);
		return -1;
	}
	*ret = (struct segment){
		.raw_len = h.raw_len,
		.stored_len = h.stored_len,
		.record_len = (uint32_t)segment_head_len(h.n_rows) + h.stored_len,
		.compressed = h.codec == CODEC_ZSTD,
		.stored_digest = h.stored_digest,
		.rows = rows,
		.n_rows = h.n_rows,
	};
	return 0;
}

int segment_check_stored(const struct segment *s, const uint8_t *record, struct err *err)
{
	struct digest d = digest_of(record + segment_head_len(s->n_rows), s->stored_len);

	if (!digest_equal(&d, &s->stored_digest))
		return corrupt(err, "its bytes do not match their hash");
	return 0;
}
