/* A load from COMMIT on: the last checks, the archive's end, what the engine made of it, tags. */
#include "server/engine/engine_content.h"
#include "server/engine/engine_load_job.h"

/* --- from COMMIT to the end of the archive --- */

static int check_layers(struct load_job *j, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];

	for (size_t i = 0; i < j->n; i++) {
		if (j->present[i] || (i >= j->there && j->names[i][0]))
			continue;
		digest_text(&j->diff_ids[i], text);
		return err_set(err, ERR_AGAIN, "layer %zu (%s) is not in the engine any more",
			i + 1, text);
	}
	return 0;
}

static void apply(struct load_job *j)
{
	struct err err;

	if (load_call_finish(j, &err) != 0) {
		load_job_fail(j, &err);
		return;
	}
	load_job_enter(j, LOAD_APPLYING);
	load_job_pump(j);
}

static void manifest_known(void *ctx, const struct engine_image *image, const struct err *failed)
{
	struct load_job *j = ctx;

	if (!load_job_call_over(j, failed && failed->code != ERR_NOT_FOUND ? failed : NULL))
		return;
	load_job_identified(j, image != NULL);
	apply(j);
}

static void layers_known(void *ctx, const struct err *failed)
{
	struct load_job *j = ctx;
	struct err err;

	if (!load_job_call_over(j, failed))
		return;
	if (check_layers(j, &err) != 0 ||
		(load_job_by_manifest(j) && load_archive_identify(j, &err) != 0))
		load_job_fail(j, &err);
	else if (load_job_by_manifest(j))
		load_job_inspect(j, manifest_known);
	else
		apply(j);
}

void load_job_turn(struct load_job *j)
{
	if (j->state != LOAD_WAITING || j->n_calls > 1)
		return;
	load_job_enter(j, LOAD_CHECKING);
	j->have = (struct have_check){ .job = &j->job,
		.diff_ids = j->diff_ids,
		.chains = j->chains,
		.n = j->n,
		.present = j->present,
		.held = j->held,
		.fn = layers_known,
		.ctx = j };
	j->calling = true;
	have_check_start(&j->have);
}

int load_job_commit(struct load_job *j, struct err *err)
{
	if (j->state != LOAD_RECEIVING || j->member.open || !j->have_config)
		return err_set(err, ERR_PROTOCOL, "an image's end came before all of it");
	load_job_enter(j, LOAD_WAITING);
	load_job_phase(j, PHASE_APPLYING);
	load_job_turn(j);
	return 0;
}

/* --- from the engine's answer to the tags --- */

static void all_tagged(void *ctx, const struct err *err)
{
	struct load_job *j = ctx;

	if (load_job_call_over(j, err))
		load_job_loaded(j);
}

static int check_image(struct load_job *j, const struct engine_image *image, struct err *err)
{
	if (!digest_equal(&image->id, &j->job.id) || image->n_diff_ids != j->n)
		return err_set(err, ERR_VERIFY, "the engine made another image than was sent");
	for (size_t i = 0; i < j->n; i++)
		if (!digest_equal(&image->diff_ids[i], &j->diff_ids[i]))
			return err_set(err, ERR_VERIFY,
				"the engine's layer %zu is not the one that was sent", i + 1);
	return 0;
}

/* The image names blobs that the store had. From now on it keeps them; if the last image that did
 * went just before, they may be gone. */
static int check_content(struct load_job *j, struct err *err)
{
	const struct engine_info *info = engine_facts(j->job.host->engine);

	for (size_t i = 0; i < j->n; i++)
		if (load_job_by_manifest(j) && j->held[i].media_type &&
			!engine_content_has(info, &j->blobs[i].digest))
			return err_set(err, ERR_AGAIN,
				"layer %zu has just left the receiver's engine", i + 1);
	return 0;
}

static void made_image_seen(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct load_job *j = ctx;
	struct err wrong;

	if (!load_job_call_over(j, err))
		return;
	if (check_image(j, image, &wrong) != 0 || check_content(j, &wrong) != 0) {
		load_job_fail(j, &wrong);
		return;
	}
	load_job_enter(j, LOAD_TAGGING);
	load_job_phase(j, PHASE_TAGGING);
	j->tagging = (struct tagging){ .engine = j->job.host->engine,
		.image = j->job.id,
		.tags = &j->tags,
		.fn = all_tagged,
		.ctx = j };
	j->calling = true;
	tagging_start(&j->tagging);
}

void load_job_verify(struct load_job *j)
{
	load_job_enter(j, LOAD_VERIFYING);
	load_job_phase(j, PHASE_VERIFYING);
	load_job_inspect(j, made_image_seen);
}
