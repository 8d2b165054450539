/* TAG: an image that is there already gets its tags. Also what a load does at its end. */
#include "server/engine_tags.h"

#include "server/engine_side.h"

#include <stdlib.h>

/* --- one tag after the other --- */

static void next_tag(struct tagging *t);

static void tagged(void *ctx, const struct err *err)
{
	struct tagging *t = ctx;

	if (err) {
		t->fn(t->ctx, err);
		return;
	}
	t->at++;
	next_tag(t);
}

static void next_tag(struct tagging *t)
{
	if (t->at == t->tags->n)
		t->fn(t->ctx, NULL);
	else
		engine_tag_image(t->engine, &t->image, t->tags->at[t->at], tagged, t);
}

void tagging_start(struct tagging *t)
{
	t->at = 0;
	next_tag(t);
}

/* --- the job --- */

struct tag_job {
	struct engine_job job;
	struct tag_list tags;
	struct tagging tagging;
	bool aborted;
};

static void end(struct tag_job *j, const struct err *err)
{
	struct port_message m = { .type = PORT_LOADED };

	if (err && !j->aborted) {
		engine_side_failed(j->job.host, j->job.number, err);
	} else if (!j->aborted) {
		m.loaded.job = j->job.number;
		m.loaded.image = j->job.image;
		m.loaded.tags = (uint16_t)j->tags.n;
		engine_side_reply(j->job.host, &m);
	}
	tag_list_done(&j->tags);
	engine_job_free(&j->job);
}

static void all_tagged(void *ctx, const struct err *err)
{
	end(ctx, err);
}

static void inspected(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct tag_job *j = ctx;
	struct port_message m = { .type = PORT_PHASE };

	(void)image;
	if (err || j->aborted) {
		end(j, err);
		return;
	}
	m.phase.job = j->job.number;
	m.phase.phase = PHASE_TAGGING;
	engine_side_reply(j->job.host, &m);
	j->tagging = (struct tagging){ .engine = j->job.host->engine,
		.image = j->job.image,
		.tags = &j->tags,
		.fn = all_tagged,
		.ctx = j };
	tagging_start(&j->tagging);
}

/* The call that is under way ends the job, if there is one. */
static void abort_tag(struct engine_job *job)
{
	struct tag_job *j = (struct tag_job *)job;

	j->aborted = true;
	if (job->go)
		end(j, NULL);
}

static void go(struct engine_job *job)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(&job->image, text);
	engine_inspect_image(job->host->engine, text, inspected, job);
}

static const struct engine_job_ops tag_ops = { .abort = abort_tag };

void engine_tag_take(struct engine_host *h, const struct port_tag *m)
{
	struct tag_job *j = (struct tag_job *)engine_job_new(
		h, sizeof(*j), &tag_ops, m->job, &m->key, &m->image);
	struct err err;

	if (!j)
		return;
	j->job.wants_image = true;
	if (tag_list_take(&j->tags, h, j->job.key, &m->tags, &err) != 0) {
		end(j, &err);
		return;
	}
	engine_job_wait(&j->job, go);
}
