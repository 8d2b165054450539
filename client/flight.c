#include "client/flight.h"

#include <stdlib.h>

struct flight_segment {
	struct flight_segment *next;
	uint64_t number;
	size_t len;
};

void flight_init(struct flight *f)
{
	*f = (struct flight){ 0 };
	f->last = &f->first;
}

static void drop_first(struct flight *f)
{
	struct flight_segment *s = f->first;

	f->first = s->next;
	if (!f->first)
		f->last = &f->first;
	f->bytes -= s->len;
	free(s);
}

void flight_done(struct flight *f)
{
	while (f->first)
		drop_first(f);
}

int flight_add(struct flight *f, size_t n, uint64_t *ret_number, struct err *err)
{
	struct flight_segment *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	s->number = *ret_number = ++f->number;
	s->len = n;
	*f->last = s;
	f->last = &s->next;
	f->bytes += n;
	return 0;
}

int flight_acked(struct flight *f, uint64_t number, struct err *err)
{
	if (number > f->number)
		return err_set(err, ERR_PROTOCOL, "ACK of segment %llu, which was not sent",
			(unsigned long long)number);
	while (f->first && f->first->number <= number)
		drop_first(f);
	return 0;
}
