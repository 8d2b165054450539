/*
 * Owns two segment builders, used on the worker only, and the queues in and out. One task is under
 * way at a time: it packs a parcel until a segment is made or flushes. Failure modes: memory and
 * zstd; told once.
 */
#include "client/push/uv_packer.h"

#include <stdlib.h>

enum { BUILD_META, BUILD_DATA, BUILDERS };

/* Skeleton is a twentieth of a layer of files and most of what a rebuilt one costs: worth a slower
 * look. */
#define META_LEVEL 9

/* How to pack; may change from one order to the next. */
struct tuning {
	int level;
	size_t segment_size;
};

/* A parcel to pack, or a flush (parcel NULL). */
struct order {
	struct order *next;
	struct sender_parcel *parcel;
	uint32_t blob;
	bool begun;
	size_t at;  /* chunks of the parcel that are packed */
	bool whole; /* nothing is left of it */
};

struct packer {
	struct uv_worker *worker;
	struct uv_task task;
	struct tuning tuning, used; /* `used`: by the task under way */
	uint64_t busy_ns, took_ns;  /* in all; by the last task */
	struct packer_ops ops;
	void *ctx;
	struct order *first, **last;	  /* waiting; the first may be under way */
	struct order *now;		  /* that one; NULL: none is */
	struct packed *made, **made_last; /* by the task under way */
	struct packed *out, **out_last;
	size_t sealed; /* record bytes in `out` */
	struct segment_builder *builders[BUILDERS];
	uint8_t *room; /* for a chunk that is read only now; NULL until there is one */
	bool closed, failed;
	int result;
	struct err err;
};

void packed_free(struct packed *p)
{
	if (!p)
		return;
	buf_done(&p->record);
	free(p);
}

/* --- the worker's side --- */

/* A new result behind those of this task; NULL when out of memory. */
static struct packed *make(struct packer *p)
{
	struct packed *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	buf_init(&made->record, SEGMENT_RECORD_MAX);
	*p->made_last = made;
	p->made_last = &made->next;
	return made;
}

static int seal(struct packer *p, int which, struct err *err)
{
	int level = p->used.level;
	struct packed *made;

	if (segment_builder_empty(p->builders[which]))
		return 0;
	made = make(p);
	if (!made)
		return err_nomem(err);
	if (which == BUILD_META && level > 0 && level < META_LEVEL)
		level = META_LEVEL;
	return segment_builder_seal(p->builders[which], level, &made->record, err);
}

static int pack_chunk(struct packer *p, int which, const struct digest *name, enum chunk_kind kind,
	const void *bytes, size_t len, struct err *err)
{
	struct segment_builder *b = p->builders[which];
	bool fits = segment_builder_fits(b, len) &&
		    (segment_builder_empty(b) ||
			    segment_builder_len(b) + len <= p->used.segment_size);

	if (!fits && seal(p, which, err) != 0)
		return -1;
	return segment_builder_add(b, name, kind, bytes, len, err);
}

static int pack_wanted(
	struct packer *p, const struct batch *b, const struct batch_chunk *c, struct err *err)
{
	int which = c->kind == CHUNK_SKELETON ? BUILD_META : BUILD_DATA;
	const uint8_t *bytes;

	if (c->unread && !p->room && !(p->room = malloc(CHUNK_MAX)))
		return err_nomem(err);
	if (batch_chunk_bytes(b, c, p->room, &bytes, err) != 0)
		return -1;
	return pack_chunk(p, which, &c->name, (enum chunk_kind)c->kind, bytes, c->len, err);
}

/* Goes on until a segment is made, which is to be on its way while the next one is packed. */
static int pack(struct packer *p, struct order *o, struct err *err)
{
	const struct sender_parcel *parcel = o->parcel;
	const struct batch *b = parcel->batch;

	if (!o->begun && parcel->recipe_wanted &&
		pack_chunk(p, BUILD_META, &b->name, CHUNK_RECIPE, b->recipe, b->recipe_len, err) !=
			0)
		return -1;
	o->begun = true;
	for (; o->at < b->n_chunks && !p->made; o->at++)
		if (parcel->wanted[o->at] && pack_wanted(p, b, &b->chunks[o->at], err) != 0)
			return -1;
	o->whole = o->at == b->n_chunks;
	return 0;
}

static int flush(struct packer *p, uint32_t blob, struct err *err)
{
	struct packed *made;

	for (int i = 0; i < BUILDERS; i++) {
		if (seal(p, i, err) != 0)
			return -1;
	}
	made = make(p);
	if (!made)
		return err_nomem(err);
	made->flushed = true;
	made->blob = blob;
	return 0;
}

