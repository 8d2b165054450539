/*
 * The journal's entries that no load of this process is behind: left by an earlier process, or kept
 * because the engine was away, may still make the image, or another load wanted it. Happy path:
 * the list, then one entry after the other is undone and removed. Failure mode: an entry that
 * cannot be settled now stays, and the whole is tried again after a while.
 */
#include "common/base/log.h"
#include "server/engine/engine_prefix.h"
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

	load_entries_free(r->entries, r->n);
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

/* `changed`: the entry is not what the journal has. */
static void end_entry(struct engine_host *h, bool changed)
{
	struct engine_replay *r = &h->replay;
	const struct load_entry *entry = &r->entries[r->at++];
	bool settled = load_entry_settled(entry);
	struct err err;
	int result = 0;

	if (settled)
		result = load_journal_remove(h->loads_dir, &entry->image, entry->job, &err);
	else if (changed)
		result = load_journal_write(h->loads_dir, entry, &err);
	if (result != 0)
		log_warn("%s", err.text);
	r->kept = r->kept || !settled || result != 0;
}

static void undone(void *ctx, const struct err *err)
{
	struct engine_host *h = ctx;
	struct engine_replay *r = &h->replay;
	struct load_entry *entry = &r->entries[r->at];
	const struct load_entry *left = &r->undo.entry;
	bool changed = entry->n_prefixes != left->n_prefixes || entry->existed != left->existed;

	entry->n_prefixes = left->n_prefixes;
	entry->existed = entry->existed || left->existed;
	end_entry(h, changed);
	tell_away(h, err);
	/* Without an engine there is no use in asking on. */
	if (err && (err->code == ERR_UNREACHABLE || err->code == ERR_INTERRUPTED)) {
		r->at = r->n;
		r->kept = true;
	}
	if (!next_entry(h))
		end_replay(h);
}

bool engine_entry_is_live(const struct engine_host *h, const struct load_entry *entry)
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

		if (engine_entry_is_live(h, entry)) {
			r->at++;
			continue;
		}
		r->undo = (struct engine_undo){ .host = h,
			.entry = *entry,
			.keep = engine_prefix_waits(h, entry),
			.fn = undone,
			.ctx = h };
		if (engine_undo_start(&r->undo))
			return true;
		end_entry(h, false);
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
	load_entries_free(entries, n);
}

/* What else the entry stands for stays. */
static void forget_image(struct engine_host *h, struct load_entry *entry)
{
	struct err err;
	int r;

	entry->existed = true;
	if (load_entry_settled(entry))
		r = load_journal_remove(h->loads_dir, &entry->image, entry->job, &err);
	else
		r = load_journal_write(h->loads_dir, entry, &err);
	if (r != 0)
		log_warn("%s", err.text);
}

static bool is_about(const struct load_entry *entry, const struct digest *id)
{
	return entry->id_known && digest_equal(&entry->id, id);
}

void engine_replay_forget(struct engine_host *h, const struct digest *id)
{
	struct engine_replay *r = &h->replay;
	struct load_entry *entries;
	struct err err;
	size_t n, odd;

	for (size_t i = r->at; i < r->n; i++)
		if (is_about(&r->entries[i], id))
			r->entries[i].existed = true;
	if (r->running && is_about(&r->undo.entry, id))
		r->undo.entry.existed = true;
	if (!r->due && !r->running)
		return;
	if (load_journal_list(h->loads_dir, &entries, &n, &odd, &err) != 0) {
		log_warn("journal of loads: %s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (is_about(&entries[i], id) && !engine_entry_is_live(h, &entries[i]))
			forget_image(h, &entries[i]);
	load_entries_free(entries, n);
}
