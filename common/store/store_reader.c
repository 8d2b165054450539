/*
 * Owns a few open packs and opened segments. Happy path: place -> pack -> record, checked -> bytes
 * of a chunk, found under its name. Packs may vanish (given up), shrink or be replaced at any time:
 * each record is looked for in the file that has the pack's name now, and everything that is not as
 * the index said is ERR_CORRUPT.
 */
#include "common/base/file.h"
#include "common/store/raw_cache.h"
#include "common/store/store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_READER_FILES 8

struct open_pack {
	uint32_t number; /* 0: free */
	int fd;
	uint64_t used;
};

struct open_segment {
	uint32_t pack; /* 0: free */
	uint64_t offset;
	uint64_t used;
	struct segment head;
	struct raw_segment *raw; /* NULL: free */
};

struct store_reader {
	char *packs_dir;
	struct segment_opener *opener;
	uint8_t *record;	 /* SEGMENT_RECORD_MAX */
	uint8_t *raw;		 /* SEGMENT_RAW_MAX, once a record was looked at */
	uint64_t clock;		 /* counts uses, for the choice of what goes */
	struct raw_cache *cache; /* NULL: none */
	struct open_pack files[STORE_READER_FILES];
	struct open_segment segments[STORE_READER_SEGMENTS];
};

struct store_reader *store_reader_new(const char *dir, struct err *err)
{
	struct store_reader *r = calloc(1, sizeof *r);
	if (r) {
		r->packs_dir = file_join(dir, "packs");
		r->opener = segment_opener_new();
		r->record = malloc(SEGMENT_RECORD_MAX);
		if (r->packs_dir && r->opener && r->record)
			return r;
	}
	store_reader_free(r);
	err_nomem(err);
	return NULL;
}

static void free_segment(struct open_segment *seg)
{
	segment_done(&seg->head);
	seg->head = (struct segment){ 0 };
	raw_segment_unref(seg->raw);
	seg->raw = NULL;
	seg->pack = 0;
}

static void free_file(struct open_pack *file)
{
	if (file->number != 0)
		close(file->fd);
	file->number = 0;
}

void store_reader_free(struct store_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < ARRAY_LEN(r->segments); i++)
		free_segment(&r->segments[i]);
	for (size_t i = 0; i < ARRAY_LEN(r->files); i++)
		free_file(&r->files[i]);
	segment_opener_free(r->opener);
	free(r->record);
	free(r->raw);
	free(r->packs_dir);
	free(r);
}

void store_reader_share(struct store_reader *r, struct raw_cache *cache)
{
	r->cache = cache;
}

static int damaged(const struct store_place *at, struct err *err)
{
	return err_wrap(
		err, "pack %08u, record at %llu", at->pack, (unsigned long long)at->record_offset);
}

/* The open pack, from the cache or instead of the one not used for longest. */
static int open_file(
	struct store_reader *r, uint32_t number, struct open_pack **ret, struct err *err)
{
	struct open_pack *oldest = &r->files[0];
	for (size_t i = 0; i < ARRAY_LEN(r->files); i++) {
		struct open_pack *f = &r->files[i];
		if (f->number == number) {
			f->used = ++r->clock;
			*ret = f;
			return 0;
		}
		if (f->number == 0 || (oldest->number != 0 && f->used < oldest->used))
			oldest = f;
	}
	char *path CLEANUP(cleanup_free) = pack_path(r->packs_dir, number);
	if (!path)
		return err_nomem(err);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? err_set(err, ERR_CORRUPT, "%s is not there", path)
				       : err_errno(err, errno, "cannot open %s", path);
	free_file(oldest);
	*oldest = (struct open_pack){ .number = number, .fd = fd, .used = ++r->clock };
	*ret = oldest;
	return 0;
}

