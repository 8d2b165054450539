#include "common/chunk/segment_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SAMPLES 4u
#define SAMPLE_LEN (8u << 10)
#define SHRINKS_PERCENT 98u

struct segment_builder {
	ZSTD_CCtx *zstd;
	uint32_t n_rows, raw_len;
	uint8_t rows[SEGMENT_CHUNKS_MAX * SEGMENT_ROW_LEN]; /* as in the record */
	uint8_t raw[SEGMENT_RAW_MAX];
};

struct segment_builder *segment_builder_new(void)
{
	struct segment_builder *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->n_rows = b->raw_len = 0;
	b->zstd = ZSTD_createCCtx();
	if (!b->zstd) {
		free(b);
		return NULL;
	}
	return b;
}

void segment_builder_free(struct segment_builder *b)
{
	if (!b)
		return;
	ZSTD_freeCCtx(b->zstd);
	free(b);
}

bool segment_builder_fits(const struct segment_builder *b, size_t len)
{
	return b->n_rows < SEGMENT_CHUNKS_MAX && len <= SEGMENT_RAW_MAX - b->raw_len;
}

bool segment_builder_empty(const struct segment_builder *b)
{
	return b->n_rows == 0;
}

size_t segment_builder_len(const struct segment_builder *b)
{
	return b->raw_len;
}

static void put_u32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

int segment_builder_add(struct segment_builder *b, const struct digest *name, enum chunk_kind kind,
	const void *bytes, size_t len, struct err *err)
{
	uint8_t *row = b->rows + (size_t)b->n_rows * SEGMENT_ROW_LEN;

	if (len == 0)
		return err_set(err, ERR_LIMIT, "an empty chunk has no place in a segment");
	assert(segment_builder_fits(b, len));
	memcpy(row, name->bytes, DIGEST_LEN);
	put_u32(row + DIGEST_LEN, (uint32_t)kind << 24 | (uint32_t)len);
	memcpy(b->raw + b->raw_len, bytes, len);
	b->n_rows++;
	b->raw_len += (uint32_t)len;
	return 0;
}

static void set_level(struct segment_builder *b, int level)
{
	size_t r = ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_compressionLevel, level);

	assert(!ZSTD_isError(r)); /* a level out of range becomes the nearest one */
}

/* Do samples of it shrink? What is compressed or encrypted already is not tried whole: that would
 * take the longer the better the level, for nothing. `to` is scratch. */
static bool shrinks(struct segment_builder *b, uint8_t *to)
{
	size_t step = b->raw_len / SAMPLES, took = 0, got = 0;

	if (step < SAMPLE_LEN)
		return true; /* so little is soon tried */
	set_level(b, 1);
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t r = ZSTD_compress2(b->zstd, to, SAMPLE_LEN, b->raw + i * step, SAMPLE_LEN);

		took += SAMPLE_LEN;
		got += ZSTD_isError(r) ? SAMPLE_LEN : r;
	}
	return got * 100 < took * SHRINKS_PERCENT;
}

/* Writes the stored bytes to `to` and returns how many: fewer than raw_len when compressed. */
static uint32_t store(struct segment_builder *b, int level, uint8_t *to)
{
	if (level != 0 && shrinks(b, to)) {
		size_t r;

		set_level(b, level);
		/* Fails for want of room when the bytes do not shrink. Knowing the length, zstd
		 * writes it into the frame and takes a window no longer than it. */
		r = ZSTD_compress2(b->zstd, to, b->raw_len - 1, b->raw, b->raw_len);
		if (!ZSTD_isError(r))
			return (uint32_t)r;
	}
	memcpy(to, b->raw, b->raw_len);
	return b->raw_len;
}

static void write_head(
	const struct segment_builder *b, uint8_t *to, const uint8_t *stored, uint32_t stored_len)
{
	size_t rows_len = (size_t)b->n_rows * SEGMENT_ROW_LEN;
	struct digest d = digest_of(stored, stored_len);

	memcpy(to, SEGMENT_MAGIC, 4);
	to[4] = stored_len < b->raw_len ? CODEC_ZSTD : CODEC_NONE;
	to[5] = 0;
	to[6] = (uint8_t)b->n_rows;
	to[7] = (uint8_t)(b->n_rows >> 8);
	put_u32(to + 8, b->raw_len);
	put_u32(to + 12, stored_len);
	memcpy(to + 16, d.bytes, DIGEST_LEN);
	memcpy(to + SEGMENT_HEAD_LEN, b->rows, rows_len);
	segment_sum(to, SEGMENT_HEAD_LEN + rows_len, to + SEGMENT_HEAD_LEN + rows_len);
}

int segment_builder_seal(struct segment_builder *b, int level, struct buf *to, struct err *err)
{
	size_t head_len = segment_head_len(b->n_rows);
	uint32_t stored_len;
	uint8_t *record;

	assert(!segment_builder_empty(b));
	record = buf_reserve(to, head_len + b->raw_len);
	if (!record)
		return err_nomem(err);
	stored_len = store(b, level, record + head_len);
	write_head(b, record, record + head_len, stored_len);
	buf_commit(to, head_len + stored_len);
	b->n_rows = b->raw_len = 0;
	return 0;
}
