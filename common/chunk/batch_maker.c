#include "common/chunk/batch_maker.h"

#include "common/chunk/fastcdc.h"
#include "common/chunk/kind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DATA_MAX (RECIPE_SPAN_MAX + CHUNK_MAX)
#define SLOTS 1024u /* power of two, at least twice RECIPE_OPS_MAX */

/* A recipe chunk is cut after a chunk whose name has these bits of its last byte zero. */
#define CUT_BITS 0x3f

struct batch_maker {
	enum recipe_stream stream;
	splitter_batch_fn *fn;
	void *ctx;
	struct hasher *hasher;
	batch_maker_op_fn *on_op; /* NULL: nobody wants to know */
	void *on_op_ctx;
	struct batch_reader reader;

	struct fastcdc cdc;
	size_t open_len;   /* bytes of the chunk in the making, after data_len in `data` */
	uint64_t skeleton; /* skeleton bytes that no operation takes yet */

	/* The batch in the making. */
	struct buf recipe;
	size_t n_ops, n_chunks, data_len;
	uint64_t span;
	uint16_t slots[SLOTS]; /* by name: index into chunks plus one, or zero */
	struct batch_chunk chunks[RECIPE_OPS_MAX];
	uint8_t data[DATA_MAX];
};

void batch_free(struct batch *b)
{
	if (b && b->release)
		b->release(b);
	else
		free(b);
}

size_t batch_weight(const struct batch *b)
{
	return sizeof(*b) + b->n_chunks * sizeof(*b->chunks) + b->recipe_len + b->data_len;
}

struct batch_maker *batch_maker_new(enum recipe_stream stream, splitter_batch_fn *fn, void *ctx)
{
	/* Not calloc: pages of `data` that are never used shall cost nothing. */
	struct batch_maker *m = malloc(sizeof(*m));

	static_assert(SLOTS >= 2 * RECIPE_OPS_MAX && (SLOTS & (SLOTS - 1)) == 0, "hash table");
	if (!m)
		return NULL;
	memset(m, 0, offsetof(struct batch_maker, chunks));
	m->stream = stream;
	m->fn = fn;
	m->ctx = ctx;
	buf_init(&m->recipe, RECIPE_CHUNK_MAX);
	m->hasher = hasher_new();
	if (!m->hasher) {
		free(m);
		return NULL;
	}
	return m;
}

void batch_maker_free(struct batch_maker *m)
{
	if (!m)
		return;
	hasher_free(m->hasher);
	buf_done(&m->recipe);
	free(m);
}

void batch_maker_watch(struct batch_maker *m, batch_maker_op_fn *fn, void *ctx)
{
	m->on_op = fn;
	m->on_op_ctx = ctx;
}

void batch_maker_set_reader(struct batch_maker *m, const struct batch_reader *reader)
{
	m->reader = *reader;
}

int batch_chunk_bytes(const struct batch *b, const struct batch_chunk *c, uint8_t *room,
	const uint8_t **ret, struct err *err)
{
	struct digest name;

	*ret = b->data + c->offset;
	if (!c->unread)
		return 0;
	*ret = room;
	if (b->reader.read(b->reader.ctx, c, room, err) != 0)
		return -1;
	name = digest_of(room, c->len);
	if (!digest_equal(&name, &c->name))
		return err_set(err, ERR_AGAIN, "a file is not what it was at the last look");
	return 0;
}

/* The batch with its arrays behind it in one block; NULL when out of memory. */
static struct batch *copy_out(const struct batch_maker *m)
{
	size_t chunks_len = m->n_chunks * sizeof(m->chunks[0]);
	size_t recipe_len = buf_len(&m->recipe);
	struct batch *b = malloc(sizeof(*b) + chunks_len + recipe_len + m->data_len);

	static_assert(sizeof(*b) % _Alignof(struct batch_chunk) == 0, "the chunks follow it");
	if (!b)
		return NULL;
	b->stream = m->stream;
	b->chunks = (struct batch_chunk *)(b + 1);
	b->recipe = (uint8_t *)(b->chunks + m->n_chunks);
	b->data = b->recipe + recipe_len;
	b->n_chunks = m->n_chunks;
	b->recipe_len = recipe_len;
	b->data_len = m->data_len;
	b->span = m->span;
	b->reader = m->reader;
	b->release = NULL;
	memcpy(b->chunks, m->chunks, chunks_len);
	memcpy(b->recipe, buf_bytes(&m->recipe), recipe_len);
	memcpy(b->data, m->data, m->data_len);
	b->name = digest_of(b->recipe, recipe_len);
	return b;
}

static int give_out(struct batch_maker *m, struct err *err)
{
	struct batch *b;

	if (m->n_ops == 0)
		return 0;
	b = buf_ok(&m->recipe) ? copy_out(m) : NULL;
	if (!b)
		return err_nomem(err);
	buf_clear(&m->recipe);
	memset(m->slots, 0, sizeof(m->slots));
	m->n_ops = m->n_chunks = m->data_len = 0;
	m->span = 0;
	return m->fn(m->ctx, b, err);
}

