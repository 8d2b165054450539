#include "server/engine/engine_undo.h"

#include "server/engine/engine_side.h"

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
		engine_remove_image(u->host->engine, &u->id, removed, u);
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

static void found(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct engine_undo *u = ctx;

	if (image) {
		u->found = true;
		u->tagged = u->tagged || image->n_tags > 0;
		u->id = image->id;
		return;
	}
	if (err)
		end_undo(u, false, err);
	else if (!u->found)
		end_undo(u, !may_come_late(u), NULL);
	else if (u->tagged)
		end_undo(u, true, NULL);
	else
		engine_image_in_use(u->host->engine, &u->id, use_known, u);
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
	if (wanted_by_others(u))
		return false;
	u->next = u->host->undos;
	u->host->undos = u;
	engine_find_images(u->host->engine, &u->entry.image, found, u);
	return true;
}
