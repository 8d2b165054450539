/*
 * Layers of more than 8 GiB, the most that a tar's plain size field can state, streamed through
 * what reads them: the archive's reader, the tar scanner and the splitter. Nothing is kept, neither
 * in memory nor on disk.
 */
#include "common/base/buf.h"
#include "common/cargo/docker_archive.h"
#include "common/chunk/splitter.h"
#include "common/chunk/tar_scan.h"
#include "common/engine/save_reader.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define HUGE (UINT64_C(8) << 30 | 12345)
#define SMALL 1000
#define BLOCK DOCKER_ARCHIVE_BLOCK

static uint8_t zeros[1 << 20], small[SMALL];

/* Bytes and then zeros. */
struct run {
	struct buf bytes;
	uint64_t zeros;
};

#define RUNS_MAX 8

/* An archive in the making, and what is seen of its layer on the way. */
struct world {
	struct run runs[RUNS_MAX];
	size_t n, at;
	size_t bytes_read; /* of the run at `at` */
	uint64_t zeros_read;
	struct engine_image image;
	struct digest diff_id;
	struct tar_scan *scan;
	struct splitter *splitter; /* NULL: only scan */
	uint64_t layer_size, layer_bytes, spans;
	uint64_t files[4]; /* sizes as the scanner saw them */
	size_t n_files;
	bool in_layer, small_seen, config_seen;
};

/* --- writing --- */

static struct buf *last(struct world *w)
{
	return &w->runs[w->n - 1].bytes;
}

static void next_run(struct world *w)
{
	assert_true(w->n < RUNS_MAX);
	buf_init(&w->runs[w->n++].bytes, 1 << 20);
}

static void put_zeros(struct world *w, uint64_t n)
{
	w->runs[w->n - 1].zeros = n;
	next_run(w);
}

static void put_header(struct world *w, const char *name, uint64_t size)
{
	uint8_t block[BLOCK];

	docker_archive_header(block, name, size);
	buf_append(last(w), block, BLOCK);
}

/* The header's type changed, and its sum with it. */
static void put_pax_header(struct world *w, const char *name, uint64_t size)
{
	char record[64];
	int n = snprintf(record, sizeof(record), "19 size=%llu\n", (unsigned long long)size);
	uint8_t *header;
	char sum[8];
	unsigned v;

	assert_int_equal(n, 19);
	put_header(w, "PaxHeaders/x", 19);
	header = buf_bytes(last(w)) + buf_len(last(w)) - BLOCK;
	assert_int_equal(sscanf((const char *)header + 148, "%o", &v), 1);
	header[156] = 'x';
	snprintf(sum, sizeof(sum), "%06o", v + 'x' - '0');
	memcpy(header + 148, sum, 7);
	buf_append(last(w), record, 19);
	buf_append(last(w), zeros, BLOCK - 19);
	put_header(w, name, 0); /* what the plain field says does not count */
}

static void put_big_header(struct world *w, bool pax, const char *name, uint64_t size)
{
	if (pax)
		put_pax_header(w, name, size);
	else
		put_header(w, name, size);
}

static void put_file(struct world *w, const char *name, const void *bytes, size_t n)
{
	put_header(w, name, n);
	buf_append(last(w), bytes, n);
	buf_append(last(w), zeros, docker_archive_padding(n));
}

/* An archive with a layer in which a huge file stands before a small one, and a config behind it.
 */
static void write_archive(struct world *w, bool pax)
{
	const size_t headers = pax ? 3 * BLOCK : BLOCK;
	const uint64_t huge = HUGE + docker_archive_padding(HUGE);
	static const char config[] = "{}";
	char hex[DIGEST_HEX_LEN + 1], name[100];

	memset(small, 7, sizeof(small));
	w->diff_id = digest_of("huge", 4);
	w->image = (struct engine_image){
		.config = digest_of(config, 2), .diff_ids = &w->diff_id, .n_diff_ids = 1
	};
	w->layer_size = headers + huge + BLOCK + SMALL + docker_archive_padding(SMALL) + 2 * BLOCK;
	next_run(w);
	digest_hex(&w->diff_id, hex);
	snprintf(name, sizeof(name), "blobs/sha256/%s", hex);
	put_big_header(w, pax, name, w->layer_size);
	put_big_header(w, pax, "huge", HUGE);
	put_zeros(w, huge);
	put_file(w, "small", small, sizeof(small));
	buf_append(last(w), zeros, 2 * BLOCK + docker_archive_padding(w->layer_size));
	digest_hex(&w->image.config, hex);
	snprintf(name, sizeof(name), "blobs/sha256/%s", hex);
	put_file(w, name, config, 2);
	buf_append(last(w), zeros, 2 * BLOCK);
}