/* The open pack and its length. A file that has lost its name is let go of. */
static int find_file(
	struct store_reader *r, uint32_t number, int *ret_fd, uint64_t *ret_size, struct err *err)
{
	struct open_pack *file = NULL;
	struct stat st;
	for (bool first = true;; first = false) {
		if (open_file(r, number, &file, err) != 0)
			return -1;
		if (fstat(file->fd, &st) != 0)
			return err_errno(err, errno, "cannot look at the file");
		if (st.st_nlink > 0 || !first)
			break;
		free_file(file);
	}
	*ret_fd = file->fd;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* What the disk does not give back is damaged like anything else. */
static int read_bytes(
	struct store_reader *r, int fd, size_t n, const struct store_place *at, struct err *err)
{
	if (file_read_at(fd, r->record, n, at->record_offset, err) == 0)
		return 0;
	if (err->code == ERR_IO)
		err->code = ERR_CORRUPT;
	return -1;
}

/* Reads the record into r->record, its head or all of it, and parses it. */
static int read_record(struct store_reader *r, const struct store_place *at, bool whole,
	struct segment *ret, struct err *err)
{
	int fd;
	uint64_t size;
	size_t head_len, record_len;
	if (at->pack == 0 || at->record_len < SEGMENT_HEAD_LEN ||
		at->record_len > SEGMENT_RECORD_MAX)
		return err_set(err, ERR_CORRUPT, "no such place");
	if (find_file(r, at->pack, &fd, &size, err) != 0)
		return -1;
	if (at->record_len > size || at->record_offset > size - at->record_len)
		return err_set(err, ERR_CORRUPT, "lies outside of the file");
	size_t n = whole ? at->record_len : SEGMENT_HEAD_LEN;
	if (read_bytes(r, fd, n, at, err) != 0 ||
		segment_measure(r->record, &head_len, &record_len, err) != 0)
		return -1;
	if (record_len != at->record_len)
		return err_set(err, ERR_CORRUPT, "has another length than the index says");
	if (!whole && read_bytes(r, fd, head_len, at, err) != 0)
		return -1;
	return segment_parse(r->record, whole ? record_len : head_len, ret, err);
}

static int fill(struct store_reader *r, const struct store_place *at, struct open_segment *slot,
	struct err *err)
{
	if (r->cache) {
		if (read_record(r, at, false, &slot->head, err) != 0)
			return -1;
		slot->raw = raw_cache_get(r->cache, &slot->head);
		if (slot->raw)
			return 0;
		segment_done(&slot->head);
	}
	if (read_record(r, at, true, &slot->head, err) != 0)
		return -1;
	slot->raw = raw_segment_new(&slot->head);
	if (!slot->raw)
		return err_nomem(err);
	/* The stored bytes hash to what was verified, names and all, before the record was put. */
	return segment_open(r->opener, &slot->head, r->record, false, slot->raw->bytes, err);
}

/* The opened segment, from the cache or instead of the one not used for longest. */
static int open_segment(struct store_reader *r, const struct store_place *at,
	struct open_segment **ret, struct err *err)
{
	struct open_segment *oldest = &r->segments[0];
	for (size_t i = 0; i < ARRAY_LEN(r->segments); i++) {
		struct open_segment *s = &r->segments[i];
		if (at->pack != 0 && s->pack == at->pack && s->offset == at->record_offset) {
			s->used = ++r->clock;
			*ret = s;
			return 0;
		}
		if (s->pack == 0 || (oldest->pack != 0 && s->used < oldest->used))
			oldest = s;
	}
	free_segment(oldest);
	if (fill(r, at, oldest, err) != 0) {
		free_segment(oldest);
		return -1;
	}
	oldest->pack = at->pack;
	oldest->offset = at->record_offset;
	oldest->used = ++r->clock;
	*ret = oldest;
	return 0;
}

/* Is this chunk where it is said to be? Offsets ascend with the rows. */
static bool has_chunk(
	const struct segment *seg, const struct digest *name, const struct store_place *at)
{
	uint32_t low = 0, high = seg->n_rows;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (seg->rows[middle].offset < at->offset)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < seg->n_rows && seg->rows[low].offset == at->offset; low++)
		if (seg->rows[low].len == at->len && digest_equal(&seg->rows[low].name, name))
			return true;
	return false;
}

int store_reader_chunk(struct store_reader *r, const struct digest *name,
	const struct store_place *at, const uint8_t **ret, struct err *err)
{
	struct open_segment *seg;
	if (open_segment(r, at, &seg, err) != 0)
		return damaged(at, err);
	if (!has_chunk(&seg->head, name, at)) {
		/* Read it again next time, should the file have changed under the cache. */
		free_segment(seg);
		err_set(err, ERR_CORRUPT, "does not hold the chunk that the index says");
		return damaged(at, err);
	}
	*ret = seg->raw->bytes + at->offset;
	return 0;
}

int store_reader_record(struct store_reader *r, const struct store_place *at, bool whole,
	struct segment *ret, struct err *err)
{
	if (!r->raw && !(r->raw = malloc(SEGMENT_RAW_MAX)))
		return err_nomem(err);
	if (read_record(r, at, whole, ret, err) != 0)
		return -1;
	if (!whole || segment_open(r->opener, ret, r->record, true, r->raw, err) == 0)
		return 0;
	segment_done(ret);
	return -1;
}

void store_reader_bytes(
	const struct store_reader *r, const uint8_t **ret_record, const uint8_t **ret_raw)
{
	*ret_record = r->record;
	*ret_raw = r->raw;
}

void store_reader_forget(struct store_reader *r, uint32_t pack)
{
	for (size_t i = 0; i < ARRAY_LEN(r->segments); i++)
		if (r->segments[i].pack == pack)
			free_segment(&r->segments[i]);
	for (size_t i = 0; i < ARRAY_LEN(r->files); i++)
		if (r->files[i].number == pack)
			free_file(&r->files[i]);
}
