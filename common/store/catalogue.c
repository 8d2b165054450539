#include "common/store/catalogue.h"

#include "common/base/text.h"
#include "common/store/catalogue_snapshot.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_special(const struct segment_row *row)
{
	return row->kind == CHUNK_BLOB || row->kind == CHUNK_MANIFEST;
}

bool catalogue_wants_raw(const struct segment *seg)
{
	for (uint32_t i = 0; i < seg->n_rows; i++)
		if (is_special(&seg->rows[i]))
			return true;
	return false;
}

/* --- reading: *ret_good says whether the bytes were what they should be --- */

static int add_blob(struct index *ix, const struct segment_row *row, const uint8_t *bytes,
	bool *ret_good, struct err *err)
{
	struct blob_record record CLEANUP(blob_record_done) = { 0 };
	struct err why;
	*ret_good = blob_record_parse(bytes, row->len, &record, &why) == 0;
	if (!*ret_good)
		return why.code == ERR_NOMEM ? err_nomem(err) : 0;
	return index_add_blob(ix, &record.digest, record.size, &row->name, err);
}

static int add_manifest(struct index *ix, const struct segment_row *row, const uint8_t *bytes,
	bool *ret_good, struct err *err)
{
	const char *text = (const char *)bytes;
	json_t *envelope = json_loadb(text, row->len, JSON_REJECT_DUPLICATES, NULL);
	const char *kind, *name;
	json_int_t seconds;
	json_t *manifest;
	bool snapshot = false;
	if (envelope && catalogue_add_snapshot(ix, &row->name, envelope, bytes, row->len, &snapshot,
				ret_good, err) != 0) {
		json_decref(envelope);
		return -1;
	}
	if (snapshot) {
		json_decref(envelope);
		return 0;
	}
	*ret_good = envelope && json_unpack(envelope, "{s:s, s:s, s:I, s:o}", "kind", &kind, "name",
					&name, "time", &seconds, "manifest", &manifest) == 0;
	int r = *ret_good ? index_add_manifest(ix, &row->name, kind, name, seconds, err) : 0;
	json_decref(envelope);
	return r;
}

static int add_rows(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	const uint8_t *raw, struct err *err)
{
	if (index_add_segment(ix, pack, offset, seg, err) != 0)
		return -1;
	for (uint32_t i = 0; raw && i < seg->n_rows; i++) {
		const struct segment_row *row = &seg->rows[i];
		bool good = true;
		int r = 0;
		if (row->kind == CHUNK_BLOB)
			r = add_blob(ix, row, raw + row->offset, &good, err);
		else if (row->kind == CHUNK_MANIFEST)
			r = add_manifest(ix, row, raw + row->offset, &good, err);
		if (r == 0 && !good)
			r = index_note_pack(ix, pack, offset + seg->record_len, 1, err);
		if (r != 0)
			return -1;
	}
	return 0;
}

int catalogue_add(struct index *ix, uint32_t pack, uint64_t offset, const struct segment *seg,
	const uint8_t *raw, struct err *err)
{
	if (index_record_begin(ix, err) != 0)
		return -1;
	if (add_rows(ix, pack, offset, seg, raw, err) == 0 && index_record_keep(ix, err) == 0)
		return 0;
	index_record_drop(ix);
	return -1;
}

/* --- writing --- */

static int check_json(const char *json, struct err *err)
{
	json_error_t where;
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &where);
	bool object = json_is_object(root);
	json_decref(root);
	if (object)
		return 0;
	char text[120];
	return err_set(err, ERR_PROTOCOL, "the manifest is no JSON object: %s",
		root ? "another value"
		     : text_escape(text, sizeof text, where.text, strlen(where.text)));
}

/* A JSON string literal; NULL when the text is not UTF-8 (or out of memory). */
static char *literal(const char *text)
{
	json_t *string = json_string(text);
	char *r = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	json_decref(string);
	return r;
}

int catalogue_manifest(const char *kind, const char *name, int64_t seconds, const char *json,
	struct buf *to, struct err *err)
{
	if (check_json(json, err) != 0)
		return -1;
	char *kind_text CLEANUP(cleanup_free) = literal(kind);
	char *name_text CLEANUP(cleanup_free) = literal(name);
	if (!kind_text || !name_text)
		return err_set(err, ERR_PROTOCOL, "the manifest's kind or name is not UTF-8");
	/* The manifest's own text goes in as it is: its bytes are the sender's. */
	char *head CLEANUP(cleanup_free) = NULL;
	if (asprintf(&head, "{\"kind\":%s,\"name\":%s,\"time\":%" PRId64 ",\"manifest\":",
		    kind_text, name_text, seconds) < 0) {
		head = NULL; /* undefined by a failure */
		return err_nomem(err);
	}
	buf_append(to, head, strlen(head));
	buf_append(to, json, strlen(json));
	buf_append(to, "}", 1);
	return buf_ok(to) ? 0 : err_nomem(err);
}
