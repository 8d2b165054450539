/*
 * DROP: an image that the key has brought without a name goes, because only its chunks were wanted.
 * Happy path: found -> nobody else has a name for it -> no container is made of it -> removed. One
 * that is used or named is left: the call is answered all the same.
 */
#include "server/container/engine_migrate.h"

static struct engine *engine_of(const struct migrate_job *j)
{
	return j->job.host->engine;
}

static void removed(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (migrate_went_well(j, failed && failed->code != ERR_NOT_FOUND ? failed : NULL))
		migrate_answer(j, NULL);
}

static void use_known(void *ctx, bool yes, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (failed || yes)
		removed(j, failed);
	else
		engine_remove_image(engine_of(j), &j->made_of, removed, j);
}

/* Those with the config that was named, one after the other; then NULL. */
static void image_seen(void *ctx, const struct engine_image *image, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (image && !j->found && image->n_tags == 0) {
		j->found = true;
		j->made_of = image->id;
	}
	if (image)
		return;
	if (failed || !j->found)
		removed(j, failed);
	else
		engine_image_in_use(engine_of(j), &j->made_of, use_known, j);
}

void migrate_drop(struct migrate_job *j)
{
	struct err err;

	if (engine_image_held(j->job.host, j->job.key, &j->job.image)) {
		engine_find_images(engine_of(j), &j->job.image, image_seen, j);
		return;
	}
	err_set(&err, ERR_NOT_FOUND, "no image without a name that this key has brought");
	migrate_failed(j, &err);
}
