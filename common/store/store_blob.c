#include "common/store/catalogue.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* zstd's; these chunks are few, and most of their bytes are names, which do not shrink. */
#define STORE_CHUNKS_LEVEL 3

/* --- chunks of this program's own making --- */

/* Builds the record into `record` and its raw bytes into `raw`. */
static int build(const struct store_chunk *chunks, size_t n, struct buf *record, struct buf *raw,
	struct err *err)
{
	struct segment_builder *b = segment_builder_new();
	if (!b)
		return err_nomem(err);
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct store_chunk *c = &chunks[i];
		if (!segment_builder_fits(b, c->len))
			r = err_set(err, ERR_LIMIT, "%zu chunks do not fit into one segment", n);
		else
			r = segment_builder_add(b, &c->name, c->kind, c->bytes, c->len, err);
		buf_append(raw, c->bytes, c->len);
	}
	if (r == 0)
		r = segment_builder_seal(b, STORE_CHUNKS_LEVEL, record, err);
	segment_builder_free(b);
	if (r == 0 && !(buf_ok(record) && buf_ok(raw)))
		r = err_nomem(err);
	return r;
}

int store_put_chunks(struct store *s, const struct store_chunk *chunks, size_t n, struct err *err)
{
	if (n == 0 || n > SEGMENT_CHUNKS_MAX)
		return err_set(err, ERR_LIMIT, "a segment cannot hold %zu chunks", n);
	struct buf record CLEANUP(buf_done);
	struct buf raw CLEANUP(buf_done);
	struct segment seg CLEANUP(segment_done) = { 0 };
	buf_init(&record, SEGMENT_RECORD_MAX);
	buf_init(&raw, SEGMENT_RAW_MAX);
	if (build(chunks, n, &record, &raw, err) != 0 ||
		segment_parse(buf_bytes(&record), buf_len(&record), &seg, err) != 0)
		return -1;
	/* A blob record or manifest is written even if its bytes are known as another kind of
	 * chunk: replay looks for the kind. */
	bool wanted = catalogue_wants_raw(&seg);
	return store_put_record(
		s, &seg, buf_bytes(&record), wanted ? buf_bytes(&raw) : NULL, wanted, err);
}

/* Chunks that wait to fill a record. */
struct gathered {
	struct store *s;
	struct store_chunk chunks[SEGMENT_RAW_MAX / (LIST_NAMES_MAX * DIGEST_LEN) + 1];
	size_t n, bytes;
};

static int flush(struct gathered *g, struct err *err)
{
	size_t n = g->n;
	g->n = g->bytes = 0;
	return n == 0 ? 0 : store_put_chunks(g->s, g->chunks, n, err);
}

static int gather(struct gathered *g, enum chunk_kind kind, const void *bytes, size_t len,
	struct digest *ret_name, struct err *err)
{
	if (g->n == ARRAY_LEN(g->chunks) || len > SEGMENT_RAW_MAX - g->bytes)
		if (flush(g, err) != 0)
			return -1;
	*ret_name = digest_of(bytes, len);
	g->chunks[g->n++] = (struct store_chunk){ *ret_name, kind, bytes, len };
	g->bytes += len;
	return 0;
}

/* --- blobs --- */

/* Reads and checks the record of the blob, which the chunk `name` holds. */
static int read_blob(struct store *s, const struct digest *digest, const struct digest *name,
	struct blob_record *ret, bool *ret_found, struct err *err)
{
	const uint8_t *bytes;
	size_t len;
	if (store_read(s, name, &bytes, &len, ret_found, err) != 0)
		return -1;
	if (!*ret_found)
		return 0;
	struct blob_record record = { 0 };
	if (blob_record_parse(bytes, len, &record, err) != 0)
		return -1;
	bool complete = true;
	int r = 0;
	if (!digest_equal(&record.digest, digest))
		r = err_set(err, ERR_CORRUPT, "is another blob's");
	else if (s->damaged)
		r = store_has_blob(s, &record, &complete, err);
	if (r != 0 || !complete)
		blob_record_done(&record);
	else
		*ret = record;
	*ret_found = complete;
	return r;
}

