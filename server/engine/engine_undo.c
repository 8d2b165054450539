#include "server/engine/engine_undo.h"

#include "server/engine/engine_side.h"

#include <string.h>
#include <time.h>

static void next_target(struct engine_undo *u);

static void end_undo(struct engine_undo *u)
{
	struct engine_host *h = u->host;
	struct engine_undo **at = &h->undos;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	u->fn(u->ctx, u->err.code == ERR_NONE ? NULL : &u->err);
	engine_jobs_wake(h);
}

/* --- one image --- */

/* Without an engine there is no use in asking on. */
static void target_over(struct engine_undo *u, bool settled, const struct err *err)
{
	struct load_entry *e = &u->entry;

	if (err)
		u->err = *err;
	if (u->at == e->n_prefixes) {
		e->existed = e->existed || settled;
		u->image_left = !settled;
	} else if (settled) {
		e->n_prefixes--;
		memmove(&e->prefixes[u->at], &e->prefixes[u->at + 1],
			(e->n_prefixes - u->at) * sizeof(e->prefixes[0]));
	} else {
		u->at++;
	}
	if (err && (err->code == ERR_UNREACHABLE || err->code == ERR_INTERRUPTED))
		end_undo(u);
	else
		next_target(u);
}

static void removed(void *ctx, const struct err *err)
{
	bool gone = !err || err->code == ERR_NOT_FOUND;

	target_over(ctx, gone, gone ? NULL : err);
}

static void use_known(void *ctx, bool yes, const struct err *err)
{
	struct engine_undo *u = ctx;

	if (err || yes)
		target_over(u, !err, err);
	else
		engine_remove_image(u->host->engine, &u->target, removed, u);
}

/* What an earlier process left had its connection until that one ended, which was before this one
 * began. */
static bool may_come_late(const struct engine_undo *u)
{
	uint64_t now = (uint64_t)time(NULL), since = u->entry.committed;

	if (since == 0)
		return false;
	if (since < u->host->started)
		since = u->host->started;
	return now >= since && now - since < UNDO_LATE_SECONDS;
}

static void inspected(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct engine_undo *u = ctx;

	if (err && err->code == ERR_NOT_FOUND)
		target_over(u, !may_come_late(u), NULL);
	else if (err)
		target_over(u, false, err);
	else if (image->n_tags > 0)
		target_over(u, true, NULL);
	else
		engine_image_in_use(u->host->engine, &u->target, use_known, u);
}

/* --- one after the other --- */

/* Is another job about to tag the image, or to find that it cannot? Those that wait are not. */
static bool wanted_by_others(const struct engine_undo *u)
{
	for (const struct engine_job *j = u->host->jobs; j; j = j->next)
		if (j != u->except && j->wants_image && !j->go &&
			digest_equal(&j->image, &u->entry.image))
			return true;
	return false;
}

static bool image_is_next(const struct engine_undo *u)
{
	return u->at == u->entry.n_prefixes && u->entry.id_known && !u->entry.existed &&
	       !u->image_left && !wanted_by_others(u);
}

static void next_target(struct engine_undo *u)
{
	char text[DIGEST_TEXT_LEN + 1];

	if (u->at < u->entry.n_prefixes) {
		u->target = u->entry.prefixes[u->at];
	} else if (image_is_next(u)) {
		u->target = u->entry.id;
	} else {
		end_undo(u);
		return;
	}
	digest_text(&u->target, text);
	engine_inspect_image(u->host->engine, text, inspected, u);
}

bool engine_undo_start(struct engine_undo *u)
{
	if (u->keep)
		u->at = u->entry.n_prefixes;
	if (u->at == u->entry.n_prefixes && !image_is_next(u))
		return false;
	u->next = u->host->undos;
	u->host->undos = u;
	next_target(u);
	return true;
}
