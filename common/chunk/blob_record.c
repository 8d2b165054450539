#include "common/chunk/blob_record.h"

#include "common/base/cursor.h"

#include <stdlib.h>
#include <string.h>

static const char magic[4] = { 'd', 'B', 'L', '1' };

void blob_record_done(struct blob_record *r)
{
	free(r->lists[STREAM_MAIN]);
	free(r->lists[STREAM_SKELETON]);
	*r = (struct blob_record){ 0 };
}

void blob_record_put(struct buf *to, const struct blob_record *r)
{
	buf_append(to, magic, sizeof(magic));
	buf_append(to, r->digest.bytes, DIGEST_LEN);
	buf_u64(to, r->size);
	buf_u32(to, r->n_lists[STREAM_MAIN]);
	buf_u32(to, r->n_lists[STREAM_SKELETON]);
	for (int stream = STREAM_MAIN; stream <= STREAM_SKELETON; stream++)
		for (uint32_t i = 0; i < r->n_lists[stream]; i++)
			buf_append(to, r->lists[stream][i].bytes, DIGEST_LEN);
}

/* `n` names; NULL in *ret when there are none. */
static int get_names(struct cursor *c, uint32_t n, struct digest **ret, struct err *err)
{
	struct digest *names;

	*ret = NULL;
	if (n == 0)
		return 0;
	names = calloc(n, sizeof(*names));
	if (!names)
		return err_nomem(err);
	for (uint32_t i = 0; i < n; i++)
		cursor_copy(c, names[i].bytes, DIGEST_LEN);
	*ret = names;
	return 0;
}

static bool head_allowed(const struct blob_record *r, size_t left)
{
	const uint32_t *n = r->n_lists;

	if (r->size > BLOB_SIZE_MAX || n[STREAM_MAIN] > BLOB_LISTS_MAX ||
		n[STREAM_SKELETON] > BLOB_LISTS_MAX - n[STREAM_MAIN])
		return false;
	return left == ((size_t)n[STREAM_MAIN] + n[STREAM_SKELETON]) * DIGEST_LEN;
}

int blob_record_parse(const void *bytes, size_t n, struct blob_record *ret, struct err *err)
{
	struct cursor c = cursor_over(bytes, n);
	struct blob_record r CLEANUP(blob_record_done) = { 0 };
	const uint8_t *start = cursor_bytes(&c, sizeof(magic));

	if (!start || memcmp(start, magic, sizeof(magic)) != 0)
		return err_set(err, ERR_CORRUPT, "not a blob record");
	cursor_copy(&c, r.digest.bytes, DIGEST_LEN);
	r.size = cursor_u64(&c);
	r.n_lists[STREAM_MAIN] = cursor_u32(&c);
	r.n_lists[STREAM_SKELETON] = cursor_u32(&c);
	if (c.bad || !head_allowed(&r, c.left))
		return err_set(err, ERR_CORRUPT, "a blob record has impossible lengths");
	for (int stream = STREAM_MAIN; stream <= STREAM_SKELETON; stream++)
		if (get_names(&c, r.n_lists[stream], &r.lists[stream], err) != 0)
			return -1;
	*ret = r;
	r = (struct blob_record){ 0 };
	return 0;
}
