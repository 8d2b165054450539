/*
 * Owns a snapshot that is being made. Happy path: each blob is found complete and pinned; the lists
 * of what it needs are those of an earlier snapshot of the same blob, if all of them are there, or
 * made from its record, lists and recipes; the packs that all this lies in are held; the manifest
 * is put and all is synced. Failure modes: something that went since, a recipe that is damaged (the
 * blob is then not complete any more), a full disk.
 */
#include "common/store/catalogue_snapshot.h"
#include "common/store/prune.h"
#include "common/store/store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STEP_MS 50u
#define HELD_LISTS 256u /* grown by */

enum blob_state { BLOB_BEGIN, BLOB_OLD_LISTS, BLOB_LISTS };

/* The lists of an earlier snapshot that are still to be looked at. */
struct old_lists {
	struct digest *names;
	uint32_t *depths;
	size_t n, cap;
};

struct snapshot_writer {
	struct store *s;
	struct store_pin *pin; /* its own */
	struct snapshot_record record;
	size_t at; /* the blob at hand */
	enum blob_state state;
	struct blob_record blob;
	struct old_lists old;
	struct need_writer *lists;
	int stream; /* of the blob, the list of it, and what of that was done */
	uint32_t list;
	struct digest names[LIST_NAMES_MAX];
	size_t name, n_names;
};

/* --- the beginning --- */

static bool fits(const char *text, size_t max)
{
	return strnlen(text, max + 1) <= max;
}

static int check(const struct snapshot_new *n, struct err *err)
{
	if (!fits(n->kind, SNAPSHOT_KIND_MAX) || !fits(n->name, SNAPSHOT_NAME_MAX) ||
		!fits(n->host, SNAPSHOT_HOST_MAX) || !fits(n->key, SNAPSHOT_HOST_MAX) ||
		!fits(n->artifact, SNAPSHOT_ARTIFACT_MAX) || n->n_parts > SNAPSHOT_BLOBS_MAX)
		return err_set(err, ERR_LIMIT,
			"the snapshot's texts are too long, or its parts "
			"too many");
	if (!n->kind[0] || !n->name[0])
		return err_set(err, ERR_PROTOCOL, "a snapshot needs a kind and a name");
	for (size_t i = 0; i < n->n_parts; i++)
		if (!fits(n->parts[i].role, SNAPSHOT_ROLE_MAX))
			return err_set(err, ERR_LIMIT, "the role of a snapshot's part is too long");
	json_t *json = json_loads(n->artifact, JSON_REJECT_DUPLICATES, NULL);
	bool object = json_is_object(json);
	json_decref(json);
	return object ? 0 : err_set(err, ERR_PROTOCOL, "the snapshot's text is no JSON object");
}

static int copy(const struct snapshot_new *n, struct snapshot_record *r, struct err *err)
{
	struct snapshot *s = &r->snapshot;
	s->info = (struct snapshot_info){ .host = strdup(n->host),
		.key = strdup(n->key),
		.name = strdup(n->name),
		.kind = strdup(n->kind),
		.bytes_new = n->bytes_new };
	s->artifact = strdup(n->artifact);
	s->blobs = calloc(n->n_parts + 1, sizeof *s->blobs);
	r->roots = calloc(n->n_parts + 1, sizeof *r->roots);
	if (!s->info.host || !s->info.key || !s->info.name || !s->info.kind || !s->artifact ||
		!s->blobs || !r->roots)
		return err_nomem(err);
	s->n_blobs = n->n_parts;
	for (size_t i = 0; i < n->n_parts; i++) {
		s->blobs[i] = (struct snapshot_blob){ .digest = n->parts[i].blob,
			.role = strdup(n->parts[i].role) };
		if (!s->blobs[i].role)
			return err_nomem(err);
	}
	if (getrandom(&r->nonce, sizeof r->nonce, 0) != (ssize_t)sizeof r->nonce)
		return err_errno(err, errno, "no random bytes");
	return 0;
}

/* Finds the blob, pins all that it needs, and notes its record's name. */
static int find_blob(struct snapshot_writer *w, struct snapshot_blob *b, struct blob_record *ret,
	struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];
	bool found;
	if (store_blob_find(w->s, &b->digest, w->pin, ret, &found, err) != 0)
		return -1;
	if (found) {
		b->size = ret->size;
		return index_find_blob(w->s->ix, &b->digest, &b->record, &found, err);
	}
	digest_text(&b->digest, text);
	return err_set(err, ERR_NOT_FOUND,
		"the snapshot's part %s is not complete here: send what is missing again", text);
}

