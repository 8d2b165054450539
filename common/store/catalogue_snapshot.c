#include "common/store/catalogue_snapshot.h"

#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_VERSION 1

void snapshot_record_done(struct snapshot_record *r)
{
	snapshot_done(&r->snapshot);
	free(r->roots);
	*r = (struct snapshot_record){ 0 };
}

/* --- making --- */

static json_int_t number(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

static json_t *hex_json(const struct digest *d)
{
	char hex[DIGEST_HEX_LEN + 1];
	digest_hex(d, hex);
	return json_string(hex);
}

static json_t *blob_json(const struct snapshot_blob *b, const struct need_root *root)
{
	return json_pack("{s:o, s:s, s:I, s:o, s:o, s:i}", "blob", hex_json(&b->digest), "role",
		b->role, "size", number(b->size), "record", hex_json(&b->record), "needs",
		hex_json(&root->list), "depth", (int)root->depth);
}

static json_t *blobs_json(const struct snapshot_record *r)
{
	json_t *all = json_array();
	for (size_t i = 0; all && i < r->snapshot.n_blobs; i++)
		if (json_array_append_new(all, blob_json(&r->snapshot.blobs[i], &r->roots[i])) !=
			0) {
			json_decref(all);
			all = NULL;
		}
	return all;
}

static int put_json(struct buf *to, json_t *json, struct err *err)
{
	char *text CLEANUP(cleanup_free) = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return err_set(err, ERR_PROTOCOL, "a snapshot's texts are not UTF-8");
	buf_append(to, text, strlen(text));
	return 0;
}

int snapshot_record_put(struct buf *to, const struct snapshot_record *r, struct err *err)
{
	const struct snapshot_info *info = &r->snapshot.info;
	if (put_json(to,
		    json_pack("{s:i, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:o}", "snapshot",
			    SNAPSHOT_VERSION, "nonce", (json_int_t)(r->nonce >> 1), "time",
			    number(info->time_ms), "host", info->host, "key", info->key, "kind",
			    info->kind, "name", info->name, "bytes_total",
			    number(info->bytes_total), "bytes_new", number(info->bytes_new),
			    "blobs", blobs_json(r)),
		    err) != 0)
		return -1;
	/* The artifact's own text goes in as it is, in the place of the last brace. */
	static const char before[] = ",\"artifact\":";
	if (buf_ok(to))
		to->end--;
	buf_append(to, before, sizeof before - 1);
	buf_append(to, r->snapshot.artifact, strlen(r->snapshot.artifact));
	buf_append(to, "}", 1);
	return buf_ok(to) ? 0 : err_nomem(err);
}

int tombstone_put(
	struct buf *to, const struct digest *ids, size_t n, uint64_t time_ms, struct err *err)
{
	json_t *all = json_array();
	for (size_t i = 0; all && i < n; i++)
		if (json_array_append_new(all, hex_json(&ids[i])) != 0) {
			json_decref(all);
			all = NULL;
		}
	if (put_json(to, json_pack("{s:o, s:I}", "forgotten", all, "time", number(time_ms)), err) !=
		0)
		return -1;
	return buf_ok(to) ? 0 : err_nomem(err);
}

/* --- reading --- */

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *hex, struct digest *ret)
{
	if (!hex || strlen(hex) != DIGEST_HEX_LEN)
		return false;
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool copy(const char *text, size_t max, char **ret)
{
	if (strnlen(text, max + 1) > max)
		return false;
	*ret = strdup(text);
	return *ret != NULL;
}

static bool read_blob(json_t *json, struct snapshot_blob *blob, struct need_root *root)
{
	const char *digest, *role, *record, *list;
	json_int_t size;
	int depth;
	if (json_unpack(json, "{s:s, s:s, s:I, s:s, s:s, s:i}", "blob", &digest, "role", &role,
		    "size", &size, "record", &record, "needs", &list, "depth", &depth) != 0 ||
		size < 0 || depth < 0 || depth > (int)NEED_DEPTH_MAX)
		return false;
	blob->size = (uint64_t)size;
	root->depth = (uint32_t)depth;
	return read_hex(digest, &blob->digest) && read_hex(record, &blob->record) &&
	       read_hex(list, &root->list) && copy(role, SNAPSHOT_ROLE_MAX, &blob->role);
}

static bool read_blobs(const json_t *all, struct snapshot_record *r)
{
	size_t n = json_array_size(all);
	if (!json_is_array(all) || n > SNAPSHOT_BLOBS_MAX)
		return false;
	r->snapshot.blobs = calloc(n + 1, sizeof *r->snapshot.blobs);
	r->roots = calloc(n + 1, sizeof *r->roots);
	if (!r->snapshot.blobs || !r->roots)
		return false;
	r->snapshot.n_blobs = n;
	for (size_t i = 0; i < n; i++)
		if (!read_blob(json_array_get(all, i), &r->snapshot.blobs[i], &r->roots[i]))
			return false;
	return true;
}

static bool read_info(json_t *json, struct snapshot_record *r, json_t **ret_blobs)
{
	struct snapshot_info *info = &r->snapshot.info;
	const char *host, *key, *kind, *name;
	json_int_t time, total, fresh;
	json_t *artifact;
	int version;
	if (json_unpack(json, "{s:i, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "snapshot",
		    &version, "time", &time, "host", &host, "key", &key, "kind", &kind, "name",
		    &name, "bytes_total", &total, "bytes_new", &fresh, "blobs", ret_blobs,
		    "artifact", &artifact) != 0 ||
		version != SNAPSHOT_VERSION || time < 0 || total < 0 || fresh < 0 ||
		!json_is_object(artifact))
		return false;
	info->time_ms = (uint64_t)time;
	info->bytes_total = (uint64_t)total;
	info->bytes_new = (uint64_t)fresh;
	return copy(host, SNAPSHOT_HOST_MAX, &info->host) &&
	       copy(key, SNAPSHOT_HOST_MAX, &info->key) &&
	       copy(kind, SNAPSHOT_KIND_MAX, &info->kind) &&
	       copy(name, SNAPSHOT_NAME_MAX, &info->name);
}

/* The artifact is last, and what lies before it holds its name in no string unescaped. */
static bool read_artifact(const char *text, size_t n, struct snapshot_record *r)
{
	static const char before[] = "],\"artifact\":";
	const char *at = memmem(text, n, before, sizeof before - 1);
	if (!at || n < 1)
		return false;
	at += sizeof before - 1;
	r->snapshot.artifact = strndup(at, (size_t)(text + n - 1 - at));
	return r->snapshot.artifact != NULL;
}

static bool read_record(json_t *json, const void *bytes, size_t n, struct snapshot_record *r)
{
	json_t *blobs = NULL;
	r->snapshot.info.id = digest_of(bytes, n);
	return read_info(json, r, &blobs) && read_blobs(blobs, r) && read_artifact(bytes, n, r);
}

int snapshot_record_parse(const void *bytes, size_t n, struct snapshot_record *ret, struct err *err)
{
	struct snapshot_record r = { 0 };
	json_t *json = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, NULL);
	bool good = json && read_record(json, bytes, n, &r);
	json_decref(json);
	if (!good) {
		snapshot_record_done(&r);
		return err_set(err, ERR_CORRUPT, "not a snapshot's manifest");
	}
	*ret = r;
	return 0;
}

