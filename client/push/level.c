#include "client/push/level.h"

#define BLOCKED_PERCENT 50u /* from here on the link holds up */
#define FREE_PERCENT 20u    /* up to here it does not… */
#define BUSY_PERCENT 80u    /* …and the compressing thread does, if it is so busy */
#define TOP_MS 5000u

/* Not compressing at all saves no time: what is stored and sent instead takes as long. */
static const int steps[] = { 1, 3, 5, 7, 9 };

static void go_to(struct level *l, unsigned step)
{
	l->at = step;
	l->now = steps[step];
}

void level_start(struct level *l, int fixed, bool far, uint64_t now_ms, uint64_t blocked_ms)
{
	*l = (struct level){ .fixed = fixed != LEVEL_AUTO,
		.now = fixed,
		.from_ms = now_ms,
		.blocked_ms = blocked_ms };
	l->top = ARRAY_LEN(steps);
	if (l->fixed)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i] == (far ? LEVEL_FAR : LEVEL_NEAR))
			go_to(l, i);
	}
}

static bool may_rise(const struct level *l, uint64_t now_ms)
{
	return l->at + 1 < ARRAY_LEN(steps) && (l->at + 1 < l->top || now_ms >= l->top_until_ms);
}

void level_look(struct level *l, uint64_t now_ms, uint64_t blocked_ms, uint64_t busy_ms)
{
	uint64_t took = now_ms - l->from_ms, blocked = (blocked_ms - l->blocked_ms) * 100,
		 busy = (busy_ms - l->busy_ms) * 100;

	if (l->fixed || took < LEVEL_WINDOW_MS)
		return;
	if (blocked >= took * BLOCKED_PERCENT) {
		if (may_rise(l, now_ms))
			go_to(l, l->at + 1);
	} else if (l->at > 0 && blocked < took * FREE_PERCENT && busy >= took * BUSY_PERCENT) {
		l->top = l->at;
		l->top_until_ms = now_ms + TOP_MS;
		go_to(l, l->at - 1);
	}
	l->from_ms = now_ms;
	l->blocked_ms = blocked_ms;
	l->busy_ms = busy_ms;
}
