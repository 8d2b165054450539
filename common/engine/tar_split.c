#include "common/engine/tar_split.h"

#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/engine/tar_split_line.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (64u << 10)

struct tar_split {
	struct archive *archive; /* the lines, decompressed */
	const char *at;		 /* what is left of the block that it gave last */
	size_t left;
	struct buf line;
};

static int damaged(struct tar_split *t, struct err *err)
{
	const char *why = archive_error_string(t->archive);
	char shown[200];

	if (!why)
		why = "no reason given";
	return err_set(err, ERR_CORRUPT, "its tar-split data cannot be read: %s",
		text_escape(shown, sizeof(shown), why, strlen(why)));
}

struct tar_split *tar_split_new(int fd, struct err *err)
{
	struct tar_split *t = calloc(1, sizeof(*t));
	struct archive_entry *entry;

	if (t)
		t->archive = archive_read_new();
	if (!t || !t->archive) {
		free(t);
		err_nomem(err);
		return NULL;
	}
	buf_init(&t->line, TAR_SPLIT_LINE_MAX);
	if (archive_read_support_filter_gzip(t->archive) == ARCHIVE_OK &&
		archive_read_support_format_raw(t->archive) == ARCHIVE_OK &&
		archive_read_open_fd(t->archive, fd, READ_SIZE) == ARCHIVE_OK &&
		archive_read_next_header(t->archive, &entry) == ARCHIVE_OK)
		return t;
	damaged(t, err);
	tar_split_free(t);
	return NULL;
}

void tar_split_free(struct tar_split *t)
{
	if (!t)
		return;
	archive_read_free(t->archive);
	buf_done(&t->line);
	free(t);
}

/* Nothing is left at the end. */
static int next_block(struct tar_split *t, struct err *err)
{
	const void *block;
	int64_t offset;
	int got;

	do {
		got = archive_read_data_block(t->archive, &block, &t->left, &offset);
		if (got == ARCHIVE_EOF) {
			t->left = 0;
			return 0;
		}
		if (got != ARCHIVE_OK)
			return damaged(t, err);
	} while (t->left == 0);
	t->at = block;
	return 0;
}

/* The next line, in t->line. */
static int read_line(struct tar_split *t, bool *ret_end, struct err *err)
{
	const char *end = NULL;

	buf_clear(&t->line);
	while (!end) {
		size_t n;

		if (t->left == 0 && next_block(t, err) != 0)
			return -1;
		if (t->left == 0)
			break;
		end = memchr(t->at, '\n', t->left);
		n = end ? (size_t)(end - t->at) : t->left;
		buf_append(&t->line, t->at, n);
		n += end != NULL;
		t->at += n;
		t->left -= n;
		if (t->line.no_memory)
			return err_nomem(err);
		if (!buf_ok(&t->line))
			return err_set(err, ERR_LIMIT,
				"its tar-split data has a line of more than %u bytes",
				TAR_SPLIT_LINE_MAX);
	}
	if (!end && buf_len(&t->line) > 0)
		return err_set(err, ERR_CORRUPT, "its tar-split data ends inside a line");
	*ret_end = !end;
	return 0;
}

int tar_split_next(struct tar_split *t, struct tar_split_part *ret, struct err *err)
{
	bool end;

	do {
		if (read_line(t, &end, err) != 0)
			return -1;
		if (end) {
			*ret = (struct tar_split_part){ .kind = TAR_SPLIT_END };
			return 0;
		}
		if (tar_split_line((char *)buf_bytes(&t->line), buf_len(&t->line), ret, err) != 0)
			return -1;
	} while (ret->size == 0);
	return 0;
}
