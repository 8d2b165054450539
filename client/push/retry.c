/*
 * Owns the patience and the waits. Happy path: started -> connected -> (moved)*. A failure starts
 * the clock of patience, a session stops it. Failure modes: what no second try mends ends at once;
 * the rest when patience is used up or the same happened too often.
 */
#include "client/push/retry.h"

void retry_start(struct retry *r, uint64_t patience_ms, uint64_t now_ms)
{
	*r = (struct retry){ .patience_ms = patience_ms, .since_ms = now_ms };
}

uint64_t retry_used(const struct retry *r, uint64_t now_ms)
{
	return r->used_ms + (r->connected ? 0 : now_ms - r->since_ms);
}

uint64_t retry_left(const struct retry *r, uint64_t now_ms)
{
	uint64_t used = retry_used(r, now_ms);

	return used < r->patience_ms ? r->patience_ms - used : 0;
}

void retry_connected(struct retry *r, uint64_t now_ms)
{
	r->used_ms = retry_used(r, now_ms);
	r->connected = true;
	r->doubts = 0;
}

void retry_moved(struct retry *r)
{
	r->used_ms = 0;
	r->next_ms = 0;
	r->late = 0;
}

/* Could the same go well a little later? */
static bool hopeful(struct retry *r, const struct retry_failure *f)
{
	if (f->err->code == ERR_REFUSED)
		return f->unsaid && r->doubts++ < RETRY_DOUBTS_MAX;
	if (f->err->code != ERR_UNREACHABLE && f->err->code != ERR_AGAIN)
		return false;
	return f->err->code != ERR_AGAIN || !f->late || r->late++ < RETRY_LATE_MAX;
}

/* The next wait: doubled each time; a quarter of it is drawn. */
static uint64_t wait_for(struct retry *r, const struct retry_failure *f, uint64_t random)
{
	bool soon = f->worked || f->err->code != ERR_UNREACHABLE;
	uint64_t wait = r->next_ms ? r->next_ms : soon ? RETRY_SOON_MS : RETRY_FIRST_MS;

	r->next_ms = min_u64(wait * 2, RETRY_MOST_MS);
	return wait - random % (wait / 4 + 1);
}

bool retry_failed(struct retry *r, const struct retry_failure *f, uint64_t now_ms, uint64_t random,
	uint64_t *ret_wait_ms)
{
	uint64_t left;

	if (r->connected) {
		r->connected = false;
		r->since_ms = now_ms;
	}
	if (f->other_form) {
		*ret_wait_ms = 0;
		return true;
	}
	left = retry_left(r, now_ms);
	if (left == 0 || !hopeful(r, f))
		return false;
	*ret_wait_ms = min_u64(wait_for(r, f, random), left);
	return true;
}
