#include "protocol/question.h"

#include <stdlib.h>

void sender_parcel_free(struct sender_parcel *p)
{
	if (!p)
		return;
	batch_free(p->batch);
	free(p->wanted);
	free(p);
}

void question_list_init(struct question_list *l)
{
	l->first = NULL;
	l->last = &l->first;
	l->n = 0;
}

void question_list_add(struct question_list *l, struct question *q)
{
	q->next = NULL;
	*l->last = q;
	l->last = &q->next;
	l->n++;
}

struct question *question_list_take(struct question_list *l)
{
	struct question *q = l->first;

	l->first = q->next;
	if (!l->first)
		l->last = &l->first;
	l->n--;
	return q;
}

void question_free(struct question *q)
{
	if (!q)
		return;
	sender_parcel_free(q->parcel);
	free(q);
}

void question_list_drop(struct question_list *l)
{
	while (l->first)
		question_free(question_list_take(l));
}

struct question *question_new(uint32_t blob, struct batch *b)
{
	struct question *q = calloc(1, sizeof(*q));
	struct sender_parcel *p = calloc(1, sizeof(*p));
	uint8_t *wanted = calloc(b->n_chunks ? b->n_chunks : 1, 1);

	if (!q || !p || !wanted) {
		free(q);
		free(p);
		free(wanted);
		return NULL;
	}
	*p = (struct sender_parcel){ .blob = blob, .batch = b, .wanted = wanted };
	q->parcel = p;
	return q;
}