int store_blob_find(struct store *s, const struct digest *digest, struct blob_record *ret,
	bool *ret_found, struct err *err)
{
	struct digest name;
	bool found;
	if (index_find_blob(s->ix, digest, &name, &found, err) != 0)
		return -1;
	if (found && read_blob(s, digest, &name, ret, &found, err) != 0) {
		char text[DIGEST_TEXT_LEN + 1];
		digest_text(digest, text);
		return err_wrap(err, "the record of blob %s", text);
	}
	*ret_found = found;
	return 0;
}

static size_t count_lists(size_t n_names)
{
	return n_names / LIST_NAMES_MAX + (n_names % LIST_NAMES_MAX != 0);
}

/* Gathers the lists of both streams and writes their names into the record. */
static int gather_lists(struct gathered *g, const struct digest *names[2], const size_t n_names[2],
	struct blob_record *record, struct err *err)
{
	for (int stream = 0; stream < 2; stream++)
		for (uint32_t i = 0; i < record->n_lists[stream]; i++) {
			size_t first = (size_t)i * LIST_NAMES_MAX;
			size_t n = min_size(LIST_NAMES_MAX, n_names[stream] - first);
			if (gather(g, CHUNK_LIST, &names[stream][first], n * DIGEST_LEN,
				    &record->lists[stream][i], err) != 0)
				return -1;
		}
	return 0;
}

static int put_blob(struct store *s, const struct digest *names[2], const size_t n_names[2],
	struct blob_record *record, struct buf *bytes, struct err *err)
{
	struct gathered g = { .s = s };
	struct digest name, before;
	bool found;
	if (gather_lists(&g, names, n_names, record, err) != 0)
		return -1;
	blob_record_put(bytes, record);
	if (!buf_ok(bytes))
		return err_nomem(err);
	name = digest_of(buf_bytes(bytes), buf_len(bytes));
	if (index_find_blob(s->ix, &record->digest, &before, &found, err) != 0)
		return -1;
	bool again = found && digest_equal(&name, &before);
	if (!again && gather(&g, CHUNK_BLOB, buf_bytes(bytes), buf_len(bytes), &name, err) != 0)
		return -1;
	return flush(&g, err);
}

int store_blob_put(struct store *s, const struct digest *digest, uint64_t size,
	const struct digest *names[2], const size_t n_names[2], struct err *err)
{
	size_t n_lists[2];
	for (int stream = 0; stream < 2; stream++) {
		n_lists[stream] = count_lists(n_names[stream]);
		if (n_lists[stream] > BLOB_LISTS_MAX)
			return err_set(err, ERR_LIMIT, "the blob has too many recipe chunks");
	}
	if (n_lists[0] + n_lists[1] > BLOB_LISTS_MAX || size > BLOB_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "the blob is too large");
	struct blob_record record CLEANUP(blob_record_done) = { .digest = *digest, .size = size };
	struct buf bytes CLEANUP(buf_done);
	buf_init(&bytes, SEGMENT_RAW_MAX);
	for (int stream = 0; stream < 2; stream++) {
		record.lists[stream] = calloc(n_lists[stream] + 1, DIGEST_LEN);
		if (!record.lists[stream])
			return err_nomem(err);
		record.n_lists[stream] = (uint32_t)n_lists[stream];
	}
	return put_blob(s, names, n_names, &record, &bytes, err);
}

/* --- manifests --- */

int store_manifest_put(
	struct store *s, const char *kind, const char *name, const char *json, struct err *err)
{
	if (strnlen(kind, STORE_MANIFEST_KIND_MAX + 1) > STORE_MANIFEST_KIND_MAX ||
		strnlen(name, STORE_MANIFEST_NAME_MAX + 1) > STORE_MANIFEST_NAME_MAX ||
		strnlen(json, STORE_MANIFEST_MAX + 1) > STORE_MANIFEST_MAX)
		return err_set(err, ERR_LIMIT, "the manifest, its kind or its name is too long");
	struct buf bytes CLEANUP(buf_done);
	buf_init(&bytes, SEGMENT_RAW_MAX);
	if (catalogue_manifest(kind, name, (int64_t)time(NULL), json, &bytes, err) != 0)
		return -1;
	struct store_chunk chunk = {
		.name = digest_of(buf_bytes(&bytes), buf_len(&bytes)),
		.kind = CHUNK_MANIFEST,
		.bytes = buf_bytes(&bytes),
		.len = buf_len(&bytes),
	};
	return store_put_chunks(s, &chunk, 1, err);
}
