/*
 * PREPARE: networks and the container are made; nothing is started. Happy path: what is half made
 * goes -> the image, and its name if that is free -> networks -> volumes -> the container -> its
 * further networks -> what became of it (engine_compare.c) -> PREPARED in the journal. What is made
 * is in the journal before it is. Failure modes: the engine's; what was made until then is left for
 * the same call again, or for UNDO.
 */
#include "server/container/engine_migrate.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct engine *engine_of(const struct migrate_job *j)
{
	return j->job.host->engine;
}

static int journal(struct migrate_job *j, struct err *err)
{
	return migration_journal(j->job.host, j->m, err);
}

/* --- the end --- */

/* The policy is set when the container goes live; that it is not yet is no news. */
static void drop_row(struct fidelity *f, const char *field)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct fidelity_row row = f->rows[i];

		if (strcmp(row.field, field) == 0 && row.outcome != FIDELITY_CARRIED) {
			free(row.field);
			free(row.reason);
			free(row.was);
			free(row.now);
			continue;
		}
		f->rows[n++] = row;
	}
	f->n = n;
}

static void compared(struct migrate_job *j)
{
	struct err err = { 0 };

	drop_row(&j->report, "HostConfig.RestartPolicy");
	json_decref(j->m->report);
	j->m->report = fidelity_json(&j->report);
	j->m->preparing = false;
	j->m->stage = STAGE_PREPARED;
	if (!j->m->report)
		err_nomem(&err);
	else if (journal(j, &err) == 0) {
		log_info("%s is made, not started", container_order_name(&j->m->order));
		migrate_answer(j, NULL);
		return;
	}
	j->m->stage = STAGE_OFFERED;
	j->m->preparing = true;
	migrate_failed(j, &err);
}

/* --- further networks --- */

static void next_connect(struct migrate_job *j);

static void connected(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (!migrate_went_well(j, failed))
		return;
	j->at++;
	next_connect(j);
}

static void next_connect(struct migrate_job *j)
{
	const json_t *row = json_array_get(j->request.connects, j->at);
	const char *network = json_string_value(json_object_get(row, "network"));
	json_t *endpoint = json_object_get(json_object_get(row, "body"), "EndpointConfig");

	if (!row)
		migrate_compare(j, compared);
	else
		engine_connect_network(engine_of(j), network ? network : "", j->m->container,
			endpoint, connected, j);
}

/* --- the container --- */

