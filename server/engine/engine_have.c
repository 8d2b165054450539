#include "server/engine/engine_have.h"

#include "common/base/log.h"
#include "protocol/limits.h"
#include "server/engine/engine_content.h"
#include "server/engine/engine_prefix.h"
#include "server/engine/engine_room.h"

#include <stdlib.h>
#include <string.h>

/* --- the check --- */

static const struct engine_info *facts(const struct have_check *c)
{
	return engine_facts(c->job->host->engine);
}

/* Is the offer's layer k this one? The classic store and containerd's know a layer together with
 * what is below it, Podman alone. */
static bool matches(const struct have_check *c, size_t k, const struct digest *diff_id,
	const struct digest *chain)
{
	return facts(c)->podman ? digest_equal(diff_id, &c->diff_ids[k])
				: digest_equal(chain, &c->chains[k]);
}

/* One layer of an image: `held` is NULL where its name is enough. */
static void mark_layer(struct have_check *c, const struct digest *diff_id,
	const struct digest *chain, const struct archive_layer *held)
{
	for (size_t k = 0; k < c->n; k++) {
		if (c->present[k] || !matches(c, k, diff_id, chain))
			continue;
		c->present[k] = 1;
		if (held)
			c->held[k] = *held;
	}
}

static bool is_image(const struct have_check *c, const struct engine_image *image)
{
	return image->config_known && digest_equal(&image->config, &c->job->image);
}

static void mark(struct have_check *c, const struct engine_image *image)
{
	struct digest chain;

	c->image_present = c->image_present || is_image(c, image);
	for (size_t i = 0; i < image->n_diff_ids; i++) {
		chain = digest_chain(i ? &chain : NULL, &image->diff_ids[i]);
		mark_layer(c, &image->diff_ids[i], &chain, NULL);
	}
}

/* The lowest layer is enough to tell: a chain is only shared from below. */
static bool shares(const struct have_check *c, const struct engine_image *image)
{
	return (c->n == 0 && image->n_diff_ids == 0) ||
	       (c->n > 0 && image->n_diff_ids > 0 &&
		       digest_equal(&c->diff_ids[0], &image->diff_ids[0]));
}

static void tell_hidden(struct engine_host *h)
{
	if (!h->content_hidden)
		log_warn("the files of containerd's store cannot be read: layers that it has are "
			 "loaded again as a whole");
	h->content_hidden = true;
}

/* An image of which the store lacks blobs counts for nothing: it would run, but neither it nor what
 * shares those layers could be saved. */
static void mark_held(struct have_check *c, const struct engine_image *image)
{
	CLEANUP(cleanup_free)
	struct archive_layer *held = calloc(image->n_diff_ids + 1, sizeof(*held));
	struct digest chain;
	bool whole = true;

	if (!held || !shares(c, image))
		return;
	if (!engine_content_layers(facts(c), image, held)) {
		tell_hidden(c->job->host);
		return;
	}
	for (size_t i = 0; i < image->n_diff_ids; i++) {
		chain = digest_chain(i ? &chain : NULL, &image->diff_ids[i]);
		if (held[i].media_type)
			mark_layer(c, &image->diff_ids[i], &chain, &held[i]);
		whole = whole && held[i].media_type;
	}
	c->image_present = c->image_present || (whole && is_image(c, image));
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

static void end_check(struct have_check *c, const struct err *err)
{
	load_entries_free(c->journal, c->n_journal);
	c->journal = NULL;
	c->fn(c->ctx, err);
}

static void take_image(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct have_check *c = ctx;

	if (!image)
		end_check(c, err);
	else if (!counts(c, image))
		return;
	else if (facts(c)->containerd_store)
		mark_held(c, image);
	else
		mark(c, image);
}

static void list_all(struct have_check *c)
{
	engine_list_images(c->job->host->engine, take_image, c);
}

static void asked_for_one(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct have_check *c = ctx;

	(void)err;
	if (!image || !counts(c, image)) {
		list_all(c);
		return;
	}
	mark(c, image);
	end_check(c, NULL);
}

/* A list of all images takes Podman seconds: an image that is there need not wait for it. */
void have_check_start(struct have_check *c)
{
	const struct engine_info *info = facts(c);
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(&c->job->image, text);
	if (info && info->podman)
		engine_inspect_image(c->job->host->engine, text, asked_for_one, c);
	else
		list_all(c);
}

/* --- the job --- */

struct have_job {
	struct engine_job job;
	struct digest *diff_ids, *chains;
	uint8_t *present;
	struct archive_layer *held;
	struct have_check check;
	struct engine_info info; /* what it says of itself, if it does */
	bool info_known;
	bool aborted;
};

static void free_job(struct have_job *j)
{
	free(j->diff_ids);
	free(j->chains);
	free(j->present);
	free(j->held);
	engine_job_free(&j->job);
}

static void reply(struct have_job *j)
{
	struct port_message m = { .type = PORT_HAVE_REPLY };
	const struct engine_info *info = j->info_known ? &j->info : NULL;

	m.have_reply.job = j->job.number;
	m.have_reply.image_present = j->check.image_present;
	m.have_reply.layers = (wire_bytes){ .p = j->present, .n = (uint32_t)j->check.n };
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
	size_t n = m->diff_ids.n;

	if (n > OFFER_LAYERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u layers", OFFER_LAYERS_MAX);
	j->diff_ids = calloc(n + 1, sizeof(j->diff_ids[0]));
	j->chains = calloc(n + 1, sizeof(j->chains[0]));
	j->present = calloc(n + 1, sizeof(j->present[0]));
	j->held = calloc(n + 1, sizeof(j->held[0]));
	if (!j->diff_ids || !j->chains || !j->present || !j->held)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		j->diff_ids[i] = m->diff_ids.at[i];
		j->chains[i] = digest_chain(i ? &j->chains[i - 1] : NULL, &j->diff_ids[i]);
	}
	j->check = (struct have_check){ .job = &j->job,
		.diff_ids = j->diff_ids,
		.chains = j->chains,
		.n = n,
		.present = j->present,
		.held = j->held,
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
