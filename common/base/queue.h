/*
 * A bounded queue between threads. Every item has a weight (bytes, usually); a push waits while the
 * queue holds `max` or more, so that a slow consumer stops its producer. Closing wakes everybody:
 * later pushes fail, pops give what is left and then NULL.
 */
#pragma once

#include "common/base/base.h"

struct queue;

/* Called, on the popping or pushing thread and without the queue's lock, after the queue went from
 * full to not full (`on_room`) or from empty to not empty (`on_item`). For waking an event loop. */
typedef void queue_wake_fn(void *ctx);

/* NULL when out of memory. */
struct queue *queue_new(size_t max_weight);

/* Frees the queue and hands every item still in it to `drop` (may be NULL when it is empty). No
 * other thread may be inside. */
void queue_free(struct queue *q, void (*drop)(void *item));

void queue_set_wake(struct queue *q, queue_wake_fn *on_room, queue_wake_fn *on_item, void *ctx);

/* Waits for room. False when the queue is closed or memory ran out: the item stays the caller's. */
bool queue_push(struct queue *q, void *item, size_t weight) MUST_CHECK;

/* As queue_push but never waits and ignores the bound: for the event loop, which checks queue_full
 * before it reads more. False when closed or out of memory. */
bool queue_post(struct queue *q, void *item, size_t weight) MUST_CHECK;

/* Waits for an item; NULL when the queue is closed and empty. */
void *queue_pop(struct queue *q);

/* An item if there is one, else NULL; never waits. */
void *queue_try_pop(struct queue *q);

bool queue_full(struct queue *q);
void queue_close(struct queue *q);
bool queue_closed(struct queue *q);
