/* TAG: an image that is there already gets its tags. Also what a load needs of it: the list that a
 * key may give, and giving one tag after the other. */
#include "server/engine/engine_tags.h"

#include "protocol/limits.h"
#include "server/engine/engine_side.h"

#include <stdlib.h>
#include <string.h>

/* --- lists of them --- */

void tag_list_done(struct tag_list *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->at[i]);
	free(t->at);
	*t = (struct tag_list){ 0 };
}

/* Printable ASCII without spaces; what else a tag must be is the engine's business. */
static bool is_tag_text(const wire_text *t)
{
	if (t->n == 0 || t->n > TAG_LEN_MAX)
		return false;
	for (uint16_t i = 0; i < t->n; i++)
		if (t->s[i] <= ' ' || t->s[i] >= 0x7f)
			return false;
	return true;
}

static int take_tag(struct tag_list *list, struct engine_host *h, const char *key,
	const wire_text *text, struct err *err)
{
	char *tag;

	if (!is_tag_text(text))
		return err_set(
			err, ERR_PROTOCOL, "a tag that is empty, too long or not plain text");
	tag = wire_text_dup(text);
	if (!tag)
		return err_nomem(err);
	list->at[list->n++] = tag;
	if (!h->may_tag(h->ctx, key, tag))
		return err_set(err, ERR_REFUSED, "this key may not push %s", tag);
	return 0;
}

int tag_list_take(struct tag_list *ret, struct engine_host *h, const char *key,
	const wire_texts *tags, struct err *err)
{
	const uint8_t *at = tags->raw;
	wire_text text;

	*ret = (struct tag_list){ 0 };
	if (tags->n > OFFER_TAGS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u tags", OFFER_TAGS_MAX);
	ret->at = calloc(tags->n + 1u, sizeof(ret->at[0]));
	if (!ret->at)
		return err_nomem(err);
	while (ret->n < tags->n && wire_texts_next(tags, &at, &text)) {
		if (take_tag(ret, h, key, &text, err) != 0) {
			tag_list_done(ret);
			return -1;
		}
	}
	return 0;
}

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
		engine_job_failed(&j->job, err);
	} else if (!j->aborted) {
		engine_image_kept(j->job.host, &j->job.id);
		m.loaded.job = j->job.number;
		m.loaded.id = j->job.id;
		m.loaded.tags = (uint16_t)j->tags.n;
		engine_job_reply(&j->job, &m);
	}
	tag_list_done(&j->tags);
	engine_job_free(&j->job);
}

static void all_tagged(void *ctx, const struct err *err)
{
	end(ctx, err);
}

/* The image was there when the client asked: another load, or the user, took it away. */
static void end_gone(struct tag_job *j)
{
	struct err err;

	err_set(&err, ERR_AGAIN, "the image has just left the receiver's engine");
	end(j, &err);
}

/* An image that the key may not know of is to it as one that is gone. */
static bool may_see(const struct tag_job *j, const struct engine_image *image)
{
	const struct engine_host *h = j->job.host;

	return h->may_see(h->ctx, j->job.key, (const char *const *)image->tags, image->n_tags);
}

static void found(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct tag_job *j = ctx;
	struct port_message m = { .type = PORT_PHASE };

	if (image) {
		if (may_see(j, image)) {
			j->job.id_known = true;
			j->job.id = image->id;
		}
		return;
	}
	if (err || j->aborted) {
		end(j, err);
		return;
	}
	if (!j->job.id_known) {
		end_gone(j);
		return;
	}
	m.phase.job = j->job.number;
	m.phase.phase = PHASE_TAGGING;
	engine_job_reply(&j->job, &m);
	j->tagging = (struct tagging){ .engine = j->job.host->engine,
		.image = j->job.id,
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
	engine_find_images(job->host->engine, &job->image, found, job);
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
