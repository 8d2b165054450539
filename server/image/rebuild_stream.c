/*
 * Owns a chunk source, a hasher and one position in each of the blob's two streams. Happy path:
 * next main recipe chunk -> operations -> for each, bytes of a chunk or of the skeleton stream,
 * which is walked the same way. A whole recipe chunk's places are asked for at once. Failure modes:
 * a chunk that is missing, bytes that hash to something else, damage: the walk ends, and what is
 * left of the blob is looked at for more of it.
 */
#include "server/image/rebuild_stream.h"

#include "common/chunk/op_hasher.h"
#include "server/image/chunk_source.h"

#include <stdlib.h>
#include <string.h>

#define GIVE_MAX (64u << 10) /* bytes given out at once */

/* A position in one stream. */
struct walk {
	size_t at;		    /* recipe chunks taken */
	size_t op, n;		    /* next and number of operations */
	uint64_t done;		    /* bytes of operation `op` that were given */
	struct recipe_op *ops;	    /* RECIPE_OPS_MAX */
	struct store_place *places; /* RECIPE_OPS_MAX; of the operations that name a chunk */
	size_t located;		    /* operations whose places are known */
};

struct rebuild_stream {
	struct rebuild_stream_ops ops;
	void *ctx;
	struct chunk_source *source;
	struct hasher *hasher;	      /* of a blob's bytes */
	struct op_hasher *ops_hasher; /* of a tree's operations */
	struct walk walks[2];
	struct rebuild_blob *blob;
	uint64_t given;
	uint8_t *out; /* GIVE_MAX bytes, out_len of them waiting */
	size_t out_len;
	enum blob_outcome outcome;
	bool damaged;
};

/* Results of steps: go on, the stream is at its end, the blob cannot be rebuilt (`outcome` says
 * why). Errors are -1. */
enum step { STEP_OK, STEP_END, STEP_LOST };

struct rebuild_stream *rebuild_stream_new(struct depot_domain *domain, const struct uv_pin *pin,
	const struct rebuild_stream_ops *ops, void *ctx, struct err *err)
{
	struct rebuild_stream *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	if (!s) {
		err_nomem(err);
		return NULL;
	}
	s->ops = *ops;
	s->ctx = ctx;
	s->source = chunk_source_new(domain, pin, err);
	s->hasher = hasher_new();
	s->ops_hasher = op_hasher_new();
	s->out = malloc(GIVE_MAX);
	for (int i = 0; i < 2; i++) {
		s->walks[i].ops = calloc(RECIPE_OPS_MAX, sizeof(struct recipe_op));
		s->walks[i].places = calloc(RECIPE_OPS_MAX, sizeof(struct store_place));
		ok = ok && s->walks[i].ops && s->walks[i].places;
	}
	if (!ok || !s->source || !s->hasher || !s->ops_hasher || !s->out) {
		err_nomem(err);
		rebuild_stream_free(s);
		return NULL;
	}
	return s;
}

void rebuild_stream_free(struct rebuild_stream *s)
{
	if (!s)
		return;
	for (int i = 0; i < 2; i++) {
		free(s->walks[i].ops);
		free(s->walks[i].places);
	}
	chunk_source_free(s->source);
	hasher_free(s->hasher);
	op_hasher_free(s->ops_hasher);
	free(s->out);
	free(s);
}

/* --- finding chunks --- */

/* Finds places for operations [from, n), waiting for what arrives; at least the one at `from`. */
static int locate(struct rebuild_stream *s, const struct recipe_op *ops, struct store_place *places,
	size_t from, size_t n, size_t *ret_located, struct err *err)
{
	for (;;) {
		uint64_t seen = s->ops.seen(s->ctx);

		if (chunk_source_locate(s->source, ops, places, from, n, ret_located, err) != 0)
			return -1;
		if (*ret_located > from)
			return STEP_OK;
		if (!s->ops.missing(s->ctx, s->blob, seen)) {
			s->outcome = BLOB_AGAIN;
			return STEP_LOST;
		}
	}
}

/* What cannot be read whole is not waited for: it has to be sent again, and that has to be asked.
 */
static int read_chunk(struct rebuild_stream *s, const struct digest *name,
	struct store_place *place, const uint8_t **ret, struct err *err)
{
	if (chunk_source_read(s->source, name, place, ret, err) != 0)
		return -1;
	if (*ret)
		return STEP_OK;
	s->outcome = BLOB_AGAIN;
	s->damaged = true;
	return STEP_LOST;
}

