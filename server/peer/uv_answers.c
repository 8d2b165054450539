/*
 * Owns the questions that are with the store's thread. Happy path: ask -> one call -> a bit for
 * each name -> answer. Failure mode: a store that cannot be read.
 */
#include "server/peer/uv_answers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct answers {
	struct depot_domain *domain;
	struct answers_ops ops;
	void *ctx;
	unsigned under_way;
	bool closed, failed;
};

struct question {
	struct depot_call call;
	struct answers *answers;
	const struct uv_pin *pin;
	enum message_type type;
	uint32_t blob;
	uint8_t stream;
	uint32_t n;
	uint8_t *have;	 /* a bit a name */
	size_t name_len; /* 8 or DIGEST_LEN */
	uint8_t names[];
};

struct answers *answers_new(struct depot_domain *domain, const struct answers_ops *ops, void *ctx)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->domain = domain;
	a->ops = *ops;
	a->ctx = ctx;
	return a;
}

void answers_close(struct answers *a)
{
	if (!a)
		return;
	a->closed = true;
	if (a->under_way == 0)
		free(a);
}

/* One name of the question, on the store's thread. */
static int has_name(
	const struct question *q, struct store *store, uint32_t i, bool *ret, struct err *err)
{
	const uint8_t *raw = q->names + i * q->name_len;
	struct store_pin *pin = uv_pin_of(q->pin);
	struct store_place place;
	struct digest name;

	if (q->type == MSG_ASK_CHUNKS) {
		wire_shorts one = { .raw = raw, .n = 1 };

		return store_has_short(store, wire_short(&one, 0), pin, ret, err);
	}
	memcpy(name.bytes, raw, DIGEST_LEN);
	if (q->type == MSG_ASK_RECIPES)
		return store_has_tree(store, (enum recipe_stream)q->stream, &name, pin, ret, err);
	return store_find(store, &name, pin, &place, ret, err);
}

static int run(struct depot_call *c, struct store *store, struct err *err)
{
	struct question *q = (struct question *)c;

	for (uint32_t i = 0; i < q->n; i++) {
		bool has = false;

		if (has_name(q, store, i, &has, err) != 0)
			return -1;
		if (has)
			q->have[i / 8] |= (uint8_t)(1u << (i % 8));
	}
	return 0;
}

static void tell(struct question *q)
{
	struct answers *a = q->answers;
	wire_bytes have = { .p = q->have, .n = (q->n + 7) / 8 };
	struct message m = { 0 };

	if (q->type == MSG_ASK_RECIPES) {
		m.type = MSG_TELL_RECIPES;
		m.tell_recipes.blob = q->blob;
		m.tell_recipes.stream = q->stream;
		m.tell_recipes.n = q->n;
		m.tell_recipes.have = have;
	} else {
		m.type = MSG_TELL_CHUNKS;
		m.tell_chunks.blob = q->blob;
		m.tell_chunks.n = q->n;
		m.tell_chunks.have = have;
	}
	a->ops.answer(a->ctx, &m);
}

static void done(struct depot_call *c)
{
	struct question *q = (struct question *)c;
	struct answers *a = q->answers;

	a->under_way--;
	if (!a->closed && !a->failed && c->result == 0) {
		tell(q);
	} else if (!a->closed && !a->failed) {
		a->failed = true;
		a->ops.failed(a->ctx, &c->err);
	}
	free(q->have);
	free(q);
	if (a->closed && a->under_way == 0)
		free(a);
}

static int post(struct answers *a, const struct message *m, const struct uv_pin *pin, uint32_t blob,
	uint8_t stream, const void *names, size_t name_len, uint32_t n, struct err *err)
{
	struct question *q = calloc(1, sizeof(*q) + n * name_len);
	uint8_t *have = calloc((n + 7) / 8 + 1, 1);

	if (!q || !have) {
		free(q);
		free(have);
		return err_nomem(err);
	}
	q->answers = a;
	q->pin = pin;
	q->type = m->type;
	q->blob = blob;
	q->stream = stream;
	q->have = have;
	q->n = n;
	q->name_len = name_len;
	memcpy(q->names, names, n * name_len);
	q->call = (struct depot_call){ .run = run, .done = done };
	a->under_way++;
	depot_post(a->domain, &q->call);
	return 0;
}

int answers_ask(
	struct answers *a, const struct message *m, const struct uv_pin *pin, struct err *err)
{
	const struct msg_ask_recipes *r = &m->ask_recipes;

	if (m->type == MSG_ASK_RECIPES)
		return post(
			a, m, pin, r->blob, r->stream, r->names.at, DIGEST_LEN, r->names.n, err);
	if (m->type == MSG_ASK_CHUNKS)
		return post(a, m, pin, m->ask_chunks.blob, 0, m->ask_chunks.names.raw, 8,
			m->ask_chunks.names.n, err);
	assert(m->type == MSG_ASK_CHUNKS_FULL);
	return post(a, m, pin, m->ask_chunks_full.blob, 0, m->ask_chunks_full.names.at, DIGEST_LEN,
		m->ask_chunks_full.names.n, err);
}
