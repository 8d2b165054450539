#include "server/engine_undo.h"

#include "common/base/log.h"
#include "server/engine_side.h"

#include <string.h>
#include <time.h>

/* --- one load --- */

static void end_undo(struct engine_undo *u, bool settled, const struct err *err)
{
	struct engine_host *h = u->host;
	struct engine_undo **at = &h->undos;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	u->fn(u->ctx, settled, err);
	engine_jobs_wake(h);
}

static void removed(void *ctx, const struct err *err)
{
	end_undo(ctx, !err || err->code == ERR_NOT_FOUND, err);
}

static void use_known(void *ctx, bool yes, const struct err *err)
{
	struct engine_undo *u = ctx;

	if (err || yes)
		end_undo(u, !err, err);
	else
		engine_remove_image(u->host->engine, &u->entry.image, removed, u);
}

static bool may_come_late(const struct load_entry *entry)
{
	uint64_t now = (uint64_t)time(NULL);

	return entry->committed != 0 && now >= entry->committed &&
	       now - entry->committed < UNDO_LATE_SECONDS;
}

static void inspected(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct engine_undo *u = ctx;

	if (err && err->code == ERR_NOT_FOUND)
		end_undo(u, !may_come_late(&u->entry), NULL);
	else if (err)
		end_undo(u, false, err);
	else if (image->n_tags > 0)
		end_undo(u, true, NULL);
	else
		engine_image_in_use(u->host->engine, &u->entry.image, use_known, u);
}

/* Is another job about to tag the image, or to find that it cannot? Those that wait are not. */
static bool wanted_by_others(const struct engine_undo *u)
{
	for (const struct engine_job *j = u->host->jobs; j; j = j->next)
		if (j != u->except && j->wants_image && !j->go &&
			digest_equal(&j->image, &u->entry.image))
			return true;
	return false;
}

bool engine_undo_start(struct engine_undo *u)
{
	char text[DIGEST_TEXT_LEN + 1];

	if (wanted_by_others(u))
		return false;
	u->next = u->host->undos;
	u->host->undos = u;
	digest_text(&u->entry.image, text);
	engine_inspect_image(u->host->engine, text, inspected, u);
	return true;
}

/* --- all that an earlier run left --- */

static bool next_entry(struct engine_host *h);

static void end_replay(struct engine_replay *r)
{
	load_journal_free(r->entries, r->n);
	r->entries = NULL;
	r->n = r->at = 0;
	r->running = false;
	r->due = r->kept;
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
	if (err && err->code == ERR_UNREACHABLE)
		log_warn("unfinished loads are cleaned up later: %s", err->text);
	/* Without an engine there is no use in asking on. */
	if (err && (err->code == ERR_UNREACHABLE || err->code == ERR_INTERRUPTED)) {
		r->at = r->n;
		r->kept = true;
	}
	if (!next_entry(h))
		end_replay(r);
}

/* Is this the entry of a load that runs now? */
static bool is_live(const struct engine_host *h, const struct load_entry *entry)
{
	for (const struct engine_job *j = h->jobs; j; j = j->next)
		if (j->journaled && j->number == entry->job &&
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

	if (r->running || !r->due)
		return;
	r->kept = false;
	if (load_journal_list(h->loads_dir, &r->entries, &r->n, &odd, &err) != 0) {
		log_warn("journal of loads: %s", err.text);
		return;
	}
	if (odd > 0)
		log_warn("%s holds %zu damaged files", h->loads_dir, odd);
	r->running = true;
	if (!next_entry(h))
		end_replay(r);
}
