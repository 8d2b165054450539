/*
 * Owns the layer that is being read: its tar-split data, its directory, and the bytes that are on
 * their way to the sink. Happy path: the tar's size is added up in a first pass over the tar-split
 * data, and a second one puts the tar together. Names come from images, so files are opened inside
 * of the layer's directory, whatever the names and the symbolic links there say. Failure modes: the
 * files are gone, damaged, another version's or not to be read (ERR_AGAIN); the sink stops it.
 */
#include "common/engine/overlay2.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/engine/tar_split.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_SIZE (256u << 10)	  /* bytes that the sink is given in one go */
#define READ_AHEAD_MIN (1u << 20) /* files of this size are read ahead further */
#define CACHE_ID_MAX 128u	  /* the name of a layer's directory */

struct overlay2 {
	const struct engine_info *info;
	const struct engine_image *image;
	const atomic_bool *stop;
	const struct engine_save_sink *sink;
	void *sink_ctx;
	bool stopped;	 /* by the sink or the caller: the files are not to blame */
	int split, diff; /* the layer's tar-split file and directory, or -1 */
	uint64_t size;	 /* of its tar */
	uint64_t done;	 /* given to the sink, or waiting in `out` */
	size_t used;
	uint8_t out[OUT_SIZE];
};

/* --- where things are --- */

static void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static char *layer_path(
	const struct engine_info *info, const struct digest *chain, const char *name)
{
	char hex[DIGEST_HEX_LEN + 1];
	char *path;

	digest_hex(chain, hex);
	if (asprintf(&path, "%s/image/%s/layerdb/sha256/%s/%s", info->data_root, info->driver, hex,
		    name) < 0)
		return NULL;
	return path;
}

static struct digest chain_of(const struct engine_image *image, size_t layer)
{
	struct digest chain = digest_chain(NULL, &image->diff_ids[0]);

	for (size_t i = 1; i <= layer; i++)
		chain = digest_chain(&chain, &image->diff_ids[i]);
	return chain;
}

int overlay2_check(
	const struct engine_info *info, const struct engine_image *image, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_fd) int fd = -1;
	char shown[sizeof(info->data_root)];
	struct digest top;

	if (info->remote)
		return err_set(err, ERR_FAILED, "it is spoken to over TCP");
	if (strcmp(info->driver, "overlay2") != 0)
		return err_set(err, ERR_FAILED, "its storage driver is %s, not overlay2",
			text_escape(shown, sizeof(shown), info->driver, strlen(info->driver)));
	if (info->data_root[0] != '/')
		return err_set(err, ERR_FAILED, "it does not tell where they are");
	if (image->n_diff_ids == 0)
		return 0;
	top = chain_of(image, image->n_diff_ids - 1);
	path = layer_path(info, &top, "");
	if (!path)
		return err_nomem(err);
	fd = file_openat2(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
	if (fd >= 0)
		return 0;
	return err_errno(err, errno, "%s",
		text_escape(shown, sizeof(shown), info->data_root, strlen(info->data_root)));
}

static void close_layer(struct overlay2 *o)
{
	cleanup_fd(&o->split);
	cleanup_fd(&o->diff);
}

static bool is_cache_id(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z');

		if (!letter && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
			return false;
	}
	return n > 0;
}

static int open_diff(struct overlay2 *o, const struct digest *chain, struct err *err)
{
	CLEANUP(cleanup_free) char *id_path = layer_path(o->info, chain, "cache-id");
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(buf_done) struct buf id;

	buf_init(&id, CACHE_ID_MAX);
	if (!id_path)
		return err_nomem(err);
	if (file_read(id_path, &id, NULL) != 0)
		return err_set(err, ERR_CORRUPT, "its cache-id cannot be read");
	if (!is_cache_id((const char *)buf_bytes(&id), buf_len(&id)))
		return err_set(err, ERR_CORRUPT, "its cache-id names no directory");
	if (asprintf(&path, "%s/%s/%.*s/diff", o->info->data_root, o->info->driver,
		    (int)buf_len(&id), (const char *)buf_bytes(&id)) < 0) {
		path = NULL;
		return err_nomem(err);
	}
	o->diff = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return o->diff >= 0 ? 0 : err_errno(err, errno, "its directory");
}

