/*
 * A batch whose answer is awaited, and the queues of such batches. The sender's own; nobody else
 * uses it.
 */
#pragma once

#include "protocol/sender.h"

struct question {
	struct question *next;
	struct sender_parcel *parcel;
	uint32_t n_asked; /* chunks named in ASK_CHUNKS, in the parcel's order of wanted ones */
};

struct question_list {
	struct question *first, **last;
	size_t n;
};

/* Takes over the batch on success; NULL when out of memory. */
struct question *question_new(uint32_t blob, struct batch *b);
void question_free(struct question *q); /* NULL is fine */

void question_list_init(struct question_list *l);
void question_list_add(struct question_list *l, struct question *q);

/* The first; the list is not empty. */
struct question *question_list_take(struct question_list *l);

/* Frees all of them. */
void question_list_drop(struct question_list *l);
