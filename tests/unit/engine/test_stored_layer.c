#include "common/base/buf.h"
#include "common/engine/stored_layer.h"
#include "tests/support/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#define TAR_SIZE 200000u

/* A "tar", a blob that holds it in some form, and what the sink got. */
struct fixture {
	uint8_t tar[TAR_SIZE], blob[2 * TAR_SIZE];
	size_t blob_len, at, step;
	bool reader_fails, sink_fails;
	struct buf got;
	unsigned begun, ended;
	uint64_t size;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (size_t i = 0; i < TAR_SIZE; i++)
		f->tar[i] = (uint8_t)(i * i >> 7);
	f->step = 1000;
	buf_init(&f->got, 2 * TAR_SIZE);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_done(&f->got);
	free(f);
	return 0;
}

/* Appends bytes to the blob, through a filter. */
static void store(struct fixture *f, int (*filter)(struct archive *a), const void *bytes, size_t n)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;

	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_pathname(e, "tar");
	assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
	assert_int_equal(filter(a), ARCHIVE_OK);
	archive_write_set_bytes_in_last_block(a, 1);
	assert_int_equal(archive_write_open_memory(
				 a, f->blob + f->blob_len, sizeof(f->blob) - f->blob_len, &used),
		ARCHIVE_OK);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (n > 0)
		assert_int_equal(archive_write_data(a, bytes, n), n);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_entry_free(e);
	archive_write_free(a);
	f->blob_len += used;
}

static int read_blob(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	struct fixture *f = ctx;
	size_t n = f->blob_len - f->at < f->step ? f->blob_len - f->at : f->step;

	if (f->reader_fails && f->at > 0)
		return err_set(err, ERR_IO, "the disk is on fire");
	*ret = f->blob + f->at;
	*ret_n = n;
	f->at += n;
	return 0;
}

static int sink_layer(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err)
{
	struct fixture *f = ctx;

	(void)diff_id;
	(void)err;
	f->begun++;
	f->size = size;
	return 0;
}

static int sink_bytes(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct fixture *f = ctx;

	if (f->sink_fails)
		return err_set(err, ERR_INTERRUPTED, "enough");
	buf_append(&f->got, bytes, n);
	return 0;
}

static int sink_end(void *ctx, struct err *err)
{
	struct fixture *f = ctx;

	(void)err;
	f->ended++;
	return 0;
}

static const struct engine_save_sink sink = {
	.layer = sink_layer, .bytes = sink_bytes, .layer_end = sink_end
};

static bool sink_failed;

static int deliver_as(struct fixture *f, const struct digest *blob, uint64_t size)
{
	struct digest diff_id = digest_of(f->tar, TAR_SIZE);
	struct stored_layer l = { .diff_id = &diff_id,
		.blob = blob,
		.size = size,
		.read = read_blob,
		.read_ctx = f,
		.sink = &sink,
		.sink_ctx = f };
	int r = stored_layer_deliver(&l, &f->err);

	sink_failed = l.sink_failed;
	return r;
}

static int deliver(struct fixture *f, uint64_t size)
{
	struct digest blob = digest_of(f->blob, f->blob_len);

	return deliver_as(f, &blob, size);
}

static void arrives(struct fixture *f, uint64_t size)
{
	assert_ok(deliver(f, size), &f->err);
	assert_int_equal(buf_len(&f->got), TAR_SIZE);
	assert_memory_equal(buf_bytes(&f->got), f->tar, TAR_SIZE);
	assert_true(f->size == size);
	assert_int_equal(f->ended, 1);
}

static void a_raw_layer_is_its_blob(void **state)
{
	struct fixture *f = *state;

	memcpy(f->blob, f->tar, TAR_SIZE);
	f->blob_len = TAR_SIZE;
	arrives(f, TAR_SIZE);
}

