/*
 * Owns the blob that is being read. Happy path: each wanted layer's blob is opened, its tar's size
 * told beforehand if the blob says it, and the blob decompressed into the sink. A layer whose blob
 * is not there is looked for under another name: as a raw tar, or as another image has it stored.
 * Failure modes: files that are gone, damaged, or not to be read (ERR_AGAIN); a layer that is
 * nowhere (ERR_NOT_FOUND); the sink stops it.
 */
#include "common/engine/containerd_read.h"

#include "common/base/file.h"
#include "common/engine/containerd_content.h"
#include "common/engine/containerd_elsewhere.h"
#include "common/engine/stored_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE (256u << 10) /* bytes of a blob that are read in one go */
#define GZIP_LEAST 18u	       /* bytes of a gzip stream of nothing */
/* Of larger ones the contents may well be over 4 GiB. */
#define GZIP_BELIEVED_MAX (256u << 20)

struct containerd {
	const struct engine_info *info;
	const struct engine_image *image;
	const atomic_bool *stop;
	const struct engine_save_sink *sink;
	void *sink_ctx;
	bool final; /* the sink or the caller stopped it, or nobody has the layer */
	int fd;	    /* the blob, or -1 */
	uint64_t size;
	uint8_t block[READ_SIZE];
};

int containerd_check(
	const struct engine_info *info, const struct engine_image *image, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (!info->containerd_store)
		return err_set(err, ERR_FAILED, "its images are not kept by containerd");
	if (info->remote)
		return err_set(err, ERR_FAILED, "it is spoken to over TCP");
	if (info->data_root[0] != '/')
		return err_set(err, ERR_FAILED, "it does not tell where they are");
	if (containerd_content_path(info, &image->id, &path, err) != 0)
		return -1;
	if (image->blobs)
		return 0;
	return err_set(err, ERR_FAILED, "no manifest of the image for %s/%s is there",
		image->platform.os, image->platform.arch);
}

/* --- a blob --- */

static int read_block(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	struct containerd *c = ctx;
	ssize_t got;

	if (atomic_load_explicit(c->stop, memory_order_relaxed)) {
		c->final = true;
		return err_set(err, ERR_INTERRUPTED, "interrupted");
	}
	do
		got = read(c->fd, c->block, sizeof(c->block));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, errno, "its blob");
	*ret = c->block;
	*ret_n = (size_t)got;
	return 0;
}

static int open_blob(struct containerd *c, const struct digest *blob, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	if (containerd_content_path(c->info, blob, &path, err) != 0)
		return -1;
	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (c->fd < 0 || fstat(c->fd, &st) != 0)
		return err_errno(err, errno, "its blob");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CORRUPT, "its blob is no file");
	c->size = (uint64_t)st.st_size;
	posix_fadvise(c->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* A gzip stream ends with its contents' size, modulo 4 GiB; a stream of several such, as some
 * builders make them, ends with the last one's, which is hardly ever believable. A number that
 * is believed and wrong is noticed at the end. */
static uint64_t gzip_size(int fd, uint64_t blob_size)
{
	uint8_t head[2], tail[4];
	uint64_t size;

	if (blob_size < GZIP_LEAST || file_read_at(fd, head, 2, 0, NULL) != 0 || head[0] != 0x1f ||
		head[1] != 0x8b || file_read_at(fd, tail, 4, blob_size - 4, NULL) != 0)
		return SAVE_SIZE_UNKNOWN;
	size = (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 |
	       (uint64_t)tail[3] << 24;
	/* A tar is no smaller than what it is compressed to, and made of blocks. */
	return size >= blob_size && size % 512 == 0 && blob_size < GZIP_BELIEVED_MAX
		       ? size
		       : SAVE_SIZE_UNKNOWN;
}

static uint64_t tar_size(const struct containerd *c, size_t layer, const struct digest *blob)
{
	if (digest_equal(blob, &c->image->diff_ids[layer]))
		return c->size;
	return gzip_size(c->fd, c->size);
}

/* --- layers --- */

static int missing(struct containerd *c, size_t layer, struct err *err)
{
	char name[DIGEST_TEXT_LEN + 1], blob[DIGEST_TEXT_LEN + 1];

	c->final = true;
	digest_text(&c->image->diff_ids[layer], name);
	digest_text(&c->image->blobs[layer].digest, blob);
	return err_set(err, ERR_NOT_FOUND, ENGINE_LACKS_BLOB, name, blob);
}

/* The blob that the image names, or another one of the same layer. */
static int open_layer(struct containerd *c, size_t layer, struct digest *ret_blob, struct err *err)
{
	const struct digest *diff_id = &c->image->diff_ids[layer];
	struct err why;

	*ret_blob = c->image->blobs[layer].digest;
	if (open_blob(c, ret_blob, &why) == 0)
		return 0;
	if (why.code != ERR_NOT_FOUND) {
		*err = why;
		return -1;
	}
	if (!containerd_elsewhere(c->info, diff_id, ret_blob))
		return missing(c, layer, err);
	return open_blob(c, ret_blob, err);
}

static int read_layer(struct containerd *c, size_t layer, struct err *err)
{
	struct digest blob;
	struct stored_layer l = { .diff_id = &c->image->diff_ids[layer],
		.blob = &blob,
		.read = read_block,
		.read_ctx = c,
		.sink = c->sink,
		.sink_ctx = c->sink_ctx };
	int r = open_layer(c, layer, &blob, err);

	if (r == 0) {
		l.size = tar_size(c, layer, &blob);
		r = stored_layer_deliver(&l, err);
		c->final = c->final || l.sink_failed;
	}
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	return r;
}

static int read_layers(struct containerd *c, struct err *err)
{
	const struct engine_image *image = c->image;
	char name[DIGEST_TEXT_LEN + 1];

	for (size_t i = 0; i < image->n_diff_ids; i++) {
		if (!engine_image_first(image, i) ||
			!c->sink->wants(c->sink_ctx, &image->diff_ids[i]))
			continue;
		if (read_layer(c, i, err) == 0)
			continue;
		digest_text(&image->diff_ids[i], name);
		return c->final ? -1 : err_wrap(err, "layer %s", name);
	}
	return 0;
}

static int read_config(struct containerd *c, struct err *err)
{
	CLEANUP(cleanup_free) uint8_t *config = NULL;
	size_t n;

	if (!engine_read_config(c->info, &c->image->config, &config, &n))
		return err_set(err, ERR_CORRUPT, "the image's config is not where it should be");
	if (c->sink->config(c->sink_ctx, config, n, err) == 0)
		return 0;
	c->final = true;
	return -1;
}

int containerd_read(const struct engine_info *info, const struct engine_image *image,
	const atomic_bool *stop, const struct engine_save_sink *sink, void *sink_ctx,
	struct err *err)
{
	struct containerd *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_nomem(err);
	c->info = info;
	c->image = image;
	c->stop = stop;
	c->sink = sink;
	c->sink_ctx = sink_ctx;
	c->fd = -1;
	r = read_config(c, err) == 0 ? read_layers(c, err) : -1;
	if (r != 0 && !c->final && err->code != ERR_NOMEM)
		err->code = ERR_AGAIN;
	free(c);
	return r;
}