static int add_op(struct batch_maker *m, const struct recipe_op *op, struct err *err)
{
	bool cut = op->kind == OP_CHUNK && m->n_ops + 1 >= RECIPE_OPS_MIN &&
		   (op->name.bytes[DIGEST_LEN - 1] & CUT_BITS) == 0;

	recipe_put(&m->recipe, op);
	if (m->on_op)
		m->on_op(m->on_op_ctx, op);
	m->n_ops++;
	m->span += op->len;
	if (cut || m->n_ops == RECIPE_OPS_MAX || m->span >= RECIPE_SPAN_MAX)
		return give_out(m, err);
	return 0;
}

/* The place of a name in the table: that of its index, or a free one. */
static uint16_t *find_slot(struct batch_maker *m, const struct digest *name)
{
	size_t i = (size_t)name->bytes[0] << 8 | name->bytes[1];

	for (;; i++) {
		uint16_t *slot = &m->slots[i & (SLOTS - 1)];

		if (*slot == 0 || digest_equal(&m->chunks[*slot - 1].name, name))
			return slot;
	}
}

/* Keeps the chunk if the batch does not have it yet, or has it without its bytes; true when its
 * bytes are kept. */
static bool keep_chunk(struct batch_maker *m, const struct batch_chunk *chunk)
{
	uint16_t *slot = find_slot(m, &chunk->name);

	if (*slot == 0) {
		*slot = (uint16_t)++m->n_chunks;
		m->chunks[*slot - 1] = *chunk;
		return !chunk->unread;
	}
	if (!m->chunks[*slot - 1].unread || chunk->unread)
		return false;
	m->chunks[*slot - 1] = *chunk;
	return true;
}

/* The open bytes are a chunk. */
static int end_chunk(struct batch_maker *m, struct err *err)
{
	struct recipe_op op = { .kind = OP_CHUNK, .len = m->open_len };
	struct batch_chunk chunk = {
		.offset = (uint32_t)m->data_len,
		.len = (uint32_t)m->open_len,
		.kind = m->stream == STREAM_MAIN ? CHUNK_DATA : CHUNK_SKELETON,
	};

	hasher_update(m->hasher, m->data + m->data_len, m->open_len);
	chunk.name = op.name = hasher_end(m->hasher);
	if (keep_chunk(m, &chunk))
		m->data_len += m->open_len;
	m->open_len = 0;
	m->cdc = (struct fastcdc){ 0 };
	return add_op(m, &op, err);
}

static int end_skeleton(struct batch_maker *m, struct err *err)
{
	struct recipe_op op = { .kind = OP_SKELETON, .len = m->skeleton };

	if (m->skeleton == 0)
		return 0;
	m->skeleton = 0;
	return add_op(m, &op, err);
}

int batch_maker_bytes(
	struct batch_maker *m, const uint8_t *bytes, size_t n, bool ends, struct err *err)
{
	if (end_skeleton(m, err) != 0)
		return -1;
	while (n > 0) {
		bool cut;
		size_t k = fastcdc_next(&m->cdc, bytes, n, &cut);

		memcpy(m->data + m->data_len + m->open_len, bytes, k);
		m->open_len += k;
		bytes += k;
		n -= k;
		if ((cut || (ends && n == 0)) && end_chunk(m, err) != 0)
			return -1;
	}
	return 0;
}

int batch_maker_skeleton(struct batch_maker *m, size_t n, struct err *err)
{
	assert(m->open_len == 0);
	while (n > 0) {
		size_t k = min_size(n, RECIPE_SKELETON_MAX - (size_t)m->skeleton);

		m->skeleton += k;
		n -= k;
		if (m->skeleton == RECIPE_SKELETON_MAX && end_skeleton(m, err) != 0)
			return -1;
	}
	return 0;
}

int batch_maker_known(struct batch_maker *m, const struct digest *name, uint32_t len, uint64_t file,
	uint64_t at, struct err *err)
{
	struct recipe_op op = { .kind = OP_CHUNK, .name = *name, .len = len };
	struct batch_chunk chunk = {
		.name = *name,
		.len = len,
		.kind = CHUNK_DATA,
		.unread = true,
		.file = file,
		.at = at,
	};

	assert(m->open_len == 0 && len > 0 && len <= CHUNK_MAX);
	if (end_skeleton(m, err) != 0)
		return -1;
	keep_chunk(m, &chunk);
	return add_op(m, &op, err);
}

bool batch_maker_open(const struct batch_maker *m)
{
	return m->open_len > 0;
}

int batch_maker_end(struct batch_maker *m, struct err *err)
{
	if (end_skeleton(m, err) != 0)
		return -1;
	if (m->open_len > 0 && end_chunk(m, err) != 0)
		return -1;
	return give_out(m, err);
}
