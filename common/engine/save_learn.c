/*
 * Owns the documents that came by: they are in no order, so each is kept until they make a whole.
 * Happy path: after every document, look whether the image's manifest can be told now. Failure
 * modes: the reader's, an archive without them, more documents than any image has.
 */
#include "common/engine/save_learn.h"

#include <stdlib.h>
#include <string.h>

#define DOCUMENTS_MAX 1024u		/* of an archive */
#define DOCUMENTS_BYTES_MAX (16u << 20) /* all of them */

struct document {
	struct digest name;
	uint8_t *bytes;
	size_t len;
};

struct learner {
	struct save_archive archive;
	struct oci_search search;
	struct document documents[DOCUMENTS_MAX];
	size_t n, bytes;
};

static int get(void *ctx, const struct digest *blob, struct buf *ret)
{
	const struct learner *l = ctx;

	for (size_t i = 0; i < l->n; i++) {
		if (!digest_equal(&l->documents[i].name, blob))
			continue;
		buf_append(ret, l->documents[i].bytes, l->documents[i].len);
		return buf_ok(ret) ? 0 : -1;
	}
	return -1;
}

/* Is what the entry begins with the beginning of a JSON object? Layers never begin so. */
static int take_start(struct learner *l, struct buf *ret, bool *ret_json, struct err *err)
{
	const void *bytes;
	size_t n;

	if (save_archive_block(&l->archive, &bytes, &n, err) != 0)
		return -1;
	*ret_json = n > 0 && *(const char *)bytes == '{';
	if (*ret_json)
		buf_append(ret, bytes, n);
	return buf_ok(ret) ? 0 : err_nomem(err);
}

static int keep(struct learner *l, struct buf *bytes, struct err *err)
{
	struct document *d = &l->documents[l->n];

	if (l->n == DOCUMENTS_MAX || buf_len(bytes) > DOCUMENTS_BYTES_MAX - l->bytes)
		return err_set(err, ERR_LIMIT,
			"the engine's archive has more than %u documents or %u bytes of them",
			DOCUMENTS_MAX, DOCUMENTS_BYTES_MAX);
	d->name = digest_of(buf_bytes(bytes), buf_len(bytes));
	d->bytes = buf_steal(bytes, &d->len);
	l->bytes += d->len;
	l->n++;
	return 0;
}

static int take_entry(struct learner *l, struct archive_entry *entry, struct err *err)
{
	CLEANUP(buf_done) struct buf bytes;
	bool json;

	buf_init(&bytes, OCI_DOCUMENT_MAX);
	if (archive_entry_size(entry) == 0 || archive_entry_size(entry) > OCI_DOCUMENT_MAX)
		return 0;
	if (take_start(l, &bytes, &json, err) != 0)
		return -1;
	if (!json)
		return 0;
	return save_archive_whole(&l->archive, &bytes, err) == 0 ? keep(l, &bytes, err) : -1;
}

static int learn(struct learner *l, struct oci_document *ret, struct err *err)
{
	struct archive_entry *entry;
	char name[DIGEST_TEXT_LEN + 1];
	size_t seen = 0;

	for (;;) {
		if (save_archive_next(&l->archive, &entry, err) != 0)
			return -1;
		if (!entry)
			break;
		if (take_entry(l, entry, err) != 0)
			return -1;
		if (l->n > seen && oci_search_manifest(&l->search, ret))
			return 0;
		seen = l->n;
	}
	digest_text(l->search.at, name);
	return err_set(err, ERR_NOT_FOUND,
		"the engine does not have the manifest and config of image %s any more: pull or "
		"load "
		"it again",
		name);
}

int save_learn(const struct engine_image *image, save_read_fn *read, void *read_ctx,
	struct oci_document *ret, struct err *err)
{
	struct learner *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_nomem(err);
	l->search = (struct oci_search){ .at = &image->id,
		.platform = &image->platform,
		.diff_ids = image->diff_ids,
		.n_diff_ids = image->n_diff_ids,
		.get = get,
		.ctx = l };
	r = save_archive_open(&l->archive, read, read_ctx, err) == 0 ? learn(l, ret, err) : -1;
	save_archive_close(&l->archive);
	for (size_t i = 0; i < l->n; i++)
		free(l->documents[i].bytes);
	free(l);
	return r;
}
