#include "common/base/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct node {
	struct node *next;
	void *item;
	size_t weight;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t room, items;
	struct node *first, **last;
	size_t weight, max;
	bool closed;
	queue_wake_fn *on_room, *on_item;
	void *ctx;
};

struct queue *queue_new(size_t max_weight)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->room, NULL);
	pthread_cond_init(&q->items, NULL);
	q->last = &q->first;
	q->max = max_weight;
	return q;
}

void queue_free(struct queue *q, void (*drop)(void *item))
{
	struct node *next;

	if (!q)
		return;
	assert(drop || !q->first);
	for (struct node *n = q->first; n; n = next) {
		next = n->next;
		drop(n->item);
		free(n);
	}
	pthread_cond_destroy(&q->items);
	pthread_cond_destroy(&q->room);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

void queue_set_wake(struct queue *q, queue_wake_fn *on_room, queue_wake_fn *on_item, void *ctx)
{
	pthread_mutex_lock(&q->lock);
	q->on_room = on_room;
	q->on_item = on_item;
	q->ctx = ctx;
	pthread_mutex_unlock(&q->lock);
}

static bool put(struct queue *q, void *item, size_t weight, bool wait)
{
	struct node *n = malloc(sizeof(*n));
	queue_wake_fn *wake = NULL;
	void *ctx;

	if (!n)
		return false;
	*n = (struct node){ .item = item, .weight = weight };
	pthread_mutex_lock(&q->lock);
	while (wait && !q->closed && q->weight >= q->max)
		pthread_cond_wait(&q->room, &q->lock);
	if (q->closed) {
		pthread_mutex_unlock(&q->lock);
		free(n);
		return false;
	}
	if (!q->first)
		wake = q->on_item;
	ctx = q->ctx;
	*q->last = n;
	q->last = &n->next;
	q->weight += weight;
	pthread_cond_signal(&q->items);
	pthread_mutex_unlock(&q->lock);
	if (wake)
		wake(ctx);
	return true;
}

bool queue_push(struct queue *q, void *item, size_t weight)
{
	return put(q, item, weight, true);
}

bool queue_post(struct queue *q, void *item, size_t weight)
{
	return put(q, item, weight, false);
}

static void *take(struct queue *q, bool wait)
{
	queue_wake_fn *wake = NULL;
	struct node *n;
	void *item, *ctx;

	pthread_mutex_lock(&q->lock);
	while (wait && !q->first && !q->closed)
		pthread_cond_wait(&q->items, &q->lock);
	n = q->first;
	if (!n) {
		pthread_mutex_unlock(&q->lock);
		return NULL;
	}
	q->first = n->next;
	if (!q->first)
		q->last = &q->first;
	if (q->weight >= q->max && q->weight - n->weight < q->max) {
		wake = q->on_room;
		/* All of them: a light item may leave room for more than one. */
		pthread_cond_broadcast(&q->room);
	}
	q->weight -= n->weight;
	ctx = q->ctx;
	pthread_mutex_unlock(&q->lock);
	item = n->item;
	free(n);
	if (wake)
		wake(ctx);
	return item;
}

void *queue_pop(struct queue *q)
{
	return take(q, true);
}

void *queue_try_pop(struct queue *q)
{
	return take(q, false);
}

bool queue_full(struct queue *q)
{
	bool full;

	pthread_mutex_lock(&q->lock);
	full = q->weight >= q->max;
	pthread_mutex_unlock(&q->lock);
	return full;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->room);
	pthread_cond_broadcast(&q->items);
	pthread_mutex_unlock(&q->lock);
}

bool queue_closed(struct queue *q)
{
	bool closed;

	pthread_mutex_lock(&q->lock);
	closed = q->closed;
	pthread_mutex_unlock(&q->lock);
	return closed;
}
