#include "common/chunk/segment_impl.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Fields of a zstd frame's header (RFC 8878, 3.1.1.1). */
#define FRAME_SINGLE_SEGMENT 0x20 /* in the descriptor: the window is the content's size */
#define FRAME_WINDOW_MAX ((SEGMENT_WINDOW_LOG - 10) << 3) /* exponent above 2^10, no mantissa */

struct segment_opener {
	ZSTD_DCtx *zstd;
};

struct segment_opener *segment_opener_new(void)
{
	struct segment_opener *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->zstd = ZSTD_createDCtx();
	if (!o->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(
				o->zstd, ZSTD_d_windowLogMax, SEGMENT_WINDOW_LOG))) {
		segment_opener_free(o);
		return NULL;
	}
	return o;
}

void segment_opener_free(struct segment_opener *o)
{
	if (!o)
		return;
	ZSTD_freeDCtx(o->zstd);
	free(o);
}

/* One plain frame, all of the bytes, of this content size, without dictionary, with a small window.
 * Decompressing in one go, zstd would not look at the window itself. */
static bool frame_allowed(const uint8_t *bytes, size_t n, uint32_t raw_len)
{
	static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (n < 6 || memcmp(bytes, magic, sizeof(magic)) != 0)
		return false;
	if (!(bytes[4] & FRAME_SINGLE_SEGMENT) && bytes[5] > FRAME_WINDOW_MAX)
		return false;
	return ZSTD_getFrameContentSize(bytes, n) == raw_len &&
	       ZSTD_findFrameCompressedSize(bytes, n) == n &&
	       ZSTD_getDictID_fromFrame(bytes, n) == 0;
}

static int corrupt(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "damaged segment: %s", what);
}

static int check_chunks(const struct segment *s, const uint8_t *raw, struct err *err)
{
	for (uint32_t i = 0; i < s->n_rows; i++) {
		const struct segment_row *row = &s->rows[i];
		struct digest d = digest_of(raw + row->offset, row->len);

		if (!digest_equal(&d, &row->name))
			return corrupt(err, "a chunk does not match its name");
	}
	return 0;
}

int segment_open(struct segment_opener *o, const struct segment *s, const uint8_t *record,
	bool verify_chunks, uint8_t *raw, struct err *err)
{
	const uint8_t *stored = record + segment_head_len(s->n_rows);

	if (segment_check_stored(s, record, err) != 0)
		return -1;
	if (!s->compressed)
		memcpy(raw, stored, s->raw_len);
	else if (!frame_allowed(stored, s->stored_len, s->raw_len))
		return corrupt(err, "its bytes are not one plain zstd frame");
	else if (ZSTD_decompressDCtx(o->zstd, raw, s->raw_len, stored, s->stored_len) != s->raw_len)
		return corrupt(err, "its bytes do not decompress");
	return verify_chunks ? check_chunks(s, raw, err) : 0;
}
