/*
 * Owns the source, the window and the loans: a loan is one taker's view of a batch. Happy path:
 * pull takes an item off the source and puts a copy of it into the queue of each taker that wants
 * its blob; a batch comes back loan by loan. Failure mode: memory.
 */
#include "client/push/fanout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct queued {
	struct queued *next;
	struct source_item *item;
};

struct taker {
	struct fanout *fanout;
	struct taker *next;
	struct digest *layers;
	bool *begun;
	size_t n_layers;
	bool config;
	bool in_blob; /* of those that are read now */
	struct queued *first, **last;
	uint64_t held;
	size_t loans;
	bool left; /* waits for its loans */
};

/* A batch, and how many have a view of it. */
struct lent {
	struct fanout *fanout;
	struct batch *batch;
	size_t weight, loans;
};

struct loan {
	struct batch view; /* first: its release finds the rest */
	struct taker *taker;
	struct lent *lent;
};

struct fanout {
	struct source *source; /* NULL: only loans are waited for */
	struct window *window;
	struct taker *takers;
	size_t n_takers, lent;
	uint64_t full_since_ms; /* behind and the window full, without a break; 0: not */
};

/* --- loans --- */

static void maybe_free(struct fanout *f)
{
	if (f->source || f->lent > 0)
		return;
	window_free(f->window);
	free(f);
}

static void taker_free(struct taker *t)
{
	free(t->layers);
	free(t->begun);
	free(t);
}

static void lent_back(struct lent *l)
{
	struct fanout *f = l->fanout;

	if (l->loans > 0)
		return;
	batch_free(l->batch);
	window_give(f->window, l->weight);
	free(l);
	f->lent--;
	maybe_free(f);
}

static void loan_back(struct batch *view)
{
	struct loan *loan = CONTAINER_OF(view, struct loan, view);
	struct taker *t = loan->taker;
	struct lent *l = loan->lent;

	free(loan);
	t->held -= l->weight;
	if (--t->loans == 0 && t->left)
		taker_free(t);
	l->loans--;
	lent_back(l);
}

static struct batch *lend(struct lent *l, struct taker *t)
{
	struct loan *loan = malloc(sizeof(*loan));

	if (!loan)
		return NULL;
	loan->view = *l->batch;
	loan->view.release = loan_back;
	loan->taker = t;
	loan->lent = l;
	l->loans++;
	t->loans++;
	t->held += l->weight;
	return &loan->view;
}

/* --- giving --- */

/* Does this taker want the blob that begins? */
static bool wants_blob(struct taker *t, const struct source_item *i)
{
	if (i->role == ROLE_CONFIG)
		return t->config;
	if (!i->digest_known)
		return true; /* what it is shows only when it was read */
	for (size_t k = 0; k < t->n_layers; k++) {
		if (!t->begun[k] && digest_equal(&t->layers[k], &i->digest))
			return t->begun[k] = true;
	}
	return false;
}

/* Takes over `batch`, which may be NULL. */
static int give(struct taker *t, const struct source_item *from, struct batch *batch)
{
	struct queued *q = malloc(sizeof(*q));
	struct source_item *item = malloc(sizeof(*item));

	if (!q || !item) {
		batch_free(batch);
		free(q);
		free(item);
		return -1;
	}
	*item = *from;
	item->batch = batch;
	item->text = NULL;
	*q = (struct queued){ .item = item };
	*t->last = q;
	t->last = &q->next;
	return 0;
}

static int give_batch(struct fanout *f, struct source_item *i)
{
	struct lent *l = malloc(sizeof(*l));
	int r = 0;

	if (!l)
		return -1;
	*l = (struct lent){
		.fanout = f, .batch = i->batch, .weight = batch_weight(i->batch), .loans = 1
	};
	f->lent++;
	i->batch = NULL;
	for (struct taker *t = f->takers; t && r == 0; t = t->next) {
		struct batch *view = t->in_blob ? lend(l, t) : NULL;

		if (t->in_blob)
			r = view ? give(t, i, view) : -1;
	}
	l->loans--;
	lent_back(l);
	return r;
}

/* What the engine has to say is the same for all: one passes it on. */
static int give_note(struct fanout *f, struct source_item *i)
{
	struct taker *t = f->takers;

	if (!t)
		return 0;
	if (give(t, i, NULL) != 0)
		return -1;
	CONTAINER_OF(t->last, struct queued, next)->item->text = i->text;
	i->text = NULL;
	return 0;
}

static int give_all(struct fanout *f, struct source_item *i)
{
	if (i->kind == SOURCE_BATCH)
		return give_batch(f, i);
	if (i->kind == SOURCE_NOTE)
		return give_note(f, i);
	for (struct taker *t = f->takers; t; t = t->next) {
		if (i->kind == SOURCE_BEGIN)
			t->in_blob = wants_blob(t, i);
		if (t->in_blob && give(t, i, NULL) != 0)
			return -1;
	}
	return 0;
}