static void created(void *ctx, const char *id, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct err err;

	if (!migrate_went_well(j, failed))
		return;
	if (strlen(id) > CONTAINER_ID_MAX) {
		err_set(&err, ERR_ENGINE, "the engine gave the container an ID that is none");
		migrate_failed(j, &err);
		return;
	}
	snprintf(j->m->container, sizeof(j->m->container), "%s", id);
	if (journal(j, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	j->at = 0;
	next_connect(j);
}

/* Everything that it needs is there: from here on a container of its name that never ran is ours.
 */
static void create(struct migrate_job *j)
{
	struct err err;

	j->m->preparing = true;
	if (journal(j, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	engine_create_container(engine_of(j), j->request.name, j->request.create, created, j);
}

static void name_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct err err;

	(void)o;
	if (failed && failed->code == ERR_NOT_FOUND) {
		create(j);
		return;
	}
	if (!failed)
		err_set(&err, ERR_FAILED, "the target has got a container named %s meanwhile",
			j->request.name);
	migrate_failed(j, failed ? failed : &err);
}

/* --- volumes --- */

static void next_volume(struct migrate_job *j);

static void volume_made(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;

	(void)o;
	if (!migrate_went_well(j, failed))
		return;
	j->at++;
	next_volume(j);
}

static void volume_seen(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	json_t *body = json_array_get(j->request.volumes, j->at);
	const char *name = json_string_value(json_object_get(body, "Name"));
	struct err err;

	if (!failed || failed->code != ERR_NOT_FOUND) {
		volume_made(j, o, failed);
		return;
	}
	if (migration_will_make(j->m->volumes, name, &err) != 0 || journal(j, &err) != 0)
		migrate_failed(j, &err);
	else
		engine_create_volume(engine_of(j), body, volume_made, j);
}

static void next_volume(struct migrate_job *j)
{
	const json_t *body = json_array_get(j->request.volumes, j->at);
	const char *name = json_string_value(json_object_get(body, "Name"));

	if (!body)
		engine_inspect_container(engine_of(j), j->request.name, name_known, j);
	else
		engine_inspect_volume(engine_of(j), name ? name : "", volume_seen, j);
}

/* --- networks --- */

static void next_network(struct migrate_job *j);

static void network_made(void *ctx, const char *id, const struct err *failed)
{
	struct migrate_job *j = ctx;

	(void)id;
	if (!migrate_went_well(j, failed))
		return;
	j->at++;
	next_network(j);
}

static int make_network(struct migrate_job *j, const struct network_plan_row *row, struct err *err)
{
	if (row->step == NETWORK_CLASH)
		return err_set(err, ERR_FAILED, "the network %s: %s", row->name, row->reason);
	if (migration_will_make(j->m->networks, row->name, err) != 0 || journal(j, err) != 0)
		return -1;
	engine_create_network(engine_of(j), row->body, network_made, j);
	return 0;
}

static void next_network(struct migrate_job *j)
{
	struct err err;

	while (j->at < j->plan.n && j->plan.rows[j->at].step == NETWORK_MATCHED)
		j->at++;
	if (j->at == j->plan.n) {
		j->at = 0;
		next_volume(j);
	} else if (make_network(j, &j->plan.rows[j->at], &err) != 0) {
		migrate_failed(j, &err);
	}
}

static void networks_known(void *ctx, json_t *o, const struct err *failed)
{
	struct migrate_job *j = ctx;
	struct container_choice choice = migrate_choice(j);
	struct err err;

	if (!migrate_went_well(j, failed))
		return;
	choice.image = j->m->tag[0] ? j->m->tag : j->m->image;
	choice.no_restart = true;
	if (network_plan_make(j->m->order.manifest, o, &j->target, &j->plan, &err) != 0 ||
		container_request_build(
			j->m->order.manifest, &j->target, &choice, &j->request, &err) != 0) {
		migrate_failed(j, &err);
		return;
	}
	j->at = 0;
	next_network(j);
}

/* --- the image --- */

static void image_named(void *ctx, const struct err *failed)
{
	struct migrate_job *j = ctx;

	if (migrate_went_well(j, failed))
		engine_list_networks(engine_of(j), networks_known, j);
}

/* Its own name, when nothing else at the target has it and the key may give it. */
static void name_free(void *ctx, const struct engine_image *there, const struct err *failed)
{
	struct migrate_job *j = ctx;
	const char *name = container_image_name(j->m->order.manifest);
	bool is_this = there && digest_equal(&there->id, &j->made_of);
	struct err err;

	if (failed && failed->code != ERR_NOT_FOUND) {
		migrate_failed(j, failed);
		return;
	}
	if (there && !is_this) {
		j->m->tag[0] = '\0';
		image_named(j, NULL);
		return;
	}
	snprintf(j->m->tag, sizeof(j->m->tag), "%s", name);
	j->m->tagged = j->m->tagged || !is_this;
	if (journal(j, &err) != 0)
		migrate_failed(j, &err);
	else if (is_this)
		image_named(j, NULL);
	else
		engine_tag_image(engine_of(j), &j->made_of, name, image_named, j);
}

static bool may_see(const struct migrate_job *j, const struct engine_image *image)
{
	const struct engine_host *h = j->job.host;

	return h->may_see(h->ctx, j->job.key, (const char *const *)image->tags, image->n_tags) ||
	       engine_image_held(h, j->job.key, &j->job.image);
}

/* Those with the config that was named, one after the other; then NULL. */
static void image_seen(void *ctx, const struct engine_image *image, const struct err *failed)
{
	struct migrate_job *j = ctx;
	const struct engine_host *h = j->job.host;
	const char *name = container_image_name(j->m->order.manifest);
	struct err err;

	if (image && !j->found && may_see(j, image)) {
		j->found = true;
		j->made_of = image->id;
	}
	if (image)
		return;
	if (!migrate_went_well(j, failed))
		return;
	if (!j->found) {
		err_set(&err, ERR_NOT_FOUND,
			"the container's image is not at the target (any more)");
		migrate_failed(j, &err);
		return;
	}
	digest_text(&j->made_of, j->m->image);
	if (name && strlen(name) < sizeof(j->m->tag) && h->may_tag(h->ctx, j->job.key, name))
		engine_inspect_image(engine_of(j), name, name_free, j);
	else
		image_named(j, NULL);
}

static void learned(struct migrate_job *j)
{
	engine_find_images(engine_of(j), &j->job.image, image_seen, j);
}

static void begin(struct migrate_job *j)
{
	migrate_learn(j, learned);
}

void migrate_prepare(struct migrate_job *j)
{
	struct err err;

	if (j->m->stage == STAGE_OFFERED) {
		migrate_drop_half_made(j, begin);
	} else if (j->m->stage == STAGE_PREPARED) {
		migrate_answer(j, NULL);
	} else {
		err_set(&err, ERR_USAGE,
			"the container was started or undone: it cannot be made anew");
		migrate_failed(j, &err);
	}
}
