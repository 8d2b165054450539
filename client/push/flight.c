#include "client/push/flight.h"

#include "protocol/limits.h"

#include <stdlib.h>

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
	f->count--;
	f->lost -= s->lost;
	packed_free(s->packed);
	free(s);
}

void flight_done(struct flight *f)
{
	while (f->first)
		drop_first(f);
}

bool flight_takes(const struct flight *f, size_t len)
{
	return len <= IN_FLIGHT_MAX - f->bytes && f->count < SEGMENTS_AHEAD_MAX;
}

int flight_add(struct flight *f, size_t len, uint16_t lane, struct packed *packed, struct err *err)
{
	struct flight_segment *s = calloc(1, sizeof(*s));

	if (!s) {
		packed_free(packed);
		return err_nomem(err);
	}
	*s = (struct flight_segment){
		.number = ++f->number, .len = len, .lane = lane, .packed = packed
	};
	*f->last = s;
	f->last = &s->next;
	f->bytes += len;
	f->count++;
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

void flight_lane_died(struct flight *f, uint16_t lane)
{
	for (struct flight_segment *s = f->first; s; s = s->next) {
		if (s->lane != lane || !s->packed || s->lost)
			continue;
		s->lost = true;
		f->lost++;
	}
}

struct flight_segment *flight_first_lost(const struct flight *f)
{
	struct flight_segment *s = f->lost > 0 ? f->first : NULL;

	while (s && !s->lost)
		s = s->next;
	return s;
}

void flight_sent_again(struct flight *f, struct flight_segment *s, uint16_t lane)
{
	s->lane = lane;
	s->lost = false;
	f->lost--;
}