/* A batch that nobody took has its room in the window all the same. */
static void drop_item(struct fanout *f, struct source_item *i)
{
	if (i->batch)
		window_give(f->window, batch_weight(i->batch));
	source_item_free(i);
}

int fanout_pull(struct fanout *f, struct err *err)
{
	struct source_item *i;
	int r = 0;

	while (r == 0 && (i = source_take(f->source))) {
		r = give_all(f, i);
		drop_item(f, i);
	}
	return r == 0 ? 0 : err_nomem(err);
}

/* --- takers --- */

struct source_item *taker_take(struct taker *t)
{
	struct queued *q = t->first;
	struct source_item *item;

	if (!q)
		return NULL;
	t->first = q->next;
	if (!t->first)
		t->last = &t->first;
	item = q->item;
	free(q);
	return item;
}

uint64_t taker_held(const struct taker *t)
{
	return t->held;
}

void taker_leave(struct taker *t)
{
	struct source_item *i;
	struct taker **at;

	if (!t)
		return;
	for (at = &t->fanout->takers; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	t->fanout->n_takers--;
	t->fanout->full_since_ms = 0;
	while ((i = taker_take(t)))
		source_item_free(i);
	t->left = true;
	if (t->loans == 0)
		taker_free(t);
}

int fanout_join(
	struct fanout *f, const struct taker_wants *wants, struct taker **ret, struct err *err)
{
	struct taker *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	t->layers = calloc(wants->n_layers + 1, sizeof(*t->layers));
	t->begun = calloc(wants->n_layers + 1, sizeof(*t->begun));
	if (!t->layers || !t->begun) {
		taker_free(t);
		return err_nomem(err);
	}
	if (wants->n_layers > 0)
		memcpy(t->layers, wants->layers, wants->n_layers * sizeof(*t->layers));
	t->n_layers = wants->n_layers;
	t->config = wants->config;
	t->last = &t->first;
	t->fanout = f;
	t->next = f->takers;
	f->takers = t;
	f->n_takers++;
	*ret = t;
	return 0;
}

struct taker *fanout_laggard(struct fanout *f, uint64_t now_ms)
{
	struct taker *slowest = f->takers, *fastest = f->takers;
	uint64_t lag;

	for (struct taker *t = f->takers; t; t = t->next) {
		slowest = t->held > slowest->held ? t : slowest;
		fastest = t->held < fastest->held ? t : fastest;
	}
	lag = slowest ? slowest->held - fastest->held : 0;
	if (lag >= LAG_BYTES_MAX)
		return slowest;
	if (lag < LAG_BYTES_LEAST || !window_full(f->window)) {
		f->full_since_ms = 0;
		return NULL;
	}
	if (f->full_since_ms == 0)
		f->full_since_ms = now_ms;
	return now_ms - f->full_since_ms >= LAG_MS_MAX ? slowest : NULL;
}

/* --- the whole --- */

static bool listed(const struct digest *names, size_t n, const struct digest *name)
{
	for (size_t i = 0; i < n; i++) {
		if (digest_equal(&names[i], name))
			return true;
	}
	return false;
}

int fanout_open(struct fanout *f, struct err *err)
{
	struct digest *all;
	size_t max = 0, n = 0;
	bool config = false;
	int r;

	for (const struct taker *t = f->takers; t; t = t->next)
		max += t->n_layers;
	all = calloc(max + 1, sizeof(*all));
	if (!all)
		return err_nomem(err);
	for (const struct taker *t = f->takers; t; t = t->next) {
		config = config || t->config;
		for (size_t i = 0; i < t->n_layers; i++) {
			if (!listed(all, n, &t->layers[i]))
				all[n++] = t->layers[i];
		}
	}
	r = source_want(f->source, all, n, config, err);
	free(all);
	return r;
}

struct source *fanout_source(const struct fanout *f)
{
	return f->source;
}

struct fanout *fanout_new(uint64_t window, queue_wake_fn *wake, void *wake_ctx, struct err *err)
{
	struct fanout *f = calloc(1, sizeof(*f));

	if (f)
		f->window = window_new(window);
	if (!f || !f->window) {
		free(f);
		err_nomem(err);
		return NULL;
	}
	f->source = source_new(f->window, wake, wake_ctx, err);
	if (f->source)
		return f;
	window_free(f->window);
	free(f);
	return NULL;
}

void fanout_free(struct fanout *f)
{
	if (!f)
		return;
	assert(!f->takers);
	source_free(f->source);
	f->source = NULL;
	maybe_free(f);
}