/* --- walking --- */

/* Takes the next recipe chunk of the stream. */
static int next_recipe(struct rebuild_stream *s, enum recipe_stream stream, struct err *err)
{
	struct walk *w = &s->walks[stream];
	struct recipe_op recipe = { .kind = OP_CHUNK };
	struct store_place place;
	const uint8_t *bytes;
	size_t located, n;
	int r = s->ops.name(s->ctx, s->blob, stream, w->at, &recipe.name);

	if (r < 0)
		return err_set(err, ERR_INTERRUPTED, "stopped");
	if (r == 0)
		return STEP_END;
	r = locate(s, &recipe, &place, 0, 1, &located, err);
	if (r != STEP_OK)
		return r;
	r = read_chunk(s, &recipe.name, &place, &bytes, err);
	if (r != STEP_OK)
		return r;
	if (s->ops.chunk &&
		s->ops.chunk(s->ctx, CHUNK_RECIPE, &recipe.name, bytes, place.len, err) != 0)
		return -1;
	if (recipe_decode(stream, bytes, place.len, w->ops, &n, err) != 0) {
		s->outcome = BLOB_DAMAGED;
		return STEP_LOST;
	}
	w->at++;
	w->op = 0;
	w->n = n;
	w->done = 0;
	w->located = 0;
	return STEP_OK;
}

/* Makes w->op the next unfinished operation, with its place known. */
static int next_op(struct rebuild_stream *s, enum recipe_stream stream, struct err *err)
{
	struct walk *w = &s->walks[stream];
	int r;

	if (w->op < w->n && w->done == w->ops[w->op].len) {
		w->op++;
		w->done = 0;
	}
	while (w->op == w->n) {
		r = next_recipe(s, stream, err);
		if (r != STEP_OK)
			return r;
	}
	if (w->op < w->located)
		return STEP_OK;
	return locate(s, w->ops, w->places, w->op, w->n, &w->located, err);
}

static int flush(struct rebuild_stream *s, struct err *err)
{
	size_t n = s->out_len;

	s->out_len = 0;
	if (!s->blob->tree)
		hasher_update(s->hasher, s->out, n);
	return n ? s->ops.bytes(s->ctx, s->blob, s->out, n, err) : 0;
}

/* Gathers small pieces, so that a consumer sees few large ones. */
static int give(struct rebuild_stream *s, const uint8_t *bytes, size_t n, struct err *err)
{
	if (n > s->blob->size - s->given) {
		s->outcome = BLOB_DAMAGED;
		return STEP_LOST;
	}
	s->given += n;
	while (n > 0) {
		size_t k = min_size(n, GIVE_MAX - s->out_len);

		memcpy(s->out + s->out_len, bytes, k);
		s->out_len += k;
		bytes += k;
		n -= k;
		if (s->out_len == GIVE_MAX && flush(s, err) != 0)
			return -1;
	}
	return STEP_OK;
}

/* Gives up to `max` bytes of the current operation, which names a chunk. */
static int give_chunk(struct rebuild_stream *s, struct walk *w, uint64_t max, struct err *err)
{
	const struct recipe_op *op = &w->ops[w->op];
	struct store_place *place = &w->places[w->op];
	uint64_t from = (op->kind == OP_RANGE ? op->offset : 0),
		 n = min_u64(op->len - w->done, max);
	const uint8_t *bytes;
	int r;

	if (from + op->len > place->len || (op->kind == OP_CHUNK && op->len != place->len)) {
		s->outcome = BLOB_DAMAGED;
		return STEP_LOST;
	}
	r = read_chunk(s, &op->name, place, &bytes, err);
	if (r != STEP_OK)
		return r;
	if (s->ops.chunk && w->done == 0 &&
		s->ops.chunk(s->ctx, w == s->walks ? CHUNK_DATA : CHUNK_SKELETON, &op->name, bytes,
			place->len, err) != 0)
		return -1;
	n = min_u64(n, GIVE_MAX);
	bytes += from + w->done;
	w->done += n;
	if (s->blob->tree && w == &s->walks[STREAM_SKELETON])
		op_hasher_skeleton(s->ops_hasher, bytes, n);
	return give(s, bytes, (size_t)n, err);
}