static int find_blobs(struct snapshot_writer *w, struct err *err)
{
	for (size_t i = 0; i < w->record.snapshot.n_blobs; i++) {
		struct blob_record record CLEANUP(blob_record_done) = { 0 };
		if (find_blob(w, &w->record.snapshot.blobs[i], &record, err) != 0)
			return -1;
		w->record.snapshot.info.bytes_total += record.size;
	}
	return 0;
}

int snapshot_writer_new(struct store *s, const struct snapshot_new *what,
	struct snapshot_writer **ret, struct err *err)
{
	if (check(what, err) != 0)
		return -1;
	struct snapshot_writer *w = calloc(1, sizeof *w);
	if (!w)
		return err_nomem(err);
	w->s = s;
	if (copy(what, &w->record, err) == 0) {
		struct digest owner = digest_of(&w->record.nonce, sizeof w->record.nonce);
		if (store_pin_begin(s, &owner, &w->pin, err) == 0 && find_blobs(w, err) == 0) {
			*ret = w;
			return 0;
		}
	}
	snapshot_writer_free(w);
	return -1;
}

static void leave_blob(struct snapshot_writer *w)
{
	blob_record_done(&w->blob);
	free(w->old.names);
	free(w->old.depths);
	w->old = (struct old_lists){ 0 };
	need_writer_free(w->lists);
	w->lists = NULL;
	w->state = BLOB_BEGIN;
}

void snapshot_writer_free(struct snapshot_writer *w)
{
	if (!w)
		return;
	leave_blob(w);
	if (w->pin)
		store_pin_end(w->s, w->pin, true);
	snapshot_record_done(&w->record);
	free(w);
}

/* --- the lists of an earlier snapshot --- */

static int add_old(
	struct snapshot_writer *w, const struct digest *name, uint32_t depth, struct err *err)
{
	struct old_lists *old = &w->old;
	if (old->n == old->cap) {
		size_t cap = old->cap + HELD_LISTS;
		struct digest *names = reallocarray(old->names, cap, sizeof *names);
		if (!names)
			return err_nomem(err);
		old->names = names;
		uint32_t *depths = reallocarray(old->depths, cap, sizeof *depths);
		if (!depths)
			return err_nomem(err);
		old->depths = depths;
		old->cap = cap;
	}
	old->names[old->n] = *name;
	old->depths[old->n++] = depth;
	return 0;
}

static int begin_new_lists(struct snapshot_writer *w, struct err *err);

static int end_blob(struct snapshot_writer *w)
{
	leave_blob(w);
	w->at++;
	return 0;
}

/* One list: it must be there; what it names, too, unless that are the chunks, which were found when
 * the blob was. The last one added first, so that few wait. */
static int look_at_old(struct snapshot_writer *w, struct err *err)
{
	const uint8_t *bytes;
	struct store_place at;
	bool found;
	if (w->old.n == 0)
		return end_blob(w);
	w->old.n--;
	const struct digest name = w->old.names[w->old.n];
	uint32_t depth = w->old.depths[w->old.n];
	if (store_find(w->s, &name, w->pin, &at, &found, err) != 0)
		return -1;
	if (found && depth > 0 && store_read(w->s, &name, &at, &bytes, &found, err) != 0)
		return -1;
	if (!found)
		return begin_new_lists(w, err);
	for (size_t i = 0; depth > 0 && i + DIGEST_LEN <= at.len; i += DIGEST_LEN) {
		struct digest below;
		memcpy(below.bytes, bytes + i, DIGEST_LEN);
		if (add_old(w, &below, depth - 1, err) != 0)
			return -1;
	}
	return 0;
}

/* --- new lists --- */

static int begin_new_lists(struct snapshot_writer *w, struct err *err)
{
	w->state = BLOB_LISTS;
	w->stream = 0;
	w->list = 0;
	w->name = w->n_names = 0;
	w->lists = need_writer_new(w->s, w->pin);
	if (!w->lists)
		return err_nomem(err);
	return need_writer_add(w->lists, &w->record.snapshot.blobs[w->at].record, err);
}

static int is_gone(struct snapshot_writer *w, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];
	digest_text(&w->blob.digest, text);
	return err_set(
		err, ERR_NOT_FOUND, "a part of %s was damaged: send what is missing again", text);
}