static int open_layer(struct overlay2 *o, size_t layer, struct err *err)
{
	struct digest chain = chain_of(o->image, layer);
	CLEANUP(cleanup_free) char *path = layer_path(o->info, &chain, "tar-split.json.gz");

	if (!path)
		return err_nomem(err);
	o->split = open(path, O_RDONLY | O_CLOEXEC);
	if (o->split < 0)
		return err_errno(err, errno, "its tar-split data");
	return open_diff(o, &chain, err);
}

/* --- the bytes out --- */

static int sink_failed(struct overlay2 *o)
{
	o->stopped = true;
	return -1;
}

static int check_stop(struct overlay2 *o, struct err *err)
{
	if (!atomic_load_explicit(o->stop, memory_order_relaxed))
		return 0;
	err_set(err, ERR_INTERRUPTED, "interrupted");
	return sink_failed(o);
}

static int flush(struct overlay2 *o, struct err *err)
{
	size_t n = o->used;

	o->used = 0;
	if (check_stop(o, err) != 0)
		return -1;
	if (n > 0 && o->sink->bytes(o->sink_ctx, o->out, n, err) != 0)
		return sink_failed(o);
	return 0;
}

/* Room for some bytes of the tar, of which `want` are to come: *ret_n, at least one. */
static uint8_t *room(struct overlay2 *o, uint64_t want, size_t *ret_n, struct err *err)
{
	if (want > o->size - o->done) {
		err_set(err, ERR_CORRUPT, "it has changed meanwhile");
		return NULL;
	}
	if (o->used == OUT_SIZE && flush(o, err) != 0)
		return NULL;
	*ret_n = (size_t)min_u64(want, OUT_SIZE - o->used);
	return o->out + o->used;
}

static void put(struct overlay2 *o, size_t n)
{
	o->used += n;
	o->done += n;
}

static int put_bytes(struct overlay2 *o, const struct tar_split_part *p, struct err *err)
{
	const uint8_t *from = p->bytes;
	uint64_t left = p->size;

	while (left > 0) {
		size_t n;
		uint8_t *to = room(o, left, &n, err);

		if (!to)
			return -1;
		memcpy(to, from, n);
		put(o, n);
		from += n;
		left -= n;
	}
	return 0;
}

/* --- files --- */

static int odd_file(const struct tar_split_part *p, const char *what, struct err *err)
{
	char shown[200];

	return err_set(err, ERR_CORRUPT, "its file %s: %s",
		text_escape(shown, sizeof(shown), p->name, strlen(p->name)), what);
}