/* --- reading --- */

static int read_some(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	struct world *w = ctx;
	struct run *r = &w->runs[w->at];

	(void)err;
	if (w->bytes_read < buf_len(&r->bytes)) {
		*ret = buf_bytes(&r->bytes) + w->bytes_read;
		*ret_n = buf_len(&r->bytes) - w->bytes_read;
		w->bytes_read += *ret_n;
		return 0;
	}
	*ret = zeros;
	*ret_n = (size_t)min_u64(sizeof(zeros), r->zeros - w->zeros_read);
	w->zeros_read += *ret_n;
	if (*ret_n > 0 || w->at + 1 == w->n)
		return 0;
	w->at++;
	w->bytes_read = 0;
	w->zeros_read = 0;
	return read_some(w, ret, ret_n, err);
}

static bool wants(void *ctx, const struct digest *diff_id)
{
	(void)ctx;
	(void)diff_id;
	return true;
}

static int layer(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err)
{
	struct world *w = ctx;

	(void)err;
	assert_true(digest_equal(diff_id, &w->diff_id));
	assert_true(size == w->layer_size);
	return 0;
}

static void scan(struct world *w, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		enum tar_part part;
		bool ends;
		size_t k = tar_scan_next(w->scan, bytes, n, &part, &ends);

		if (part == TAR_FILE) {
			assert_true(w->n_files < 4);
			w->files[w->n_files] += k;
			w->n_files += ends;
		}
		bytes += k;
		n -= k;
	}
}

static int layer_bytes(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct world *w = ctx;

	w->layer_bytes += n;
	scan(w, bytes, n);
	return w->splitter ? splitter_feed(w->splitter, bytes, n, err) : 0;
}

static int layer_end(void *ctx, struct err *err)
{
	struct world *w = ctx;
	struct digest digest;
	uint64_t size;

	if (!w->splitter)
		return 0;
	if (splitter_end(w->splitter, &digest, &size, err) != 0)
		return -1;
	assert_true(size == w->layer_size);
	return 0;
}

static int config(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct world *w = ctx;

	(void)bytes;
	(void)n;
	(void)err;
	w->config_seen = true;
	return 0;
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	fail_msg("%s", text);
}

static const struct engine_save_sink sink = { wants, layer, layer_bytes, layer_end, config, note };

static int on_batch(void *ctx, struct batch *b, struct err *err)
{
	struct digest name = digest_of(small, sizeof(small));
	struct world *w = ctx;

	(void)err;
	if (b->stream == STREAM_MAIN)
		w->spans += b->span;
	for (size_t i = 0; i < b->n_chunks; i++)
		w->small_seen |= digest_equal(&b->chunks[i].name, &name);
	batch_free(b);
	return 0;
}

/* --- the tests --- */

static void read_archive(struct world *w, bool pax)
{
	struct err err = { 0 };

	write_archive(w, pax);
	w->scan = tar_scan_new();
	assert_non_null(w->scan);
	assert_ok(save_read(&w->image, read_some, w, &sink, w, &err), &err);
	assert_true(w->layer_bytes == w->layer_size);
	assert_true(w->config_seen);
	assert_int_equal(w->n_files, 2);
	assert_true(w->files[0] == HUGE);
	assert_int_equal(w->files[1], SMALL);
	tar_scan_free(w->scan);
	for (size_t i = 0; i < w->n; i++)
		buf_done(&w->runs[i].bytes);
}

static void sizes_in_pax_records_are_followed_to_the_next_file(void **state)
{
	struct world w = { .n = 0 };

	(void)state;
	read_archive(&w, true);
}

static void sizes_in_base_256_are_followed_to_the_next_file(void **state)
{
	struct world w = { .n = 0 };

	(void)state;
	read_archive(&w, false);
}

static void a_huge_file_is_split_and_the_file_behind_it_is_a_chunk_of_its_own(void **state)
{
	struct world w = { .n = 0 };

	(void)state;
	w.splitter = splitter_new(true, on_batch, &w);
	assert_non_null(w.splitter);
	read_archive(&w, true);
	assert_true(w.spans == w.layer_size);
	assert_true(w.small_seen);
	splitter_free(w.splitter);
}

RUN_TESTS(TEST(sizes_in_pax_records_are_followed_to_the_next_file),
	TEST(sizes_in_base_256_are_followed_to_the_next_file),
	TEST(a_huge_file_is_split_and_the_file_behind_it_is_a_chunk_of_its_own))
