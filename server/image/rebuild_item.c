#include "server/image/rebuild_item.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT_LEVEL 3 /* zstd's */

struct rebuild_item *rebuild_item_new(
	const struct rebuild_blob *b, enum rebuild_kind kind, size_t n)
{
	struct rebuild_item *i = malloc(sizeof(*i) + n);

	if (!i)
		return NULL;
	*i = (struct rebuild_item){ 0 };
	i->kind = kind;
	i->blob = b->number;
	i->from_store = b->from_store;
	i->size = b->size;
	i->n = n;
	return i;
}

struct rebuild_item *rebuild_item_sealed(
	const struct rebuild_blob *b, struct segment_builder *segments, struct err *err)
{
	struct buf record CLEANUP(buf_done);
	struct rebuild_item *i;

	buf_init(&record, SEGMENT_RECORD_MAX);
	if (segment_builder_seal(segments, SEGMENT_LEVEL, &record, err) != 0)
		return NULL;
	i = rebuild_item_new(b, REBUILD_SEGMENT, buf_len(&record));
	if (!i) {
		err_nomem(err);
		return NULL;
	}
	memcpy(i->bytes, buf_bytes(&record), i->n);
	return i;
}

void rebuild_item_free(struct rebuild_item *i)
{
	if (!i)
		return;
	free(i->names[0]);
	free(i->names[1]);
	free(i);
}

/* --- blobs --- */

void rebuild_blob_free(struct rebuild_blob *b)
{
	if (!b)
		return;
	free(b->names[0]);
	free(b->names[1]);
	free(b);
}

int rebuild_blob_add(struct rebuild_blob *b, enum recipe_stream stream, const struct digest *names,
	size_t n, struct err *err)
{
	size_t want = b->n_names[stream] + n;

	if (want > b->cap_names[stream]) {
		size_t cap = want < 64 ? 64 : want * 2;
		struct digest *bigger = reallocarray(b->names[stream], cap, sizeof(*bigger));

		if (!bigger)
			return err_nomem(err);
		b->names[stream] = bigger;
		b->cap_names[stream] = cap;
	}
	memcpy(b->names[stream] + b->n_names[stream], names, n * sizeof(*names));
	b->n_names[stream] = want;
	return 0;
}
