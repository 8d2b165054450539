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
	return store_put_own(s, chunks, n, NULL, err);
}

int store_put_own(struct store *s, const struct store_chunk *chunks, size_t n,
	struct store_pin *pin, struct err *err)
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
		s, &seg, buf_bytes(&record), wanted ? buf_bytes(&raw) : NULL, wanted, pin, err);
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

/* Reads and checks the record of the blob, which the chunk `name` holds; *ret_pack is where. */
static int read_blob(struct store *s, const struct digest *digest, const struct digest *name,
	struct blob_record *ret, uint32_t *ret_pack, bool *ret_found, struct err *err)
{
	const uint8_t *bytes;
	struct store_place at;
	if (store_read(s, name, &at, &bytes, ret_found, err) != 0)
		return -1;
	if (!*ret_found)
		return 0;
	struct blob_record record = { 0 };
	struct err why = { 0 };
	*ret_found = blob_record_parse(bytes, at.len, &record, &why) == 0 &&
		     digest_equal(&record.digest, digest);
	if (!*ret_found) {
		blob_record_done(&record);
		return why.code == ERR_NOMEM ? err_nomem(err) : 0;
	}
	*ret = record;
	*ret_pack = at.pack;
	return 0;
}

/* The packs that the blob needs: known, or found out and then known; none if it is not complete. */
static int find_needs(struct store *s, const struct blob_record *record, uint32_t pack,
	struct pack_set *ret, struct err *err)
{
	bool complete;
	if (index_needs(s->ix, &record->digest, ret, err) != 0)
		return -1;
	if (ret->n > 0)
		return 0;
	if (pack_set_add(ret, pack, NULL, err) != 0 ||
		store_has_blob(s, record, ret, &complete, err) != 0)
		return -1;
	struct err ignored; /* then it is found out again */
	if (!complete)
		ret->n = 0;
	else if (!s->broken && !s->behind &&
		 index_set_needs(s->ix, &record->digest, ret, &ignored) != 0)
		store_rows_lost(s);
	return 0;
}

/* As store_blob_find, of a blob whose record is in the chunk `name`. */
static int find_blob(struct store *s, const struct digest *digest, const struct digest *name,
	struct store_pin *pin, struct blob_record *ret, bool *ret_found, struct err *err)
{
	struct pack_set needs = { 0 };
	uint32_t pack = 0;
	if (read_blob(s, digest, name, ret, &pack, ret_found, err) != 0)
		return -1;
	if (!*ret_found)
		return 0;
	int r = find_needs(s, ret, pack, &needs, err);
	if (r == 0)
		r = pin_add_all(s, pin, &needs, err);
	*ret_found = r == 0 && needs.n > 0;
	if (!*ret_found)
		blob_record_done(ret);
	pack_set_done(&needs);
	return r;
}

int store_blob_find(struct store *s, const struct digest *digest, struct store_pin *pin,
	struct blob_record *ret, bool *ret_found, struct err *err)
{
	struct digest name;
	bool found;
	if (index_find_blob(s->ix, digest, &name, &found, err) != 0)
		return -1;
	if (found && find_blob(s, digest, &name, pin, ret, &found, err) != 0) {
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

/* Finds out now what a later question would have to find out while somebody waits. */
static int note_needs(struct store *s, const struct blob_record *record, const struct digest *name,
	struct err *err)
{
	struct pack_set needs = { 0 };
	struct store_place at;
	bool found;
	int r = index_find(s->ix, name, &at, &found, err);
	struct err ignored;
	if (r == 0 && found)
		(void)!find_needs(s, record, at.pack, &needs, &ignored);
	pack_set_done(&needs);
	return r;
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
	return flush(&g, err) != 0 ? -1 : note_needs(s, record, &name, err);
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
