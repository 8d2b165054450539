#include "client/push/lane_plan.h"

#include "common/chunk/limits.h"

#define SEGMENT_MIN (128u << 10)
#define SEGMENT_FAR (256u << 10) /* of a long link whose rate is not known yet */
#define SEGMENT_MS 500u		 /* how long a lane may take for one */
#define BLOCKED_PERCENT 50u	 /* of the time, for the link to be what holds up */

void lane_plan_start(struct lane_plan *p, unsigned fixed, unsigned most, uint64_t rtt_us)
{
	*p = (struct lane_plan){ .most = most, .rtt_us = rtt_us };
	p->settled = fixed != 0 || most <= 1;
	if (fixed)
		p->wanted = fixed < most ? fixed : most;
	else if (rtt_us >= LANE_PLAN_FAR_US && most >= LANE_PLAN_FIRST)
		p->wanted = LANE_PLAN_FIRST;
	else
		p->wanted = 1;
}

void lane_plan_limit(struct lane_plan *p, unsigned most)
{
	p->most = most > 0 ? most : 1;
	p->wanted = p->wanted < p->most ? p->wanted : p->most;
	p->settled = p->settled || p->most == 1;
}

static void begin_window(struct lane_plan *p, const struct lane_sample *s)
{
	p->measuring = true;
	p->window_from_ms = s->now_ms;
	p->window_bytes = s->acked_bytes;
	p->blocked_ms = s->blocked_ms;
}

static void add_lanes(struct lane_plan *p, unsigned to)
{
	p->wanted = to < p->most ? to : p->most;
	p->rate_before = p->rate;
	p->measuring = false;
}

/* The window is over: were the lanes that came last worth it, and is the link what holds up? */
static void judge(struct lane_plan *p, const struct lane_sample *s, uint64_t took_ms)
{
	uint64_t bytes = s->acked_bytes - p->window_bytes, blocked = s->blocked_ms - p->blocked_ms;
	bool held_up = blocked * 100 >= took_ms * BLOCKED_PERCENT;

	p->rate = bytes * 1000 / took_ms;
	begin_window(p, s);
	if (p->settled || !held_up)
		return;
	if (p->rate_before > 0 && p->rate * 100 < p->rate_before * LANE_PLAN_GAIN_PERCENT)
		p->settled = true;
	else
		add_lanes(p, p->wanted * 2);
	p->settled = p->settled || p->wanted == p->most;
}

void lane_plan_look(struct lane_plan *p, const struct lane_sample *s)
{
	uint64_t window_ms = LANE_PLAN_WINDOW_MS + 4 * p->rtt_us / 1000;

	/* Each loss halves what a connection may have on its way: the more of them, the less it
	 * costs in all. */
	if (!p->settled && s->retransmitted > 0 && p->rtt_us >= LANE_PLAN_FAR_US &&
		!s->own_congestion) {
		add_lanes(p, p->most);
		p->settled = true;
	}
	/* Lanes that are on their way would count for nothing. */
	if (!p->measuring && s->open >= p->wanted)
		begin_window(p, s);
	else if (p->measuring && s->acked_bytes < p->window_bytes)
		begin_window(p, s); /* a lane died with its account */
	else if (p->measuring && s->now_ms - p->window_from_ms >= window_ms)
		judge(p, s, s->now_ms - p->window_from_ms);
}

size_t lane_plan_segment(const struct lane_plan *p, unsigned open)
{
	uint64_t n = p->rate / (open ? open : 1) * SEGMENT_MS / 1000;

	if (p->rate == 0)
		return p->rtt_us >= LANE_PLAN_FAR_US ? SEGMENT_FAR : SEGMENT_RAW_MAX;
	if (n < SEGMENT_MIN)
		return SEGMENT_MIN;
	return (size_t)min_u64(n, SEGMENT_RAW_MAX);
}
