#include "common/tree/tree_cache_impl.h"

#include "common/base/file.h"
#include "common/base/file_new.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX (128u << 10)

struct tree_cache_writer {
	struct file_new file;
	uint64_t flushed; /* bytes in the file */
	struct buf out;	  /* and those that are not there yet */
	uint64_t entry;	  /* where the open entry begins */
	uint64_t body;	  /* and its body */
	struct err err;	  /* the first failure */
};

static void fail(struct tree_cache_writer *w)
{
	if (w->err.code == ERR_NONE)
		err_nomem(&w->err);
}

static uint64_t end_of(const struct tree_cache_writer *w)
{
	return w->flushed + buf_len(&w->out);
}

static void flush(struct tree_cache_writer *w)
{
	if (!buf_ok(&w->out))
		fail(w);
	if (w->err.code == ERR_NONE && file_write_at(w->file.fd, buf_bytes(&w->out),
					       buf_len(&w->out), w->flushed, &w->err) == 0)
		w->flushed += buf_len(&w->out);
	buf_clear(&w->out);
}

static void make_room(struct tree_cache_writer *w, size_t n)
{
	if (buf_len(&w->out) + n > OUT_MAX)
		flush(w);
}

int tree_cache_writer_open(
	const char *path, const struct stat *root, struct tree_cache_writer **ret, struct err *err)
{
	struct tree_cache_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return err_nomem(err);
	buf_init(&w->out, OUT_MAX);
	if (file_new_open(&w->file, path, err) != 0) {
		tree_cache_writer_free(w);
		return -1;
	}
	buf_append(&w->out, CACHE_MAGIC, 4);
	buf_u64(&w->out, root->st_dev);
	buf_u64(&w->out, root->st_ino);
	*ret = w;
	return 0;
}

void tree_cache_writer_free(struct tree_cache_writer *w)
{
	if (!w)
		return;
	file_new_drop(&w->file);
	buf_done(&w->out);
	free(w);
}

void tree_cache_begin(struct tree_cache_writer *w, const char *path, const struct tree_look *look)
{
	size_t n = strlen(path);

	make_room(w, ENTRY_HEAD_LEN + n);
	w->entry = end_of(w);
	buf_u8(&w->out, ENTRY_FILE);
	buf_u16(&w->out, (uint16_t)n);
	buf_u64(&w->out, look->ino);
	buf_u64(&w->out, look->size);
	buf_u64(&w->out, (uint64_t)look->mtime);
	buf_u32(&w->out, look->mtime_ns);
	buf_u64(&w->out, (uint64_t)look->ctime);
	buf_u32(&w->out, look->ctime_ns);
	buf_u64(&w->out, look->layout);
	buf_u64(&w->out, look->stored);
	buf_u64(&w->out, 0); /* the body's length comes when it is known */
	buf_append(&w->out, path, n);
	w->body = end_of(w);
}

void tree_cache_put_inline(struct tree_cache_writer *w, const uint8_t *bytes, size_t n)
{
	make_room(w, n);
	buf_append(&w->out, bytes, n);
}

void tree_cache_put_chunk(struct tree_cache_writer *w, const struct tree_chunk *chunk)
{
	make_room(w, CHUNK_ROW_LEN);
	buf_append(&w->out, chunk->name.bytes, DIGEST_LEN);
	buf_u32(&w->out, chunk->len);
}

/* Back to where the entry began. */
static void drop_entry(struct tree_cache_writer *w)
{
	if (w->entry < w->flushed) {
		w->flushed = w->entry;
		buf_clear(&w->out);
	} else {
		w->out.end = w->out.start + (size_t)(w->entry - w->flushed);
	}
}

void tree_cache_end(struct tree_cache_writer *w, bool keep)
{
	uint64_t len = end_of(w) - w->body, at = w->entry + ENTRY_BODY_LEN_AT;
	uint8_t bytes[8];

	if (w->err.code != ERR_NONE || !keep) {
		drop_entry(w);
		return;
	}
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(len >> (8 * i));
	/* The head of an entry is never in the file in part. */
	if (at < w->flushed) {
		if (file_write_at(w->file.fd, bytes, sizeof(bytes), at, &w->err) != 0)
			return;
	} else if (buf_ok(&w->out)) {
		memcpy(buf_bytes(&w->out) + (at - w->flushed), bytes, sizeof(bytes));
	}
}

int tree_cache_keep(struct tree_cache_writer *w, struct err *err)
{
	uint64_t end;
	struct digest sum;

	flush(w);
	end = w->flushed;
	if (w->err.code == ERR_NONE && ftruncate(w->file.fd, (off_t)end) != 0)
		err_errno(&w->err, errno, "cannot cut %s", w->file.temporary);
	if (w->err.code == ERR_NONE && tree_cache_hash(w->file.fd, end, &sum, &w->err) == 0) {
		buf_u8(&w->out, ENTRY_END);
		buf_append(&w->out, sum.bytes, DIGEST_LEN);
		flush(w);
	}
	if (w->err.code == ERR_NONE && file_new_keep(&w->file, true, false, &w->err) == 0)
		return 0;
	if (err)
		*err = w->err;
	return -1;
}