static void run(struct uv_task *t)
{
	struct packer *p = CONTAINER_OF(t, struct packer, task);
	uint64_t began = uv_hrtime();

	if (p->now->parcel)
		p->result = pack(p, p->now, &p->err);
	else
		p->result = flush(p, p->now->blob, &p->err);
	p->took_ns = uv_hrtime() - began;
}

/* --- the loop's side --- */

static void order_free(struct order *o)
{
	sender_parcel_free(o->parcel);
	free(o);
}

static void on_stopped(void *ctx)
{
	struct packer *p = ctx;

	while (p->first) {
		struct order *o = p->first;

		p->first = o->next;
		order_free(o);
	}
	while (p->out) {
		struct packed *made = p->out;

		p->out = made->next;
		packed_free(made);
	}
	for (int i = 0; i < BUILDERS; i++)
		segment_builder_free(p->builders[i]);
	free(p->room);
	free(p);
}

static void done(struct uv_task *t);

static void start_next(struct packer *p)
{
	if (p->now || p->closed || p->failed || !p->first || p->sealed >= PACKER_SEALED_MAX)
		return;
	p->now = p->first;
	p->made = NULL;
	p->made_last = &p->made;
	p->used = p->tuning;
	p->task = (struct uv_task){ .run = run, .done = done };
	uv_worker_post(p->worker, &p->task);
}

/* The first order is packed, or the packer is. */
static void end_order(struct packer *p)
{
	struct order *o = p->first;

	p->first = o->next;
	if (!p->first)
		p->last = &p->first;
	if (!p->closed && p->result == 0 && o->parcel)
		p->ops.packed(p->ctx, o->parcel);
	order_free(o);
}

static void done(struct uv_task *t)
{
	struct packer *p = CONTAINER_OF(t, struct packer, task);
	bool some = p->made != NULL;

	if (!p->now->parcel || p->now->whole || p->result != 0)
		end_order(p);
	p->now = NULL;
	p->busy_ns += p->took_ns;
	if (some) {
		*p->out_last = p->made;
		p->out_last = p->made_last;
	}
	for (struct packed *made = p->made; made; made = made->next)
		p->sealed += buf_len(&made->record);
	if (p->closed)
		return;
	if (p->result != 0) {
		p->failed = true;
		p->ops.failed(p->ctx, &p->err);
		return;
	}
	start_next(p);
	if (some)
		p->ops.ready(p->ctx);
}

static void add_order(struct packer *p, struct sender_parcel *parcel, uint32_t blob)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o) {
		sender_parcel_free(parcel);
		if (!p->failed) {
			p->failed = true;
			err_nomem(&p->err);
			p->ops.failed(p->ctx, &p->err);
		}
		return;
	}
	o->parcel = parcel;
	o->blob = blob;
	*p->last = o;
	p->last = &o->next;
	start_next(p);
}

void packer_add(struct packer *p, struct sender_parcel *parcel)
{
	add_order(p, parcel, parcel->blob);
}

void packer_flush(struct packer *p, uint32_t blob)
{
	add_order(p, NULL, blob);
}

const struct packed *packer_peek(const struct packer *p)
{
	return p->out;
}

struct packed *packer_take(struct packer *p)
{
	struct packed *made = p->out;

	if (!made)
		return NULL;
	p->out = made->next;
	if (!p->out)
		p->out_last = &p->out;
	p->sealed -= buf_len(&made->record);
	start_next(p);
	return made;
}

void packer_tune(struct packer *p, int level, size_t segment_size)
{
	p->tuning = (struct tuning){ .level = level, .segment_size = segment_size };
}

uint64_t packer_busy_ms(const struct packer *p)
{
	return p->busy_ns / 1000000;
}

struct packer *packer_new(uv_loop_t *loop, const struct packer_ops *ops, void *ctx, struct err *err)
{
	struct packer *p = calloc(1, sizeof(*p));

	if (!p) {
		err_nomem(err);
		return NULL;
	}
	*p = (struct packer){ .ops = *ops, .ctx = ctx };
	p->tuning.segment_size = SEGMENT_RAW_MAX;
	p->last = &p->first;
	p->out_last = &p->out;
	for (int i = 0; i < BUILDERS; i++)
		p->builders[i] = segment_builder_new();
	if (!p->builders[BUILD_META] || !p->builders[BUILD_DATA])
		err_nomem(err);
	else if (uv_worker_start(loop, "dray-pack", &p->worker, err) == 0)
		return p;
	for (int i = 0; i < BUILDERS; i++)
		segment_builder_free(p->builders[i]);
	free(p);
	return NULL;
}

void packer_close(struct packer *p)
{
	if (!p)
		return;
	p->closed = true;
	uv_worker_stop(p->worker, on_stopped, p);
}
