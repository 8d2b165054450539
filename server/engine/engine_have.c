#include "server/engine/engine_have.h"

#include "common/base/log.h"
#include "protocol/limits.h"
#include "server/engine/engine_prefix.h"
#include "server/engine/engine_room.h"

#include <stdlib.h>
#include <string.h>

/* --- the check --- */

static void mark(struct have_check *c, const struct engine_image *image)
{
	struct digest chain;

	if (image->config_known && digest_equal(&image->config, &c->job->image))
		c->image_present = true;
	for (size_t i = 0; i < image->n_diff_ids; i++) {
		chain = digest_chain(i ? &chain : NULL, &image->diff_ids[i]);
		for (size_t k = 0; k < c->n; k++)
			if (digest_equal(&chain, &c->chains[k]))
				c->present[k] = 1;
	}
}

/* What another load, or another drayd, has there on its way goes any moment. A journal that cannot
 * be read costs only that layers are sent again. */
static bool is_for(struct have_check *c, const struct engine_image *image)
{
	struct err err;
	size_t odd = 0;

	if (!c->journal_read && load_journal_list(c->job->host->loads_dir, &c->journal,
					&c->n_journal, &odd, &err) != 0)
		log_warn("journal of loads: %s", err.text);
	c->journal_read = true;
	return image->config_known &&
	       engine_prefix_is_for(c->job, c->journal, c->n_journal, &image->config);
}

static bool counts(struct have_check *c, const struct engine_image *image)
{
	const struct engine_host *h = c->job->host;

	if (image->partial)
		return is_for(c, image);
	return h->may_see(h->ctx, c->job->key, (const char *const *)image->tags, image->n_tags);
}

static void take_image(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct have_check *c = ctx;

	if (image) {
		if (counts(c, image))
			mark(c, image);
		return;
	}
	load_entries_free(c->journal, c->n_journal);
	c->journal = NULL;
	c->fn(c->ctx, err);
}

void have_check_start(struct have_check *c)
{
	engine_list_images(c->job->host->engine, take_image, c);
}

/* --- the job --- */

struct have_job {
	struct engine_job job;
	struct digest *chains;
	uint8_t *present;
	struct have_check check;
	struct engine_info info; /* what it says of itself, if it does */
	bool info_known;
	bool aborted;
};

static void free_job(struct have_job *j)
{
	free(j->chains);
	free(j->present);
	engine_job_free(&j->job);
}

static void reply(struct have_job *j)
{
	struct port_message m = { .type = PORT_HAVE_REPLY };
	const struct engine_info *info = j->info_known ? &j->info : NULL;

	m.have_reply.job = j->job.number;
	m.have_reply.image_present = j->check.image_present;
	m.have_reply.chains = (wire_bytes){ .p = j->present, .n = (uint32_t)j->check.n };
	m.have_reply.room = info ? engine_room(info) : ENGINE_ROOM_UNKNOWN;
	if (info)
		m.have_reply.root = wire_text_of(info->data_root, strlen(info->data_root));
	engine_job_reply(&j->job, &m);
}

static void checked(void *ctx, const struct err *err)
{
	struct have_job *j = ctx;

	if (!j->aborted && err)
		engine_job_failed(&j->job, err);
	else if (!j->aborted)
		reply(j);
	free_job(j);
}

/* The engine's answer about itself is no condition: without it, nothing is known of its disk. It is
 * asked first because its store may be another one than it was, which changes what the rest means.
 */
static void info_known(void *ctx, const struct engine_info *info, const struct err *err)
{
	struct have_job *j = ctx;

	(void)err;
	if (j->aborted) {
		free_job(j);
		return;
	}
	j->info_known = info != NULL;
	j->job.host->prefixes_pay = info && engine_prefix_pays(info);
	if (info)
		j->info = *info;
	have_check_start(&j->check);
}

/* The call that is under way ends the job, if there is one. */
static void abort_have(struct engine_job *job)
{
	struct have_job *j = (struct have_job *)job;

	j->aborted = true;
	if (job->go)
		free_job(j);
}

static const struct engine_job_ops have_ops = { .abort = abort_have };

static int prepare(struct have_job *j, const struct port_have *m, struct err *err)
{
	if (m->chains.n > OFFER_LAYERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u layers", OFFER_LAYERS_MAX);
	j->chains = calloc(m->chains.n + 1u, sizeof(j->chains[0]));
	j->present = calloc(m->chains.n + 1u, 1);
	if (!j->chains || !j->present)
		return err_nomem(err);
	if (m->chains.n)
		memcpy(j->chains, m->chains.at, m->chains.n * sizeof(j->chains[0]));
	j->check = (struct have_check){ .job = &j->job,
		.chains = j->chains,
		.n = m->chains.n,
		.present = j->present,
		.fn = checked,
		.ctx = j };
	return 0;
}

static void go(struct engine_job *job)
{
	engine_get_info(job->host->engine, info_known, job);
}

void engine_have_take(struct engine_host *h, const struct port_have *m)
{
	struct have_job *j = (struct have_job *)engine_job_new(
		h, sizeof(*j), &have_ops, m->job, &m->key, &m->image);
	struct err err;

	if (!j)
		return;
	if (prepare(j, m, &err) != 0) {
		engine_job_failed(&j->job, &err);
		free_job(j);
		return;
	}
	engine_job_wait(&j->job, go);
}
