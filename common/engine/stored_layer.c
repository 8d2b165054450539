/*
 * Happy path: the blob's bytes are hashed and decompressed on their way; at its end the hash must
 * be the blob's name, and then the sink compares the tar's with the diffID. A raw blob is its tar,
 * so the sink's comparison is enough. Failure modes: the reader's, bytes that cannot be
 * decompressed, other bytes than the name says, more or less of them than was announced.
 */
#include "common/engine/stored_layer.h"

#include "common/base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

struct delivery {
	struct stored_layer *layer;
	struct archive *archive;
	struct hasher *hasher; /* of the blob */
	struct err read_err;   /* what `read` failed with */
	uint64_t done;	       /* bytes of the tar */
};

static int sink_failed(struct delivery *d)
{
	d->layer->sink_failed = true;
	return -1;
}

static int give(struct delivery *d, const void *bytes, size_t n, struct err *err)
{
	struct stored_layer *l = d->layer;

	if (n > l->size - d->done) /* never, when it is not known */
		return err_set(err, ERR_CORRUPT, "its tar is larger than its blob says");
	d->done += n;
	return l->sink->bytes(l->sink_ctx, bytes, n, err) == 0 ? 0 : sink_failed(d);
}

static int deliver_raw(struct delivery *d, struct err *err)
{
	const void *bytes;
	size_t n;

	for (;;) {
		if (d->layer->read(d->layer->read_ctx, &bytes, &n, err) != 0)
			return -1;
		if (n == 0)
			return 0;
		if (give(d, bytes, n, err) != 0)
			return -1;
	}
}

/* --- what is compressed --- */

static int read_hashed(struct delivery *d, const void **ret, size_t *ret_n, struct err *err)
{
	if (d->layer->read(d->layer->read_ctx, ret, ret_n, err) != 0)
		return -1;
	hasher_update(d->hasher, *ret, *ret_n);
	return 0;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct delivery *d = ctx;
	size_t n;

	if (read_hashed(d, ret, &n, &d->read_err) != 0) {
		archive_set_error(a, EIO, "%s", d->read_err.text);
		return -1;
	}
	return (la_ssize_t)n;
}

static int damaged(struct delivery *d, struct err *err)
{
	const char *why = archive_error_string(d->archive);
	char shown[200];

	if (d->read_err.code)
		return err_set(err, d->read_err.code, "%s", d->read_err.text);
	if (!why)
		why = "no reason given";
	return err_set(err, ERR_CORRUPT, "its blob cannot be decompressed: %s",
		text_escape(shown, sizeof(shown), why, strlen(why)));
}

/* A blob that holds nothing is of the format "empty". */
static int open_archive(struct delivery *d, struct err *err)
{
	d->archive = archive_read_new();
	d->hasher = hasher_new();
	if (!d->archive || !d->hasher)
		return err_nomem(err);
	if (archive_read_support_filter_gzip(d->archive) == ARCHIVE_OK &&
		archive_read_support_filter_zstd(d->archive) == ARCHIVE_OK &&
		archive_read_support_format_raw(d->archive) == ARCHIVE_OK &&
		archive_read_support_format_empty(d->archive) == ARCHIVE_OK &&
		archive_read_open(d->archive, d, NULL, on_read, NULL) == ARCHIVE_OK)
		return 0;
	return damaged(d, err);
}

static int give_archive(struct delivery *d, struct err *err)
{
	struct archive_entry *entry;
	const void *bytes;
	int64_t at;
	size_t n;
	int got = archive_read_next_header(d->archive, &entry);

	while (got == ARCHIVE_OK) {
		got = archive_read_data_block(d->archive, &bytes, &n, &at);
		if (got == ARCHIVE_OK && n > 0 && give(d, bytes, n, err) != 0)
			return -1;
	}
	return got == ARCHIVE_EOF ? 0 : damaged(d, err);
}

/* What stands behind the compressed data belongs to the blob, too. */
static int check_blob(struct delivery *d, struct err *err)
{
	struct digest got;
	const void *rest;
	size_t n;

	do {
		if (read_hashed(d, &rest, &n, err) != 0)
			return -1;
	} while (n > 0);
	got = hasher_end(d->hasher);
	if (digest_equal(&got, d->layer->blob))
		return 0;
	return err_set(err, ERR_CORRUPT, "its blob does not hash to its name");
}

static int deliver_compressed(struct delivery *d, struct err *err)
{
	int r = -1;

	if (open_archive(d, err) == 0 && give_archive(d, err) == 0 && check_blob(d, err) == 0)
		r = 0;
	archive_read_free(d->archive);
	hasher_free(d->hasher);
	return r;
}

int stored_layer_deliver(struct stored_layer *l, struct err *err)
{
	struct delivery d = { .layer = l };
	int r;

	l->sink_failed = false;
	if (l->sink->layer(l->sink_ctx, l->diff_id, l->size, err) != 0)
		return sink_failed(&d);
	r = digest_equal(l->diff_id, l->blob) ? deliver_raw(&d, err) : deliver_compressed(&d, err);
	if (r != 0)
		return -1;
	if (l->size != SAVE_SIZE_UNKNOWN && d.done != l->size)
		return err_set(err, ERR_CORRUPT, "its tar is smaller than its blob says");
	/* What hashes to another name was stored so: no affair of the sink's. */
	if (l->sink->layer_end(l->sink_ctx, err) == 0)
		return 0;
	return err && err->code == ERR_VERIFY ? -1 : sink_failed(&d);
}
