/* A load from COMMIT on: the last checks, the archive's end, what the engine made of it, tags. */
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

static int end_archive(struct load_job *j, struct err *err)
{
	return check_layers(j, err) == 0 ? load_call_finish(j, err) : -1;
}

static void chains_known(void *ctx, const struct err *failed)
{
	struct load_job *j = ctx;
	struct err err;

	if (!load_job_call_over(j, failed))
		return;
	if (end_archive(j, &err) != 0) {
		load_job_fail(j, &err);
		return;
	}
	load_job_enter(j, LOAD_APPLYING);
	load_job_pump(j);
}

void load_job_turn(struct load_job *j)
{
	if (j->state != LOAD_WAITING || j->n_calls > 1)
		return;
	load_job_enter(j, LOAD_CHECKING);
	j->have = (struct have_check){ .job = &j->job,
		.chains = j->chains,
		.n = j->n,
		.present = j->present,
		.fn = chains_known,
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

static bool is_what_was_sent(const struct load_job *j, const struct engine_image *image)
{
	if (image->n_diff_ids != j->n)
		return false;
	for (size_t i = 0; i < j->n; i++)
		if (!digest_equal(&image->diff_ids[i], &j->diff_ids[i]))
			return false;
	return true;
}

static void made_image_seen(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct load_job *j = ctx;
	struct err wrong;

	if (image) {
		j->found = true;
		if (is_what_was_sent(j, image)) {
			j->right = true;
			j->id = image->id;
		}
		return;
	}
	if (!load_job_call_over(j, err))
		return;
	if (!j->right) {
		if (j->found)
			err_set(&wrong, ERR_VERIFY,
				"the layers of the image that the engine made are not those that "
				"were sent");
		else
			err_set(&wrong, ERR_NOT_FOUND,
				"the engine does not have the image that it loaded");
		load_job_fail(j, &wrong);
		return;
	}
	load_job_enter(j, LOAD_TAGGING);
	load_job_phase(j, PHASE_TAGGING);
	j->tagging = (struct tagging){ .engine = j->job.host->engine,
		.image = j->id,
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
	load_job_find(j, made_image_seen);
}