/* Links on the way are followed, as by the engine when it unpacks, but stay in the directory. */
static int open_file(struct overlay2 *o, const char *name)
{
	return file_openat2(o->diff, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static int check_file(int fd, const struct tar_split_part *p, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return odd_file(p, strerror(errno), err);
	if (!S_ISREG(st.st_mode))
		return odd_file(p, "no regular file", err);
	if ((uint64_t)st.st_size != p->size)
		return odd_file(p, "another size than it had", err);
	if (p->size >= READ_AHEAD_MIN)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

static int put_file(struct overlay2 *o, const struct tar_split_part *p, struct err *err)
{
	CLEANUP(cleanup_fd) int fd = open_file(o, p->name);
	uint64_t left = p->size;

	if (fd < 0)
		return odd_file(p, strerror(errno), err);
	if (check_file(fd, p, err) != 0)
		return -1;
	while (left > 0) {
		size_t n;
		uint8_t *to = room(o, left, &n, err);
		ssize_t got = to ? read(fd, to, n) : 0;

		if (!to)
			return -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return odd_file(p, strerror(errno), err);
		if (got == 0)
			return odd_file(p, "shorter than it was", err);
		put(o, (size_t)got);
		left -= (uint64_t)got;
	}
	return 0;
}

/* --- layers --- */

typedef int part_fn(struct overlay2 *o, const struct tar_split_part *p, struct err *err);

static int measure_part(struct overlay2 *o, const struct tar_split_part *p, struct err *err)
{
	if (p->size > INT64_MAX - o->size)
		return err_set(err, ERR_LIMIT, "its tar is larger than any file can be");
	o->size += p->size;
	return check_stop(o, err);
}

static int put_part(struct overlay2 *o, const struct tar_split_part *p, struct err *err)
{
	return p->kind == TAR_SPLIT_FILE ? put_file(o, p, err) : put_bytes(o, p, err);
}

/* Goes once through the tar-split data. */
static int each_part(struct overlay2 *o, part_fn *fn, struct err *err)
{
	struct tar_split_part p = { 0 };
	struct tar_split *t;
	int r;

	if (lseek(o->split, 0, SEEK_SET) != 0)
		return err_errno(err, errno, "its tar-split data");
	t = tar_split_new(o->split, err);
	if (!t)
		return -1;
	do
		r = tar_split_next(t, &p, err);
	while (r == 0 && p.kind != TAR_SPLIT_END && (r = fn(o, &p, err)) == 0);
	tar_split_free(t);
	return r;
}

static int read_layer(struct overlay2 *o, size_t layer, struct err *err)
{
	o->size = o->done = 0;
	o->used = 0;
	if (open_layer(o, layer, err) != 0 || each_part(o, measure_part, err) != 0)
		return -1;
	if (o->sink->layer(o->sink_ctx, &o->image->diff_ids[layer], o->size, err) != 0)
		return sink_failed(o);
	if (each_part(o, put_part, err) != 0 || flush(o, err) != 0)
		return -1;
	if (o->done != o->size)
		return err_set(err, ERR_CORRUPT, "it has changed meanwhile");
	if (o->sink->layer_end(o->sink_ctx, err) == 0)
		return 0;
	return err->code == ERR_VERIFY ? -1 : sink_failed(o);
}

static int read_layers(struct overlay2 *o, struct err *err)
{
	char name[DIGEST_TEXT_LEN + 1];

	for (size_t i = 0; i < o->image->n_diff_ids; i++) {
		const struct digest *diff_id = &o->image->diff_ids[i];
		int r;

		if (!engine_image_first(o->image, i) || !o->sink->wants(o->sink_ctx, diff_id))
			continue;
		r = read_layer(o, i, err);
		close_layer(o);
		digest_text(diff_id, name);
		if (r != 0)
			return o->stopped ? -1 : err_wrap(err, "layer %s", name);
	}
	return 0;
}

static int read_config(struct overlay2 *o, struct err *err)
{
	CLEANUP(cleanup_free) uint8_t *config = NULL;
	size_t n;

	if (!engine_read_config(o->info, &o->image->config, &config, &n))
		return err_set(err, ERR_CORRUPT, "the image's config is not where it should be");
	return o->sink->config(o->sink_ctx, config, n, err) == 0 ? 0 : sink_failed(o);
}

int overlay2_read(const struct engine_info *info, const struct engine_image *image,
	const atomic_bool *stop, const struct engine_save_sink *sink, void *sink_ctx,
	struct err *err)
{
	struct overlay2 *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_nomem(err);
	o->info = info;
	o->image = image;
	o->stop = stop;
	o->sink = sink;
	o->sink_ctx = sink_ctx;
	o->split = o->diff = -1;
	r = read_config(o, err) == 0 ? read_layers(o, err) : -1;
	if (r != 0 && !o->stopped && err->code != ERR_NOMEM)
		err->code = ERR_AGAIN;
	free(o);
	return r;
}