/* `n` bytes of the skeleton stream. */
static int give_skeleton(struct rebuild_stream *s, uint64_t n, struct err *err)
{
	struct walk *w = &s->walks[STREAM_SKELETON];

	while (n > 0) {
		uint64_t before = s->given;
		int r = next_op(s, STREAM_SKELETON, err);

		if (r == STEP_OK)
			r = give_chunk(s, w, n, err);
		if (r == STEP_END) {
			s->outcome = BLOB_DAMAGED;
			return STEP_LOST;
		}
		if (r != STEP_OK)
			return r;
		n -= s->given - before;
	}
	return STEP_OK;
}

static int give_main(struct rebuild_stream *s, struct err *err)
{
	struct walk *w = &s->walks[STREAM_MAIN];

	for (;;) {
		int r = next_op(s, STREAM_MAIN, err);

		if (r == STEP_OK && s->blob->tree && w->done == 0)
			op_hasher_op(s->ops_hasher, &w->ops[w->op]);
		if (r == STEP_OK && w->ops[w->op].kind == OP_SKELETON) {
			r = give_skeleton(s, w->ops[w->op].len, err);
			w->done = w->ops[w->op].len;
		} else if (r == STEP_OK) {
			r = give_chunk(s, w, UINT64_MAX, err);
		}
		if (r != STEP_OK)
			return r;
	}
}

/* --- blobs --- */

/* Reads the lists of a stored blob into its names. */
static int read_lists(struct rebuild_stream *s, const struct blob_record *record,
	enum recipe_stream stream, struct err *err)
{
	struct rebuild_blob *b = s->blob;
	uint32_t n_lists = record->n_lists[stream];

	b->names[stream] = calloc((size_t)n_lists * LIST_NAMES_MAX + 1, sizeof(struct digest));
	if (!b->names[stream])
		return err_nomem(err);
	for (uint32_t i = 0; i < n_lists; i++) {
		size_t n;

		if (chunk_source_list(s->source, &record->lists[stream][i],
			    b->names[stream] + b->n_names[stream], &n, err) != 0)
			return -1;
		b->n_names[stream] += n;
		if (n == 0) {
			s->outcome = BLOB_AGAIN;
			s->damaged = true;
		}
	}
	return STEP_OK;
}

/* Loads the names of a blob that is complete in the store. */
static int fetch_names(struct rebuild_stream *s, struct err *err)
{
	struct blob_record record;
	bool found;
	int r = STEP_OK;

	if (chunk_source_blob(s->source, &s->blob->digest, &record, &found, err) != 0)
		return -1;
	s->blob->ended = true;
	if (!found) {
		s->outcome = BLOB_AGAIN;
		return STEP_LOST;
	}
	if (!s->blob->tree)
		s->blob->size = record.size;
	for (int i = 0; i < 2 && r == STEP_OK; i++)
		r = read_lists(s, &record, (enum recipe_stream)i, err);
	blob_record_done(&record);
	return r == STEP_OK && s->damaged ? STEP_LOST : r;
}

/* The hash of all that was given out decides. */
static void settle(struct rebuild_stream *s)
{
	struct digest digest = s->blob->tree ? op_hasher_end(s->ops_hasher) : hasher_end(s->hasher);

	if (s->blob->tree)
		s->blob->size = s->given;
	if (s->given == s->blob->size && digest_equal(&digest, &s->blob->digest))
		s->outcome = BLOB_STORED;
	else
		s->outcome = BLOB_DAMAGED;
}

int rebuild_stream_run(struct rebuild_stream *s, struct rebuild_blob *b,
	enum blob_outcome *ret_outcome, bool *ret_damaged, struct err *err)
{
	int r = STEP_OK;

	s->blob = b;
	s->given = s->out_len = 0;
	s->damaged = false;
	for (int i = 0; i < 2; i++)
		s->walks[i].at = s->walks[i].op = s->walks[i].n = 0;
	(void)hasher_end(s->hasher); /* of a blob that was given up */
	(void)op_hasher_end(s->ops_hasher);
	if (b->from_store)
		r = fetch_names(s, err);
	if (r == STEP_OK)
		r = give_main(s, err);
	if (r < 0 || flush(s, err) != 0)
		return -1;
	if (r == STEP_END)
		settle(s);
	if (s->damaged && chunk_source_sweep(s->source, s->ops.stopping, s->ctx, err) != 0)
		return -1;
	if (b->from_store && s->outcome == BLOB_DAMAGED &&
		chunk_source_disown(s->source, &b->digest, err) != 0)
		return -1;
	*ret_outcome = s->outcome;
	*ret_damaged = s->damaged;
	return 0;
}
