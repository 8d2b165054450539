/* What became of the container at the target: a manifest is built of it as on the source, and the
 * two are compared. */
#include "common/engine/container_facts.h"
#include "server/container/engine_migrate.h"

static int compare(struct migrate_job *j, const struct container_facts *made, struct err *err)
{
	struct container_choice choice = migrate_choice(j);

	choice.image = j->m->tag[0] ? j->m->tag : j->m->image;
	fidelity_done(&j->report);
	return container_compare(
		j->m->order.manifest, made->manifest, &made->target, &choice, &j->report, err);
}

static void seen(void *ctx, const struct container_facts *facts, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct err err;

	if (!migrate_went_well(j, failed))
		return;
	if (compare(j, facts, &err) != 0)
		migrate_failed(j, &err);
	else
		j->learned(j);
}

void migrate_compare(struct migrate_job *j, void (*next)(struct migrate_job *j))
{
	struct err err;

	j->learned = next;
	if (engine_container_facts(j->job.host->engine, j->m->container, seen, j, &err) != 0)
		migrate_failed(j, &err);
}
