/*
 * The journal's entries that no load of this process is behind: left by an earlier process, or kept
 * because the engine was away, may still make the image, or another load wanted it. Happy path:
 * the list, then one entry after the other is undone and removed. Failure mode: an entry that
 * cannot be settled now stays, and the whole is tried again after a while.
 */
#include "common/base/log.h"
#include "server/engine/engine_side.h"

#include <stdlib.h>

static bool next_entry(struct engine_host *h);

static void tell_away(struct engine_host *h, const struct err *why)
{
	if (!why || why->code != ERR_UNREACHABLE || h->replay.told)
		return;
	log_warn("unfinished loads are cleaned up later: %s", why->text);
	h->replay.told = true;
}

static void end_replay(struct engine_host *h)
{
	struct engine_replay *r = &h->replay;

	free(r->entries);
	r->entries = NULL;
	r->n = r->at = 0;
	r->running = false;
	if (r->kept) {
		engine_replay_later(h, NULL);
	} else {
		r->wait_ms = 0;
		if (r->told)
			log_info("unfinished loads are cleaned up");
		r->told = false;
	}
	engine_host_maybe_idle(h);
}

static void end_entry(struct engine_host *h, bool settled)
{
	struct engine_replay *r = &h->replay;
	const struct load_entry *entry = &r->entries[r->at++];
	struct err err;

	if (settled && load_journal_remove(h->loads_dir, &entry->image, entry->job, &err) != 0) {
		log_warn("%s", err.text);
		settled = false;
	}
	r->kept = r->kept || !settled;
}

static void undone(void *ctx, bool settled, const struct err *err)
{
	struct engine_host *h = ctx;
	struct engine_replay *r = &h->replay;

	end_entry(h, settled);
	tell_away(h, err);
	/* Without an engine there is no use in asking on. */
	if (err && (err->code == ERR_UNREACHABLE || err->code == ERR_INTERRUPTED)) {
		r->at = r->n;
		r->kept = true;
	}
	if (!next_entry(h))
		end_replay(h);
}

/* Is this the entry of a load that runs now? */
static bool is_live(const struct engine_host *h, const struct load_entry *entry)
{
	for (const struct engine_job *j = h->jobs; j; j = j->next)
		if (j->journaled && j->entry == entry->job &&
			digest_equal(&j->image, &entry->image))
			return true;
	return false;
}

/* False when there is none left. */
static bool next_entry(struct engine_host *h)
{
	struct engine_replay *r = &h->replay;

	while (r->at < r->n) {
		const struct load_entry *entry = &r->entries[r->at];

		if (is_live(h, entry)) {
			r->at++;
		} else if (entry->existed) {
			end_entry(h, true);
		} else {
			r->undo = (struct engine_undo){
				.host = h, .entry = *entry, .fn = undone, .ctx = h
			};
			if (engine_undo_start(&r->undo))
				return true;
			end_entry(h, false);
		}
	}
	return false;
}

void engine_replay_start(struct engine_host *h)
{
	struct engine_replay *r = &h->replay;
	struct err err;
	size_t odd = 0;

	if (r->running || !r->due || h->closing)
		return;
	uv_timer_stop(&r->timer);
	r->due = false;
	r->kept = false;
	if (load_journal_list(h->loads_dir, &r->entries, &r->n, &odd, &err) != 0) {
		log_warn("journal of loads: %s", err.text);
		engine_replay_later(h, NULL);
		return;
	}
	if (odd > 0)
		log_warn("%s holds %zu damaged files", h->loads_dir, odd);
	r->running = true;
	if (!next_entry(h))
		end_replay(h);
}

/* --- when --- */

static void on_timer(uv_timer_t *timer)
{
	engine_replay_start(timer->data);
}

void engine_replay_later(struct engine_host *h, const struct err *why)
{
	struct engine_replay *r = &h->replay;

	tell_away(h, why);
	r->due = true;
	if (h->closing || uv_is_active((uv_handle_t *)&r->timer))
		return;
	r->wait_ms = r->wait_ms ? min_u64(2 * r->wait_ms, REPLAY_WAIT_MAX_MS) : REPLAY_WAIT_MS;
	uv_timer_start(&r->timer, on_timer, r->wait_ms, 0);
}

/* Numbers go on after those in the journal: an entry is never taken for an older one. */
void engine_replay_init(struct engine_host *h, uv_loop_t *loop)
{
	struct load_entry *entries;
	size_t n, odd;

	uv_timer_init(loop, &h->replay.timer);
	h->replay.timer.data = h;
	h->replay.due = true;
	if (load_journal_list(h->loads_dir, &entries, &n, &odd, NULL) != 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (entries[i].job >= h->next_entry)
			h->next_entry = entries[i].job + 1;
	free(entries);
}

void engine_replay_forget(struct engine_host *h, const struct digest *image)
{
	struct engine_replay *r = &h->replay;
	struct load_entry *entries;
	struct err err;
	size_t n, odd;

	for (size_t i = r->at; i < r->n; i++)
		if (digest_equal(&r->entries[i].image, image))
			r->entries[i].existed = true;
	if (!r->due && !r->running)
		return;
	if (load_journal_list(h->loads_dir, &entries, &n, &odd, &err) != 0) {
		log_warn("journal of loads: %s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (digest_equal(&entries[i].image, image) && !is_live(h, &entries[i]) &&
			load_journal_remove(h->loads_dir, image, entries[i].job, &err) != 0)
			log_warn("%s", err.text);
	free(entries);
}