static int next_list(struct snapshot_writer *w, struct err *err)
{
	const uint8_t *bytes;
	struct store_place at;
	bool found;
	while (w->stream < 2 && w->list == w->blob.n_lists[w->stream]) {
		w->stream++;
		w->list = 0;
	}
	if (w->stream == 2) {
		if (need_writer_end(w->lists, &w->record.roots[w->at], err) != 0)
			return -1;
		return end_blob(w);
	}
	const struct digest *list = &w->blob.lists[w->stream][w->list++];
	if (store_read(w->s, list, &at, &bytes, &found, err) != 0)
		return -1;
	if (!found || at.len > sizeof w->names)
		return is_gone(w, err);
	memcpy(w->names, bytes, at.len);
	w->n_names = at.len / DIGEST_LEN;
	w->name = 0;
	return need_writer_add(w->lists, list, err);
}

/* One recipe chunk and what it names. */
static int add_recipe(struct snapshot_writer *w, struct err *err)
{
	struct recipe_op *ops = w->s->ops;
	const struct digest *recipe = &w->names[w->name++];
	const uint8_t *bytes;
	struct store_place at;
	struct err why;
	size_t n = 0;
	bool found;
	if (store_read(w->s, recipe, &at, &bytes, &found, err) != 0)
		return -1;
	if (!found ||
		recipe_decode((enum recipe_stream)w->stream, bytes, at.len, ops, &n, &why) != 0)
		return is_gone(w, err);
	if (need_writer_add(w->lists, recipe, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (ops[i].kind != OP_SKELETON && need_writer_add(w->lists, &ops[i].name, err) != 0)
			return -1;
	return 0;
}

/* --- a blob --- */

static int begin_blob(struct snapshot_writer *w, struct err *err)
{
	struct snapshot_blob *b = &w->record.snapshot.blobs[w->at];
	struct need_root *root = &w->record.roots[w->at];
	bool found;
	if (find_blob(w, b, &w->blob, err) != 0 ||
		index_root_of(w->s->ix, &b->digest, root, &found, err) != 0)
		return -1;
	if (!found)
		return begin_new_lists(w, err);
	w->state = BLOB_OLD_LISTS;
	return add_old(w, &root->list, root->depth, err);
}

static int piece(struct snapshot_writer *w, struct err *err)
{
	switch (w->state) {
	case BLOB_OLD_LISTS:
		return look_at_old(w, err);
	case BLOB_LISTS:
		return w->name < w->n_names ? add_recipe(w, err) : next_list(w, err);
	case BLOB_BEGIN:
	default:
		return begin_blob(w, err);
	}
}

/* --- the end --- */

static int put_manifest(struct snapshot_writer *w, struct err *err)
{
	struct buf bytes CLEANUP(buf_done);
	struct snapshot_info *info = &w->record.snapshot.info;
	buf_init(&bytes, SEGMENT_RAW_MAX);
	info->time_ms = store_now_ms();
	if (snapshot_record_put(&bytes, &w->record, err) != 0)
		return -1;
	info->id = digest_of(buf_bytes(&bytes), buf_len(&bytes));
	struct store_chunk chunk = { info->id, CHUNK_MANIFEST, buf_bytes(&bytes), buf_len(&bytes) };
	return store_put_own(w->s, &chunk, 1, w->pin, err);
}

/* What is pinned is everything that is needed. A prune that is under way learns of it before its
 * next step. */
static int end(struct snapshot_writer *w, struct digest *ret_id, struct err *err)
{
	/* Once more: damage may have been found since. */
	for (size_t i = 0; i < w->record.snapshot.n_blobs; i++) {
		struct blob_record record CLEANUP(blob_record_done) = { 0 };
		if (find_blob(w, &w->record.snapshot.blobs[i], &record, err) != 0)
			return -1;
	}
	if (put_manifest(w, err) != 0 || prune_learn(w->s, &w->record, err) != 0)
		return -1;
	for (size_t i = 0; i < w->pin->packs.n; i++)
		pack_table_hold(&w->s->table, w->pin->packs.numbers[i], true);
	*ret_id = w->record.snapshot.info.id;
	return store_sync(w->s, err);
}

int snapshot_writer_step(
	struct snapshot_writer *w, struct digest *ret_id, bool *ret_done, struct err *err)
{
	uint64_t from = store_now_ms();
	*ret_done = false;
	while (w->at < w->record.snapshot.n_blobs) {
		if (piece(w, err) != 0)
			return -1;
		if (store_now_ms() - from >= STEP_MS)
			return 0;
	}
	if (end(w, ret_id, err) != 0)
		return -1;
	*ret_done = true;
	return 0;
}