static void a_layer_comes_out_of_gzip(void **state)
{
	struct fixture *f = *state;

	store(f, archive_write_add_filter_gzip, f->tar, TAR_SIZE);
	arrives(f, SAVE_SIZE_UNKNOWN);
}

static void a_layer_comes_out_of_gzip_of_several_members(void **state)
{
	struct fixture *f = *state;

	store(f, archive_write_add_filter_gzip, f->tar, 70000);
	store(f, archive_write_add_filter_gzip, f->tar + 70000, TAR_SIZE - 70000);
	store(f, archive_write_add_filter_gzip, NULL, 0);
	arrives(f, TAR_SIZE);
}

static void a_layer_comes_out_of_zstd_with_a_frame_behind_it_that_holds_nothing(void **state)
{
	static const uint8_t skipped[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	struct fixture *f = *state;

	store(f, archive_write_add_filter_zstd, f->tar, TAR_SIZE);
	memcpy(f->blob + f->blob_len, skipped, sizeof(skipped));
	f->blob_len += sizeof(skipped);
	arrives(f, SAVE_SIZE_UNKNOWN);
}

static void a_blob_of_another_name_is_damaged(void **state)
{
	struct fixture *f = *state;
	struct digest other = digest_of("other", 5);

	store(f, archive_write_add_filter_gzip, f->tar, TAR_SIZE);
	assert_fails(deliver_as(f, &other, TAR_SIZE), &f->err, ERR_CORRUPT);
	assert_int_equal(f->ended, 0);
	assert_false(sink_failed);
}

static void a_blob_that_is_cut_off_or_changed_is_damaged(void **state)
{
	struct fixture *f = *state;
	struct digest name;

	store(f, archive_write_add_filter_gzip, f->tar, TAR_SIZE);
	name = digest_of(f->blob, f->blob_len);
	f->blob_len -= 100;
	assert_fails(deliver_as(f, &name, SAVE_SIZE_UNKNOWN), &f->err, ERR_CORRUPT);
	f->blob_len += 100;
	f->at = 0;
	f->blob[2000] ^= 1;
	assert_fails(deliver_as(f, &name, SAVE_SIZE_UNKNOWN), &f->err, ERR_CORRUPT);
	assert_int_equal(f->ended, 0);
}

static void other_sizes_than_were_announced_are_damage(void **state)
{
	struct fixture *f = *state;

	store(f, archive_write_add_filter_gzip, f->tar, TAR_SIZE);
	assert_fails(deliver(f, TAR_SIZE + 1), &f->err, ERR_CORRUPT);
	f->at = 0;
	buf_clear(&f->got);
	assert_fails(deliver(f, 1000), &f->err, ERR_CORRUPT);
	assert_true(buf_len(&f->got) <= 1000);
	assert_int_equal(f->ended, 0);
}

static void errors_of_the_reader_and_of_the_sink_are_told_as_they_are(void **state)
{
	struct fixture *f = *state;

	store(f, archive_write_add_filter_gzip, f->tar, TAR_SIZE);
	f->reader_fails = true;
	assert_fails(deliver(f, SAVE_SIZE_UNKNOWN), &f->err, ERR_IO);
	assert_false(sink_failed);
	f->reader_fails = false;
	f->sink_fails = true;
	f->at = 0;
	assert_fails(deliver(f, SAVE_SIZE_UNKNOWN), &f->err, ERR_INTERRUPTED);
	assert_true(sink_failed);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(a_raw_layer_is_its_blob), CASE(a_layer_comes_out_of_gzip),
	CASE(a_layer_comes_out_of_gzip_of_several_members),
	CASE(a_layer_comes_out_of_zstd_with_a_frame_behind_it_that_holds_nothing),
	CASE(a_blob_of_another_name_is_damaged), CASE(a_blob_that_is_cut_off_or_changed_is_damaged),
	CASE(other_sizes_than_were_announced_are_damage),
	CASE(errors_of_the_reader_and_of_the_sink_are_told_as_they_are))