/* --- into the index --- */

static int add_snapshot(struct index *ix, const struct snapshot_record *r, struct err *err)
{
	const struct snapshot *s = &r->snapshot;
	if (index_add_snapshot(ix, &s->info, err) != 0)
		return -1;
	for (size_t i = 0; i < s->n_blobs; i++)
		if (index_add_root(ix, &s->info.id, &s->blobs[i].digest, &r->roots[i], err) != 0)
			return -1;
	return 0;
}

static int add_tombstone(struct index *ix, const struct digest *name, const json_t *ids,
	bool *ret_good, struct err *err)
{
	struct digest id;
	size_t n = json_array_size(ids);
	*ret_good = n > 0 && n <= SNAPSHOT_FORGET_MAX;
	for (size_t i = 0; *ret_good && i < n; i++) {
		*ret_good = read_hex(json_string_value(json_array_get(ids, i)), &id);
		if (*ret_good && index_add_tombstone(ix, &id, name, err) != 0)
			return -1;
	}
	return 0;
}

int catalogue_add_snapshot(struct index *ix, const struct digest *name, const json_t *json,
	const void *bytes, size_t n, bool *ret_mine, bool *ret_good, struct err *err)
{
	const json_t *ids = json_object_get(json, "forgotten");
	struct snapshot_record r CLEANUP(snapshot_record_done) = { 0 };
	struct err why;
	*ret_mine = ids || json_object_get(json, "snapshot");
	if (!*ret_mine)
		return 0;
	if (ids)
		return add_tombstone(ix, name, ids, ret_good, err);
	*ret_good = snapshot_record_parse(bytes, n, &r, &why) == 0;
	return *ret_good ? add_snapshot(ix, &r, err) : 0;
}
